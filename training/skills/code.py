"""Short Python functions: writing and renaming."""

from random import Random
from typing import NamedTuple

from training import invent
from training.sample import Sample, bot, user

# (what it does, its usual name, head, body): {f} function, {a} and {b} variables
FUNCTIONS = [
    ("adds two numbers", "add", "{f}({a}, {b})", ["return {a} + {b}"]),
    ("subtracts two numbers", "subtract", "{f}({a}, {b})", ["return {a} - {b}"]),
    ("multiplies two numbers", "multiply", "{f}({a}, {b})", ["return {a} * {b}"]),
    ("returns the square of a number", "square", "{f}({a})", ["return {a} * {a}"]),
    ("checks if a number is even", "is_even", "{f}({a})", ["return {a} % 2 == 0"]),
    ("checks if a number is odd", "is_odd", "{f}({a})", ["return {a} % 2 == 1"]),
    ("returns the larger of two numbers", "larger", "{f}({a}, {b})", ["return {a} if {a} > {b} else {b}"]),
    ("returns the smaller of two numbers", "smaller", "{f}({a}, {b})", ["return {a} if {a} < {b} else {b}"]),
    ("returns the length of a list", "length", "{f}({a})", ["return len({a})"]),
    (
        "returns the sum of a list",
        "total",
        "{f}({a})",
        ["total = 0", "for {b} in {a}:", "    total += {b}", "return total"],
    ),
    ("reverses a string", "reverse", "{f}({a})", ["return {a}[::-1]"]),
    ("converts a string to uppercase", "to_upper", "{f}({a})", ["return {a}.upper()"]),
    ("counts the words in a text", "count_words", "{f}({a})", ["return len({a}.split())"]),
    (
        "computes the factorial of a number",
        "factorial",
        "{f}({a})",
        ["result = 1", "for {b} in range(2, {a} + 1):", "    result *= {b}", "return result"],
    ),
    (
        "returns the n-th Fibonacci number",
        "fibonacci",
        "{f}({a})",
        ["x, y = 0, 1", "for _ in range({a}):", "    x, y = y, x + y", "return x"],
    ),
    ("returns the average of a list", "average", "{f}({a})", ["return sum({a}) / len({a})"]),
    ("returns the last element of a list", "last", "{f}({a})", ["return {a}[-1]"]),
    ("returns the first element of a list", "first", "{f}({a})", ["return {a}[0]"]),
    ("checks if a string is empty", "is_empty", "{f}({a})", ["return len({a}) == 0"]),
    ("checks if a word is a palindrome", "is_palindrome", "{f}({a})", ["return {a} == {a}[::-1]"]),
    ("greets a person by name", "greet", "{f}({a})", ['return "Hello, " + {a}']),
    ("counts how often an item is in a list", "count_item", "{f}({a}, {b})", ["return {a}.count({b})"]),
    ("returns the absolute value of a number", "absolute", "{f}({a})", ["return -{a} if {a} < 0 else {a}"]),
    ("sorts a list", "sort_list", "{f}({a})", ["return sorted({a})"]),
    ("removes duplicates from a list", "unique", "{f}({a})", ["return list(set({a}))"]),
    ("converts Celsius to Fahrenheit", "to_fahrenheit", "{f}({a})", ["return {a} * 9 / 5 + 32"]),
    ("reads a text file", "read_text", "{f}({a})", ["with open({a}) as file:", "    return file.read()"]),
]


class Function(NamedTuple):
    what: str
    usual: str
    head: str
    body: list[str]

    def source(self, f: str, a: str, b: str) -> str:
        """The definition with these names."""
        body = "\n".join("    " + line.format(a=a, b=b) for line in self.body)
        return f"def {self.head.format(f=f, a=a, b=b)}:\n{body}"


_VARIABLES = ["a", "b", "n", "x", "y", "value", "item", "items", "text", "data", "name"]


def code_function(r: Random) -> Sample:
    """The request gives the head, or only says what the function does (then names are the usual ones)."""
    function = Function(*r.choice(FUNCTIONS))
    a, b = invent.distinct(r, lambda r: r.choice([*_VARIABLES, invent.pseudo(r)]), 2)
    f = r.choice([invent.ident(r), "f", "solve", function.usual])
    unnamed = r.random() < 0.35
    if unnamed:
        f, a, b = function.usual, "a", "b"
    elif "{b}" not in function.head:
        b = "item" if a != "item" else "x"
    head, what = function.head.format(f=f, a=a, b=b), function.what
    ask = r.choice(
        [
            f"Write a Python function {head} that {what}.",
            f"Complete this Python function. It {what}.\n\ndef {head}:",
            f"Please write `{head}` in Python. It {what}.",
            f"Implement def {head}: in Python so that it {what}.",
        ]
    )
    if unnamed:
        ask = r.choice(_unnamed_requests(f, what))
    answer = f"```python\n{function.source(f, a, b)}\n```"
    reply = bot(answer, f"The function {head} {what}.")
    return Sample("code", [user(ask), reply], check=("code", answer), plain=False)


def _unnamed_requests(name: str, what: str) -> list[str]:
    return [
        f"Write a Python function that {what}.",
        f"Write a function that {what}.",
        f"Give me a Python function that {what}.",
        f"Write Python code that {what}.",
        f"I need a Python function which {what}.",
        f"Write a Python function called {name} that {what}.",
        f"Can you write a function in Python that {what}?",
    ]


def code_rename(r: Random) -> Sample:
    """Rename the function or its argument everywhere."""
    function = Function(*r.choice(FUNCTIONS))
    a, b = invent.distinct(r, lambda r: r.choice([invent.ident(r), "a", "x", "value", "item", "data"]), 2)
    f = invent.ident(r)
    new = invent.pseudo(r) if r.random() < 0.5 else f"{invent.ident(r)}_{invent.word(r)}"
    of_function = r.choice(["f", "a"]) == "f"
    old = f if of_function else a
    before = function.source(f, a, b)
    after = function.source(new, a, b) if of_function else function.source(f, new, b)
    ask = r.choice(
        [
            f"Rename {old} to {new} in this code:\n\n```python\n{before}\n```",
            f"In the code below, rename `{old}` to `{new}`.\n\n```python\n{before}\n```",
        ]
    )
    answer = f"```python\n{after}\n```"
    reply = bot(answer, f"I replace {old} with {new} everywhere.")
    return Sample("code", [user(ask), reply], check=("exact", answer), plain=False)
