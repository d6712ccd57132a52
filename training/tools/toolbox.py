"""The tools of a request: those it needs, and others."""

from random import Random

from training.sample import JSON
from training.tools.arbitrary import Pairs, random_case
from training.tools.case import Case
from training.tools.typical import TYPICAL
from training.tools.typical_case import typical_case

_QUESTION_WORDS = ("what", "how", "who", "where", "which", "is", "tell", "I")


def sentence(r: Random, text: str) -> str:
    """Capitalise and vary an imperative or a question."""
    question = text.endswith("?") or text.split()[0] in _QUESTION_WORDS
    if not question and r.random() < 0.35:
        text = r.choice(
            [
                "please {}",
                "can you {}?",
                "could you {}?",
                "I want you to {}",
                "hey, {}",
                "{}, please",
                "I need you to {}",
                "now {}",
            ]
        ).format(text)
    if r.random() < 0.85:
        text = text[0].upper() + text[1:]
    if text[-1] not in '?.!"' and r.random() < 0.7:
        text += "."
    return text


def any_case(r: Random, pairs: Pairs, families: set[str]) -> Case:
    """A typical or an arbitrary tool, different from those that `pairs` and `families` name."""
    if r.random() < 0.5 and len(families) < len(TYPICAL) - 3:
        case = typical_case(r, families)
        families.add(case.family)
        return case
    return random_case(r, pairs)


def toolbox(r: Random, cases: list[Case], pairs: Pairs, families: set[str], low: int = 0, high: int = 7) -> list[JSON]:
    """The schemas of the cases plus distractors, shuffled, names unique."""
    schemas: dict[str, JSON] = {}
    for case in cases:
        schemas.setdefault(case.tool_name, case.schema)
    for _ in range(r.choice([low, low, 1, 2, 3, 4, 5, high]) if high > low else 0):
        case = any_case(r, pairs, families)
        schemas.setdefault(case.tool_name, case.schema)
    tools = list(schemas.values())
    r.shuffle(tools)
    return tools


def unrelated_tools(r: Random) -> list[JSON]:
    return toolbox(r, [], set(), {"calculator"}, 1, 5)
