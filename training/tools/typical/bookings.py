"""Travel, restaurants, music and the home."""

from random import Random

from training import invent
from training.sample import dumps
from training.tools.typical.tool import INTEGER, NUMBER, SWITCH, TEXT, Arguments, Parameter, Result, TypicalTool


def _find_hotels_result(r: Random, a: Arguments) -> Result:
    v, p = "Hotel " + invent.pseudo(r).capitalize(), r.randint(40, 400)
    return (dumps([{"name": v, "price": p}]), f"I found {v} for {p} dollars.")


def _find_contact_result(r: Random, a: Arguments) -> Result:
    p = invent.phone(r)
    return (dumps({"name": a["name"], "phone": p}), f"The phone number of {a['name']} is {p}.")


TOOLS = [
    TypicalTool(
        "hotel",
        "find_hotels|search_hotels|hotel_search",
        "Find hotels in a city.",
        [
            Parameter("city|location", TEXT, "City", invent.city, True),
            Parameter(
                "max_price|price_limit|budget", INTEGER, "Highest price per night", lambda r: r.randint(40, 400), False
            ),
            Parameter("guests|people", INTEGER, "Number of guests", lambda r: r.randint(1, 6), False),
        ],
        [
            "find a hotel in {city}[ for at most {max_price} dollars][ for {guests} guests]",
            "search hotels in {city}[ under {max_price} dollars][ for {guests} people]",
        ],
        "find a hotel in {city}",
        _find_hotels_result,
    ),
    TypicalTool(
        "restaurant",
        "book_table|reserve_table|restaurant_booking",
        "Reserve a table in a restaurant.",
        [
            Parameter("restaurant|name|place", TEXT, "Restaurant name", lambda r: invent.pseudo(r).capitalize(), True),
            Parameter("people|guests|party_size", INTEGER, "Number of people", lambda r: r.randint(1, 12), True),
            Parameter("time|at", TEXT, "Time, HH:MM", invent.clock, True),
        ],
        [
            "book a table at {restaurant} for {people} people at {time}",
            "reserve a table for {people} at {restaurant}, {time}",
            "get us a table at {restaurant} at {time} for {people} people",
        ],
        "book a table at {restaurant}",
        lambda r, a: ("confirmed", f"Your table at {a['restaurant']} is booked for {a['time']}."),
    ),
    TypicalTool(
        "music",
        "play_music|play_song|play",
        "Play a song or artist.",
        [
            Parameter(
                "song|title|track|query",
                TEXT,
                "What to play",
                lambda r: r.choice([invent.phrase(r, 2), invent.full_name(r)]),
                True,
            ),
            Parameter("volume|loudness", INTEGER, "Volume, 0 to 100", lambda r: r.randint(0, 100), False),
        ],
        [
            'play "{song}"[ at volume {volume}]',
            "play {song}[ with volume {volume}]",
            "I want to hear {song}[ at volume {volume}]",
        ],
        "hear {song}",
        lambda r, a: ("playing", f"Now playing {a['song']}."),
    ),
    TypicalTool(
        "light",
        "set_light|control_light|switch_light|light",
        "Switch a light on or off.",
        [
            Parameter(
                "room|location|area",
                TEXT,
                "The room",
                lambda r: r.choice(
                    ["kitchen", "bedroom", "garden", "office", "hall", "garage", "bathroom", invent.pseudo(r)]
                ),
                True,
            ),
            Parameter("on|state|power", SWITCH, "True for on, false for off", lambda r: r.random() < 0.5, True),
        ],
        [
            "turn {on:on|off} the light in the {room}",
            "switch the {room} light {on:on|off}",
            "{room} light {on:on|off}",
            "turn the light in the {room} {on:on|off}",
        ],
        "switch the light in the {room}",
        lambda r, a: ("ok", f"The light in the {a['room']} is now {'on' if a['on'] else 'off'}."),
    ),
    TypicalTool(
        "thermostat",
        "set_temperature|set_thermostat|heating",
        "Set the room temperature.",
        [
            Parameter(
                "temperature|degrees|value",
                NUMBER,
                "Target temperature",
                lambda r: r.choice([r.randint(10, 30), r.randint(10, 29) + 0.5]),
                True,
            ),
            Parameter(
                "room|location",
                TEXT,
                "The room",
                lambda r: r.choice(["kitchen", "bedroom", "office", "hall", "bathroom"]),
                False,
            ),
        ],
        [
            "set the temperature[ in the {room}] to {temperature} degrees",
            "make it {temperature} degrees[ in the {room}]",
            "heat[ the {room}] to {temperature} degrees",
        ],
        "set the temperature",
        lambda r, a: ("ok", f"The temperature is set to {a['temperature']} degrees."),
    ),
    TypicalTool(
        "contact",
        "find_contact|get_contact|lookup_contact",
        "Look up a person's contact data.",
        [Parameter("name|person", TEXT, "Name of the person", invent.full_name, True)],
        [
            "find the contact of {name}",
            "what is the phone number of {name}?",
            "look up {name}",
            "get the contact data of {name}",
        ],
        "find the contact of {name}",
        _find_contact_result,
    ),
]
