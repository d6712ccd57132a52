"""Translation, sums, currencies, prices and clocks."""

from random import Random

from training import invent
from training.sample import dumps
from training.tools.typical.tool import INTEGER, NUMBER, TEXT, Arguments, Parameter, Result, TypicalTool


def _add_result(r: Random, a: Arguments) -> Result:
    v = round(a["a"] + a["b"], 2)
    return (r.choice([str(v), dumps({"result": v})]), f"The result is {v}.")


def _multiply_result(r: Random, a: Arguments) -> Result:
    v = a["a"] * a["b"]
    return (r.choice([str(v), dumps({"result": v})]), f"The result is {v}.")


def _convert_currency_result(r: Random, a: Arguments) -> Result:
    v = invent.decimal(r)
    return (dumps({"result": v}), f"{a['amount']} {a['from_currency']} is {v} {a['to_currency']}.")


def _get_stock_price_result(r: Random, a: Arguments) -> Result:
    v = invent.decimal(r)
    return (dumps({"symbol": a["symbol"], "price": v}), f"The price of {a['symbol']} is {v}.")


def _get_time_result(r: Random, a: Arguments) -> Result:
    v = invent.clock(r)
    return (r.choice([v, dumps({"time": v})]), f"It is {v} in {a['city']}.")


def _get_date_result(r: Random, a: Arguments) -> Result:
    v = invent.iso_date(r)
    return (v, f"Today is {v}.")


def _book_flight_result(r: Random, a: Arguments) -> Result:
    v = invent.code(r)
    return (dumps({"booking": v}), f"Your flight is booked. The booking code is {v}.")


TOOLS = [
    TypicalTool(
        "calculator",
        "add|add_numbers|sum|plus|addition",
        "Add two numbers.",
        [
            Parameter(
                "a|x|first|num1|left",
                NUMBER,
                "First number",
                lambda r: r.choice([r.randint(0, 99), r.randint(0, 9999), invent.decimal(r)]),
                True,
            ),
            Parameter(
                "b|y|second|num2|right",
                NUMBER,
                "Second number",
                lambda r: r.choice([r.randint(0, 99), r.randint(0, 9999), invent.decimal(r)]),
                True,
            ),
        ],
        [
            "add {a} and {b} with the tool",
            "what is {a} + {b}? Use the tool",
            "what is {a} plus {b}? Use the tool",
            "use the tool to add {a} and {b}",
            "compute {a} + {b} with the function",
            "sum {a} and {b} by calling the function",
        ],
        "add {a} and {b}",
        _add_result,
    ),
    TypicalTool(
        "calculator",
        "multiply|multiply_numbers|mul|product|times",
        "Multiply two numbers.",
        [
            Parameter(
                "a|x|first|num1|left",
                NUMBER,
                "First number",
                lambda r: r.choice([r.randint(0, 99), r.randint(0, 999)]),
                True,
            ),
            Parameter(
                "b|y|second|num2|right",
                NUMBER,
                "Second number",
                lambda r: r.choice([r.randint(0, 99), r.randint(0, 999)]),
                True,
            ),
        ],
        [
            "multiply {a} by {b} with the tool",
            "what is {a} * {b}? Use the tool",
            "what is {a} times {b}? Use the tool",
            "use the tool to multiply {a} and {b}",
            "compute {a} * {b} with the function",
        ],
        "multiply {a} by {b}",
        _multiply_result,
    ),
    TypicalTool(
        "currency",
        "convert_currency|currency_converter|exchange",
        "Convert an amount of money between currencies.",
        [
            Parameter("amount|value", NUMBER, "Amount", invent.decimal, True),
            Parameter(
                "from_currency|from|source", TEXT, "Source currency", lambda r: r.choice(["USD", "EUR", "GBP"]), True
            ),
            Parameter(
                "to_currency|to|target", TEXT, "Target currency", lambda r: r.choice(["JPY", "CHF", "SEK", "CAD"]), True
            ),
        ],
        [
            "convert {amount} {from_currency} to {to_currency}",
            "how much is {amount} {from_currency} in {to_currency}?",
            "change {amount} {from_currency} into {to_currency}",
        ],
        "convert {amount} {from_currency} to {to_currency}",
        _convert_currency_result,
    ),
    TypicalTool(
        "stock",
        "get_stock_price|stock_price|quote",
        "Get the current stock price of a company.",
        [
            Parameter(
                "symbol|ticker",
                TEXT,
                "Ticker symbol",
                lambda r: "".join(r.choice("ABCDEFGHIJKLMNOPRSTUVWXYZ") for _ in range(r.randint(3, 4))),
                True,
            )
        ],
        [
            "what is the stock price of {symbol}?",
            "get the price of {symbol}",
            "how much is {symbol} trading at?",
            "stock quote for {symbol}",
        ],
        "know the stock price of {symbol}",
        _get_stock_price_result,
    ),
    TypicalTool(
        "time",
        "get_time|get_current_time|current_time|clock|now",
        "Get the current time in a city.",
        [Parameter("city|timezone|location", TEXT, "City or time zone", invent.city, True)],
        [
            "what time is it in {city}?",
            "tell me the time in {city}",
            "current time in {city}",
            "what's the local time in {city}?",
        ],
        "know the time in {city}",
        _get_time_result,
    ),
    TypicalTool(
        "date",
        "get_date|today|current_date",
        "Get today's date.",
        [],
        ["what is the date today?", "which day is it today?", "tell me today's date", "what's today's date?"],
        "know the date",
        _get_date_result,
    ),
    TypicalTool(
        "flight",
        "book_flight|flight_booking|reserve_flight",
        "Book a flight.",
        [
            Parameter("origin|from_city|from", TEXT, "Departure city", invent.city, True),
            Parameter("destination|to_city|to", TEXT, "Arrival city", invent.city, True),
            Parameter("date|day|departure_date", TEXT, "Date, YYYY-MM-DD", invent.iso_date, True),
            Parameter("passengers|seats", INTEGER, "Number of people", lambda r: r.randint(2, 9), False),
        ],
        [
            "book a flight from {origin} to {destination} on {date}[ for {passengers} people]",
            "I need a flight from {origin} to {destination} on {date}[, {passengers} passengers]",
        ],
        "book a flight to {destination}",
        _book_flight_result,
    ),
]
