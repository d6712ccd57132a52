"""Several calls in one turn, of one tool or of several."""

from random import Random

from training.sample import Sample, bot, tool, user
from training.tools.arbitrary import Pairs
from training.tools.case import Case, reason
from training.tools.toolbox import any_case, sentence, toolbox
from training.tools.typical_case import same_tool_again, typical_case
from training.wording import join


def _cases(r: Random, pairs: Pairs, families: set[str]) -> list[Case]:
    if r.random() >= 0.55:
        return [any_case(r, pairs, families) for _ in range(2)]
    first = typical_case(r, {"date"})
    families.add(first.family)
    return [first, *(same_tool_again(r, first) for _ in range(r.choice([1, 1, 2])))]


def _confusable(cases: list[Case]) -> bool:
    """Whether two cases are the same call, or two tools have the same name."""
    if len({c.call["name"] for c in cases}) > 1 and len({c.tool_name for c in cases}) < len(cases):
        return True
    return any(a.call == b.call for i, a in enumerate(cases) for b in cases[:i])


def _two_or_three(r: Random) -> tuple[list[Case], Pairs, set[str]]:
    pairs: Pairs = set()
    families: set[str] = set()
    cases = _cases(r, pairs, families)
    return _two_or_three(r) if _confusable(cases) else (cases, pairs, families)


def _ask(r: Random, cases: list[Case]) -> str:
    if all(c.family == "weather" and len(c.call["arguments"]) == 1 for c in cases):
        places = join([next(iter(c.call["arguments"].values())) for c in cases])
        forms = [
            "What is the weather in {}?",
            "Compare the weather in {}.",
            "How is the weather in {}?",
            "Weather for {}",
        ]
        return r.choice(forms).format(places)
    first, *others = [c.ask.rstrip("?.") for c in cases]
    text = sentence(r, first).rstrip("?.")
    for other in others:
        text += r.choice([". Also, {}", " and also {}", ". Then {}", ", and {}"]).format(other)
    return text + "."


def parallel_calls(r: Random) -> Sample:
    """The calls, and sometimes the answer to their results."""
    cases, pairs, families = _two_or_three(r)
    calls = [c.call for c in cases]
    messages = [user(_ask(r, cases)), bot("", reason(cases), calls)]
    tools = toolbox(r, cases, pairs, families, 0, 3)
    if r.random() >= 0.4:
        return Sample("parallel", messages, tools, ("calls", calls), plain=False)
    results = "; ".join(c.result for c in cases)
    answer = " ".join(c.answer for c in cases)
    messages += [tool(c.result) for c in cases]
    messages.append(bot(answer, f"I have {len(cases)} results: {results}. I will report all of them."))
    return Sample("tool_answer", messages, tools, ("contains", [answer]), plain=False)
