"""Sums, differences and products; the hard ones worked out in columns."""

from random import Random
from typing import NamedTuple

from training import invent
from training.sample import Check, Sample, bot, user
from training.skills.columns import add_steps, multiply_steps, subtract_steps


class Problem(NamedTuple):
    question: str
    steps: str
    equation: str
    value: str


def operand(r: Random, digits: int = 4) -> int:
    """A number of at most `digits` digits."""
    n = min(r.choice([1, 2, 2, 3, 3, 4, 4]), digits)
    return r.randint(10 ** (n - 1) if n > 1 else 0, 10**n - 1)


def _hard_operands(r: Random, op: str) -> tuple[int, int]:
    if op != "*":
        return operand(r), operand(r)
    a, b = r.choice(
        [
            (operand(r), operand(r, 1)),
            (operand(r), operand(r, 2)),
            (operand(r), operand(r, 2)),
            (operand(r, 3), operand(r, 3)),
            (operand(r), operand(r, 3)),
        ]
    )
    return (b, a) if r.random() < 0.3 else (a, b)


def _easy_operands(r: Random, op: str) -> tuple[int, int]:
    top = 12 if op == "*" else 60
    a, b = r.randint(0, top), r.randint(0, top)
    return (r.randint(0, 10), r.randint(0, 10)) if r.random() < 0.3 else (a, b)


def _solve(op: str, a: int, b: int) -> tuple[int, str]:
    if op == "+":
        return a + b, add_steps(a, b)
    if op == "-":
        return a - b, subtract_steps(a, b)
    return a * b, multiply_steps(a, b)


_VERBAL = {
    "+": ["Add {a} and {b}.", "What is the sum of {a} and {b}?", "What is {a} plus {b}?"],
    "-": ["Subtract {b} from {a}.", "What is {a} minus {b}?", "What is the difference between {a} and {b}?"],
    "*": ["Multiply {a} by {b}.", "What is {a} times {b}?", "What is the product of {a} and {b}?"],
}
_FORMS = [
    "What is {e}?",
    "Calculate {e}.",
    "Compute {e}.",
    "{e} = ?",
    "{e}",
    "How much is {e}?",
    "What's {e}?",
    "Solve {e}.",
    "what is {e}",
    "{e}=",
    "Tell me the result of {e}.",
    "Can you calculate {e}?",
    "I need to know {e}.",
]
_STORIES = {
    "+": "{n} has {a} {o} and gets {b} more. How many {o} does {n} have now?",
    "-": "{n} has {a} {o} and gives away {b}. How many {o} are left?",
}


def _question(r: Random, op: str, a: int, b: int) -> str:
    sign = op if op != "*" else r.choice(["*", "*", "x", "×"])
    e = f"{a} {sign} {b}" if r.random() < 0.85 else f"{a}{sign}{b}"
    forms, words = _FORMS + _VERBAL[op], {"e": e}
    if op != "*" and r.random() < 0.12:
        forms, words = [_STORIES[op]], {"n": invent.first_name(r), "o": invent.thing(r) + "s"}
    return r.choice(forms).format(a=a, b=b, **words)


def problem(r: Random, hard: bool) -> Problem:
    """An addition, subtraction or multiplication with its written solution."""
    op = r.choice("++--**")
    a, b = _hard_operands(r, op) if hard else _easy_operands(r, op)
    if op == "-" and a < b:
        a, b = b, a
    value, steps = _solve(op, a, b)
    return Problem(_question(r, op, a, b), steps, f"{a} {op} {b} = {value}", str(value))


def _asked_form(r: Random, p: Problem) -> tuple[str, str, Check]:
    """(question, answer, check): the bare number if the question asks for it, else a sentence."""
    if r.random() < 0.2:
        tail = r.choice([" Answer with only the number.", " Reply with just the number.", " Only give the number."])
        return p.question + tail, p.value, ("exact", p.value)
    return p.question, r.choice([f"The answer is {p.value}.", f"{p.equation}."]), ("number", p.value)


def arithmetic(r: Random) -> Sample:
    """Easy ones at once, hard ones with their steps, in the reasoning or in the answer."""
    hard = r.random() < 0.6
    p = problem(r, hard)
    if not hard:
        ask, answer, check = _asked_form(r, p)
        return Sample("arithmetic_easy", [user(ask), bot(answer, f"{p.equation}.")], check=check)
    if r.random() < 0.8:
        ask, answer, check = _asked_form(r, p)
        return Sample("arithmetic", [user(ask), bot(answer, p.steps)], check=check, think=True)
    answer = f"{p.steps}\nThe answer is {p.value}."
    return Sample("arithmetic", [user(p.question), bot(answer)], check=("number", p.value), think=False)
