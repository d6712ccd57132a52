"""How each family's model writes calls and reasoning: what the property tests run over.

`⟦x⟧` is text that is one token in the family's vocabulary. To add a family, add its renderer to the table of its form.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from tests.chat.builders import TOOLS, tool
from tests.chat.dialects import families_json, families_literal, families_tagged
from tests.chat.dialects.rendering import Call, Family, dumped
from vivace.chat.conversation import Tool
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS
from vivace.chat.dialects.answer import AnswerParser
from vivace.chat.dialects.base import Piece

__all__ = ["FAMILIES", "OFFERED", "REASONING", "Call", "Family", "dumped", "parser", "pieces", "plain", "tokens_of"]

PING = tool("ping")
OFFERED = (*TOOLS, PING)
_TOKEN = re.compile("⟦(.*?)⟧", re.S)
_BY_FORM = families_json.FAMILIES | families_tagged.FAMILIES | families_literal.FAMILIES
FAMILIES = {name: _BY_FORM[name] for name in TOOL_DIALECTS if name in _BY_FORM}

# As many newlines as the family puts after its reasoning belong to the marker.
REASONING: dict[str, Callable[[str], str]] = {
    "think": lambda text: f"⟦<think>⟧\n{text}\n⟦</think>⟧\n\n",
    "mistral": lambda text: f"⟦[THINK]⟧{text}⟦[/THINK]⟧",
    "gemma4": lambda text: f"⟦<|channel>⟧thought\n{text}\n⟦<channel|>⟧",
    "seed_oss": lambda text: f"⟦<seed:think>⟧{text}⟦</seed:think>⟧",
    "hunyuan": lambda text: f"⟦<think>⟧\n{text}\n⟦</think>⟧\n⟦<answer>⟧\n",
    "hy_v3": lambda text: f"⟦<think:opensource>⟧{text}⟦</think:opensource>⟧",
    "longcat": lambda text: f"⟦<longcat_think>⟧\n{text}\n⟦</longcat_think>⟧\n",
    "k2_horizon": lambda text: f"⟦<ifm|think_fast>⟧{text}⟦</ifm|think_fast>⟧",
    "minimax_m3": lambda text: f"⟦<mm:think>⟧{text}⟦</mm:think>⟧",
    "granite": lambda text: f"Here is my thought process:\n{text}\nHere is my response:\n",
    "muse": lambda text: f" to=self⟦<|message|>⟧{text}⟦<|eom|>⟧⟦<|start|>⟧assistant to=user⟦<|message|>⟧",
    "harmony": lambda text: (
        f"⟦<|channel|>⟧analysis⟦<|message|>⟧{text}⟦<|end|>⟧⟦<|start|>⟧assistant⟦<|channel|>⟧final⟦<|message|>⟧"
    ),
    "response": lambda text: f"⟦<think>⟧{text}⟦</think>⟧⟦<response>⟧",
    "apertus": lambda text: f"⟦<|inner_prefix|>⟧{text}⟦<|inner_suffix|>⟧",
    "command_response": lambda text: f"⟦<|START_THINKING|>⟧{text}⟦<|END_THINKING|>⟧⟦<|START_RESPONSE|>⟧",
    "command": lambda text: f"⟦<|START_THINKING|>⟧{text}⟦<|END_THINKING|>⟧⟦<|START_TEXT|>⟧",
}


def plain(rendered: str) -> str:
    """The text alone."""
    return _TOKEN.sub(r"\1", rendered)


def pieces(rendered: str, size: int = 1_000_000) -> list[Piece]:
    """Tokens as markers, text between them in pieces of `size`."""
    return list(_pieces(rendered, size))


def _pieces(rendered: str, size: int) -> Iterator[Piece]:
    for i, part in enumerate(_TOKEN.split(rendered)):
        if i % 2:
            yield Piece(part, True)
        else:
            yield from (Piece(part[at : at + size]) for at in range(0, len(part), size))


def parser(
    family: str,
    tools: Sequence[Tool] = OFFERED,
    as_tokens: bool = False,
    reasoning: str | None = None,
    is_open: bool = False,
    tokens: frozenset[str] = frozenset(),
) -> AnswerParser:
    """`as_tokens`: what the renderers show as tokens are tokens of the vocabulary, besides `tokens`."""
    reasoning = reasoning or FAMILIES[family].reasoning
    tokens |= tokens_of(family, reasoning) if as_tokens else frozenset()
    return AnswerParser(TOOL_DIALECTS[family], REASONING_DIALECTS[reasoning], tools, is_open, tokens)


def tokens_of(family: str, reasoning: str = "none") -> frozenset[str]:
    """Markers that are tokens of the vocabulary."""
    call = ("get_weather", {"city": "Paris"})
    written = FAMILIES[family].render([call, call])  # shows all of them
    written += REASONING[reasoning]("") if reasoning in REASONING else ""
    return frozenset(_TOKEN.findall(written))
