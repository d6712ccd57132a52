"""Weather, search, messages and reminders."""

from random import Random

from training import invent
from training.sample import dumps
from training.tools.typical.tool import INTEGER, TEXT, Arguments, Parameter, Result, TypicalTool, enum

_CONDITIONS = ["sunny", "cloudy", "rainy", "windy", "snowy", "foggy", "clear", "stormy"]


def _expression(r: Random) -> str:
    a, b, c = r.randint(1, 999), r.randint(1, 99), r.randint(1, 50)
    return r.choice(
        [f"{a} + {b}", f"{a} * {b}", f"{a} - {b}", f"({a} + {b}) * {c}", f"{a} * {b} + {c}", f"{a} * {b} - {c}"]
    )


def _weather_result(r: Random, a: Arguments) -> Result:
    t, c = r.randint(-15, 40), r.choice(_CONDITIONS)
    unit = {"celsius": "°C", "fahrenheit": "°F"}.get(a.get("unit", ""), "°C")
    city = a["city"]
    return r.choice(
        [
            dumps({"city": city, "temperature": t, "condition": c}),
            dumps({"temp": t, "condition": c}),
            dumps({"temperature": t, "unit": unit[1], "condition": c}),
            f"{c}, {t} degrees",
            dumps({"location": city, "forecast": c, "temperature": t}),
        ]
    ), f"The weather in {city} is {c} with {t} degrees."


def _calculator_result(r: Random, a: Arguments) -> Result:
    v = eval(a["expression"], {"__builtins__": {}})  # our own: digits and + - * ( )
    return (r.choice([str(v), dumps({"result": v})]), f"The result is {v}.")


def _web_search_result(r: Random, a: Arguments) -> Result:
    t, u = invent.phrase(r, 3), invent.url(r)
    return (dumps([{"title": t, "url": u}]), f"I found {t} at {u}.")


def _translate_result(r: Random, a: Arguments) -> Result:
    w = invent.pseudo(r) + " " + invent.pseudo(r)
    return (w, f"The translation is: {w}")


TOOLS = [
    TypicalTool(
        "weather",
        "get_weather|weather|get_current_weather|fetch_weather|weather_lookup",
        "Get the current weather for a city.",
        [
            Parameter("city|location|place", TEXT, "The city name", invent.city, True),
            Parameter(
                "unit|units",
                enum("celsius", "fahrenheit"),
                "Temperature unit",
                lambda r: r.choice(["celsius", "fahrenheit"]),
                False,
            ),
        ],
        [
            "what is the weather in {city}[ in {unit}]?",
            "how is the weather in {city}[ in {unit}]?",
            "tell me the weather in {city}[ in {unit}]",
            "what's the weather like in {city}[, in {unit}]?",
            "get the weather for {city}[ in {unit}]",
            "is it warm in {city}[, in {unit}]?",
            "weather in {city}[ in {unit}]",
            "I need the weather for {city}[ in {unit}]",
            "check the weather in {city}[ in {unit}] right now",
            "what's the weather in {city} today[, in {unit}]?",
            "what is the weather like in {city} right now[, in {unit}]?",
            "is it raining in {city}[, answer in {unit}]?",
            "do I need an umbrella in {city}[ (in {unit})]?",
            "how hot is it in {city}[ in {unit}]?",
            "how cold is it in {city} today[ in {unit}]?",
            "current weather {city}[ {unit}]",
        ],
        "know the weather in {city}",
        _weather_result,
    ),
    TypicalTool(
        "calculator",
        "calculator|calculate|calc|evaluate|math",
        "Evaluate a mathematical expression.",
        [Parameter("expression|expr|formula|input", TEXT, "The expression to evaluate", _expression, True)],
        [
            "calculate {expression} with the calculator",
            "use the calculator for {expression}",
            "compute {expression} with the tool",
            "what is {expression}? Use the calculator",
            "evaluate {expression}",
        ],
        "evaluate {expression}",
        _calculator_result,
    ),
    TypicalTool(
        "search",
        "web_search|search|search_web|google|internet_search",
        "Search the web for a query.",
        [
            Parameter("query|q|text", TEXT, "The search query", invent.phrase, True),
            Parameter("limit|max_results|top_k", INTEGER, "How many results", lambda r: r.randint(1, 20), False),
        ],
        [
            "search the web for {query}[ and give me {limit} results]",
            "look up {query} on the web[, at most {limit} results]",
            "find web pages about {query}[, {limit} results]",
            "search for {query}[ with {limit} results]",
            'google "{query}"[, {limit} results]',
        ],
        "search for {query}",
        _web_search_result,
    ),
    TypicalTool(
        "email",
        "send_email|email|send_mail|mail",
        "Send an email.",
        [
            Parameter("to|recipient|address", TEXT, "Recipient address", invent.email, True),
            Parameter("subject|title", TEXT, "Subject line", invent.phrase, True),
            Parameter("body|text|content", TEXT, "Text of the email", invent.phrase, True),
        ],
        [
            'send an email to {to} with the subject "{subject}" and the text "{body}"',
            'email {to}, subject "{subject}", text "{body}"',
            'write to {to} about "{subject}": "{body}"',
        ],
        "send an email to {to}",
        lambda r, a: (r.choice(["sent", dumps({"status": "sent"})]), f"I sent the email to {a['to']}."),
    ),
    TypicalTool(
        "message",
        "send_message|send_text|text_message|sms|notify",
        "Send a text message to a person.",
        [
            Parameter("to|recipient|name|contact", TEXT, "Who gets the message", invent.first_name, True),
            Parameter("message|text|content", TEXT, "The message", invent.phrase, True),
        ],
        [
            'send {to} the message "{message}"',
            "text {to}: {message}",
            'send a message to {to} that says "{message}"',
            "tell {to} by message: {message}",
        ],
        "send a message to {to}",
        lambda r, a: ("sent", f"I sent the message to {a['to']}."),
    ),
    TypicalTool(
        "reminder",
        "set_reminder|create_reminder|add_reminder|remind",
        "Create a reminder.",
        [
            Parameter("text|title|task|what", TEXT, "What to remember", invent.phrase, True),
            Parameter("time|at|when", TEXT, "Time of day, HH:MM", invent.clock, True),
            Parameter("date|day", TEXT, "Date, YYYY-MM-DD", invent.iso_date, False),
        ],
        [
            'remind me to "{text}" at {time}[ on {date}]',
            "set a reminder for {time}[ on {date}]: {text}",
            'create a reminder "{text}" at {time}[ on {date}]',
        ],
        "be reminded at {time}",
        lambda r, a: ("ok", f"I set a reminder for {a['time']}."),
    ),
    TypicalTool(
        "alarm",
        "set_alarm|create_alarm|alarm",
        "Set an alarm.",
        [
            Parameter("time|at", TEXT, "Time, HH:MM", invent.clock, True),
            Parameter("label|name", TEXT, "Label of the alarm", invent.word, False),
        ],
        [
            "set an alarm for {time}[ with the label {label}]",
            "wake me up at {time}[, label {label}]",
            "alarm at {time}[ called {label}]",
        ],
        "set an alarm for {time}",
        lambda r, a: ("ok", f"The alarm is set for {a['time']}."),
    ),
    TypicalTool(
        "timer",
        "start_timer|set_timer|timer",
        "Start a timer.",
        [
            Parameter(
                "minutes|duration|duration_minutes", INTEGER, "Length in minutes", lambda r: r.randint(1, 120), True
            )
        ],
        ["set a timer for {minutes} minutes", "start a {minutes} minute timer", "timer for {minutes} minutes please"],
        "start a timer",
        lambda r, a: ("started", f"The timer runs for {a['minutes']} minutes."),
    ),
    TypicalTool(
        "translate",
        "translate|translate_text|translator",
        "Translate a text into another language.",
        [
            Parameter("text|input", TEXT, "Text to translate", invent.phrase, True),
            Parameter(
                "target_language|to|language|target",
                TEXT,
                "Target language",
                lambda r: r.choice(["French", "German", "Spanish", "Italian", "Japanese", "Dutch", "Polish"]),
                True,
            ),
        ],
        [
            'translate "{text}" into {target_language}',
            "translate to {target_language}: {text}",
            'how do you say "{text}" in {target_language}?',
        ],
        "translate a text into {target_language}",
        _translate_result,
    ),
]
