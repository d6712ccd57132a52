"""One request that one tool answers."""

from random import Random

from training.sample import JSON, Sample, bot, system, user
from training.tools.arbitrary import Pairs, random_case
from training.tools.case import Case, reason
from training.tools.toolbox import sentence, toolbox
from training.tools.typical import TYPICAL
from training.tools.typical_case import typical_case


def _maybe_rule(r: Random, name: str) -> list[JSON]:
    """Sometimes a system rule about the use of tools (as tool_choice would give)."""
    if r.random() >= 0.12:
        return []
    rules = [
        "You must call a function.",
        "Always answer with a function call.",
        f"You must call the function {name}.",
        f"Use the function {name}.",
        "Use a tool to answer.",
    ]
    return [system(r.choice(rules))]


def _forbidden(ask: str, tools: list[JSON]) -> Sample:
    answer = bot("I am not allowed to call a function now.", "I must not call a function.")
    messages = [system("Do not call any function."), user(ask), answer]
    return Sample("no_tool", messages, tools, ("contains", ["not allowed"]), plain=False)


def _request(r: Random, case: Case, pairs: Pairs, families: set[str]) -> Sample:
    tools = toolbox(r, [case], pairs, families)
    ask, name = sentence(r, case.ask), case.call["name"]
    if r.random() < 0.08:
        hints = [" Use the tool.", " Use a tool.", f" Use {name}.", " Please call the function.", " Call the tool."]
        ask += r.choice(hints)
    if r.random() < 0.03:
        return _forbidden(ask, tools)
    messages = [*_maybe_rule(r, name), user(ask), bot("", reason([case]), [case.call])]
    return Sample("tool_call", messages, tools, ("calls", [case.call]), plain=False)


def random_call(r: Random) -> Sample:
    """An arbitrary tool, in half of the cases among arbitrary tools only."""
    pairs: Pairs = set()
    case = random_case(r, pairs)
    return _request(r, case, pairs, set() if r.random() < 0.5 else {t.family for t in TYPICAL[:-2]})


def domain_call(r: Random) -> Sample:
    """A typical tool."""
    case = typical_case(r)
    return _request(r, case, set(), {case.family})
