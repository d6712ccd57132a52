"""Two calls, the second with a value from the first one's result."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from training import invent
from training.sample import JSON, Sample, bot, dumps, tool, user
from training.tools.arbitrary import Pairs, random_case
from training.tools.case import text_schema


class Chain(NamedTuple):
    """Two calls {"name", "arguments"} with their results, and the answer at the end."""

    tools: list[JSON]
    ask: str
    first: JSON
    found: str
    second: JSON
    done: str
    end: str


def _message_a_contact(r: Random, person: str, code: str, text: str) -> Chain:
    name, key = r.choice(["name", "person"]), r.choice(["contact_id", "id"])
    body = r.choice(["text", "message"])
    tools = [
        text_schema(r, "find_contact", "Find a contact id by name.", {name: "Name"}),
        text_schema(r, "send_message", "Send a message to a contact id.", {key: "Contact id", body: "Text"}),
    ]
    ask = r.choice(
        [
            f'Send {person} the message "{text}".',
            f"Message {person}: {text}",
            f'Find {person} and send the text "{text}".',
        ]
    )
    first = {"name": "find_contact", "arguments": {name: person}}
    second = {"name": "send_message", "arguments": {key: code, body: text}}
    done = r.choice(["sent", '{"status": "sent"}'])
    return Chain(
        tools, ask, first, dumps({"name": person, "id": code}), second, done, f"I sent the message to {person}."
    )


def _fill_the_cart(r: Random, person: str, code: str, text: str) -> Chain:
    product = f"{invent.color(r)} {invent.thing(r)}"
    query, key = r.choice(["query", "name"]), r.choice(["product_id", "id"])
    tools = [
        text_schema(r, "search_products", "Search products.", {query: "Search text"}),
        text_schema(r, "add_to_cart", "Put a product into the cart.", {key: "Product id"}),
    ]
    ask = r.choice(
        [
            f"Add a {product} to my cart.",
            f"Find a {product} and put it in the cart.",
            f"I want to buy a {product}. Put it in my cart.",
        ]
    )
    first = {"name": "search_products", "arguments": {query: product}}
    second = {"name": "add_to_cart", "arguments": {key: code}}
    found = dumps([{"id": code, "name": product}])
    return Chain(tools, ask, first, found, second, "ok", f"I added the {product} to your cart.")


def _weather_at_home(r: Random, person: str, code: str, text: str) -> Chain:
    city = invent.city(r)
    user_name, place = r.choice(["user", "name"]), r.choice(["city", "location"])
    tools = [
        text_schema(r, "get_user_city", "Get the city where a user lives.", {user_name: "User name"}),
        text_schema(r, "get_weather", "Get the weather of a city.", {place: "City"}),
    ]
    ask = r.choice([f"What is the weather where {person} lives?", f"How is the weather in the city of {person}?"])
    degrees = r.randint(-10, 40)
    first = {"name": "get_user_city", "arguments": {user_name: person}}
    second = {"name": "get_weather", "arguments": {place: city}}
    found = r.choice([city, dumps({"city": city})])
    done = dumps({"temperature": degrees, "condition": "sunny"})
    return Chain(tools, ask, first, found, second, done, f"The weather in {city} is sunny with {degrees} degrees.")


def _cancel_an_order(r: Random, person: str, code: str, text: str) -> Chain:
    customer, key = r.choice(["customer", "name"]), r.choice(["order_id", "id"])
    tools = [
        text_schema(r, "list_orders", "List the orders of a customer.", {customer: "Customer"}),
        text_schema(r, "cancel_order", "Cancel an order.", {key: "Order id"}),
    ]
    ask = r.choice([f"Cancel the order of {person}.", f"Find the order of {person} and cancel it."])
    first = {"name": "list_orders", "arguments": {customer: person}}
    second = {"name": "cancel_order", "arguments": {key: code}}
    found = dumps([{"id": code, "status": "open"}])
    return Chain(tools, ask, first, found, second, "cancelled", f"I cancelled the order {code} of {person}.")


_KINDS: list[Callable[[Random, str, str, str], Chain]] = [
    _message_a_contact,
    _fill_the_cart,
    _weather_at_home,
    _cancel_an_order,
]


def chain(r: Random) -> Sample:
    """Judged by the second call or by the answer at the end."""
    person, code = invent.full_name(r), invent.code(r)
    make = r.choice(_KINDS)
    c = make(r, person, code, invent.phrase(r))
    pairs: Pairs = set()
    tools = c.tools + [random_case(r, pairs).schema for _ in range(r.randint(0, 2))]
    r.shuffle(tools)
    passed = ", ".join(f"{k} {v}" for k, v in c.second["arguments"].items())
    messages = [
        user(c.ask),
        bot("", f"I need two steps. First I call {c.first['name']}.", [c.first]),
        tool(c.found),
        bot("", f"The first result is {c.found}. Now I call {c.second['name']} with {passed}.", [c.second]),
    ]
    if r.random() < 0.5:
        return Sample("chain", messages, tools, ("calls", [c.second]), plain=False)
    messages += [tool(c.done), bot(c.end, "Both steps are done.")]
    return Sample("chain", messages, tools, ("contains", [c.end]), plain=False)
