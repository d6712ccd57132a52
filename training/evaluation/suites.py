"""Held-out conversations, skill by skill: new entities and combinations, known phrasings."""

from training import data
from training.sample import Maker, Sample
from training.skills.arithmetic import arithmetic
from training.skills.chat import chat, persona
from training.skills.classification import classification, yes_no
from training.skills.code import code_function, code_rename
from training.skills.compare import compare
from training.skills.explain import explain
from training.skills.extraction import extraction, extraction_list
from training.skills.facts import knowledge
from training.skills.form import form
from training.skills.limits import unknown
from training.skills.memory import dialogue
from training.skills.retrieval import retrieval
from training.skills.story import story
from training.skills.transform import transform
from training.tools.agent import agent
from training.tools.chain import chain
from training.tools.dialogues import call_and_answer, error_result, no_tool
from training.tools.parallel import parallel_calls
from training.tools.requests import domain_call, random_call

HELD_OUT = 9_000_000_000_000  # first seed; training uses seeds below 4e11

# A suite's seeds follow from its place: new suites go to the end.
SUITES: dict[str, Maker] = {
    "identity": chat,
    "persona": persona,
    "unknown": unknown,
    "facts": knowledge,
    "arithmetic": arithmetic,
    "compare": compare,
    "retrieval_short": lambda r: retrieval(r, r.randint(60, 500)),
    "retrieval_2k": lambda r: retrieval(r, r.randint(1500, 2000)),
    "retrieval_8k": lambda r: retrieval(r, r.randint(6000, 7200)),
    "json": extraction,
    "json_list": extraction_list,
    "classify": classification,
    "yes_no": yes_no,
    "transform": transform,
    "form": form,
    "code_function": code_function,
    "code_rename": code_rename,
    "story": story,
    "explain": explain,
    "dialogue": dialogue,
    "tool_random": random_call,
    "tool_domain": domain_call,
    "tool_parallel": parallel_calls,
    "tool_answer": call_and_answer,
    "agent": agent,
    "chain": chain,
    "no_tool": no_tool,
    "tool_error": error_result,
}
_PLACE = {suite: place for place, suite in enumerate(SUITES)}


def held_out(suite: str, n: int) -> list[Sample]:
    """The first `n` samples of a suite.

    Raises:
        KeyError: there is no such suite.
    """
    first = HELD_OUT + 1000 * _PLACE[suite]
    return [data.sample(first + i, SUITES[suite]) for i in range(n)]
