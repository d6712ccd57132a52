"""What follows a call: an answer, another request, an error; and requests that no tool fits."""

from random import Random

from training.sample import JSON, Sample, bot, tool, user
from training.tools.arbitrary import Pairs
from training.tools.case import reason
from training.tools.toolbox import any_case, sentence, toolbox, unrelated_tools
from training.tools.typical_case import typical_case


def call_and_answer(r: Random) -> Sample:
    """Call, result, answer; sometimes followed by another request in the same conversation."""
    pairs: Pairs = set()
    families: set[str] = set()
    cases = [any_case(r, pairs, families) for _ in range(r.choice([1, 1, 2, 3]))]
    tools = toolbox(r, cases, pairs, families, 0, 4)
    if len({c.call["name"] for c in cases}) < len(cases):
        return call_and_answer(r)
    messages: list[JSON] = []
    for c in cases:
        messages += [user(sentence(r, c.ask)), bot("", reason([c]), [c.call])]
        if c is cases[-1] and len(cases) > 1 and r.random() < 0.5:
            return Sample("tool_call", messages, tools, ("calls", [c.call]), plain=False)
        messages += [tool(c.result), bot(c.answer, f"The tool returned: {c.result} I will tell the user.")]
    return Sample("tool_answer", messages, tools, ("contains", [cases[-1].answer]), plain=False)


_PEOPLE = {"contact", "user", "message", "email"}  # families that could answer each other's requests


def no_tool(r: Random) -> Sample:
    """The tools do not fit the request."""
    case = typical_case(r, {"calculator"})
    families = {case.family} | (_PEOPLE if case.family in _PEOPLE else {"calculator"})
    tools = toolbox(r, [], set(), families, 1, 4)
    ask = sentence(r, case.ask)
    answer = bot("I am sorry, but none of my tools can do that.", f"The user wants to {case.goal}. No tool fits.")
    tools = tools or unrelated_tools(r)
    return Sample("no_tool", [user(ask), answer], tools, ("contains", ["none of my tools"]), plain=False)


_ERRORS = [
    "Error: timeout",
    "Error: not found",
    "Error: permission denied",
    '{"error": "service unavailable"}',
    '{"error": "internal error"}',
    "Error: connection refused",
    '{"error": "invalid request"}',
    "Error: 500",
]


def error_result(r: Random) -> Sample:
    """The tool fails: the user is told, and may want another try."""
    pairs: Pairs = set()
    families: set[str] = set()
    case = any_case(r, pairs, families)
    tools = toolbox(r, [case], pairs, families, 0, 3)
    error = r.choice(_ERRORS)
    what = error.removeprefix("Error: ").removeprefix('{"error": "').removesuffix('"}')
    told = bot(f"I am sorry, the tool failed: {what}.", "The tool returned an error. I must tell the user.")
    messages = [user(sentence(r, case.ask)), bot("", reason([case]), [case.call]), tool(error), told]
    if r.random() >= 0.3:
        return Sample("tool_answer", messages, tools, ("contains", [f"the tool failed: {what}"]), plain=False)
    retry = r.choice(["Try again.", "Please try again.", "Retry.", "Once more, please."])
    messages += [user(retry), bot("", f"The user wants another try. {reason([case])}", [case.call])]
    return Sample("tool_call", messages, tools, ("calls", [case.call]), plain=False)
