"""What families may write by their grammars: a vocabulary with their markers, and outputs to try."""

import re
from dataclasses import dataclass

import pytest
from llguidance import LLMatcher, LLTokenizer
from tokenizers import Tokenizer

from tests.chat.builders import WEATHER, tool
from tests.chat.dialects.families import FAMILIES, pieces, plain, tokens_of
from vivace.chat.conversation import Conversation, Message, Tool, ToolChoice
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS
from vivace.chat.grammar import GrammarBuilder, Start

PING = tool("ping")
INTEGERS = {"type": "array", "items": {"type": "integer"}}
LIST = tool("list_files", "pattern", pattern={"type": "string"}, deep={"type": "boolean"}, tags=INTEGERS)
PARIS = ("get_weather", {"city": "Paris"})
ROME = ("get_weather", {"city": 'R "o" m\\e', "days": 3, "unit": "C"})
REQUIRED = ToolChoice("required")

AUTO = ToolChoice()
FRESH = Start()

every_family = pytest.mark.parametrize("family", list(FAMILIES))
either_way = pytest.mark.parametrize("as_tokens", [False, True])


@dataclass(frozen=True)
class Vocabulary:
    """The embedded model's, and all markers that the renderers show as tokens behind it."""

    tokenizer: Tokenizer
    letters: Tokenizer
    markers: dict[str, int]
    ll: LLTokenizer

    def encode(self, rendered: str, as_tokens: bool) -> list[int]:
        """Letters of what is a token here are letters, if the family's markers are shown as tokens."""
        if not as_tokens:
            return self.tokenizer.encode(plain(rendered)).ids
        fed = pieces(rendered)
        return [i for p in fed for i in ([self.markers[p.text]] if p.marker else self.letters.encode(p.text).ids)]


def allowed(vocabulary, family, rendered, tools=(WEATHER, PING, LIST), choice=REQUIRED, as_tokens=False, **fields):
    """Whether the whole output may be written, with the family's markers as letters or as tokens."""
    grammar, _ = written(vocabulary, family, tools, choice, as_tokens, **fields)
    assert grammar is not None
    matcher = LLMatcher(vocabulary.ll, grammar.source)
    assert not matcher.get_error(), (matcher.get_error(), grammar.source)
    return all(matcher.consume_token(i) for i in vocabulary.encode(rendered, as_tokens)) and matcher.is_accepting()


def written(vocabulary, family, tools, choice=REQUIRED, as_tokens=False, start=FRESH, **fields):
    """A grammar and its notes."""
    reasoning = reasoning_of(family)
    known = vocabulary.markers if as_tokens else vocabulary.tokenizer.get_vocab()
    shown = tokens_of(family, reasoning) if as_tokens else TOOL_DIALECTS[family].markers
    builder = GrammarBuilder(
        TOOL_DIALECTS[family], REASONING_DIALECTS[reasoning], {m: known[m] for m in shown if m in known}
    )
    return builder.build(Conversation((Message("user", "Hi"),), tools, choice, **fields), start)


def reasoning_of(family):
    """Where answers have a header, that of the family; else the grammar needs none."""
    return family if family in REASONING_DIALECTS and REASONING_DIALECTS[family].answer_open else "none"


def answer(family, text):
    """An answer that is no call."""
    reasoning = reasoning_of(family)
    shown = "|".join(map(re.escape, tokens_of(family, reasoning)))
    return re.sub(shown or "(?!)", r"⟦\g<0>⟧", REASONING_DIALECTS[reasoning].answer_open) + text


def in_order(family, calls):
    """Where the grammar has an order of its own for keys, the calls in that order."""
    return FAMILIES[family].render([(name, dict(sorted(given.items()))) for name, given in calls])


def double_quoted(family, calls):
    """The grammars of Pythonic calls want JSON within lists and objects, and where a pattern has to hold."""
    return in_order(family, calls).replace("'", '"')


def strict(tool: Tool) -> Tool:
    return Tool(tool.name, None, tool.parameters, strict=True)


def spelled(vocabulary, family, text):
    """Whether `text` may be written where none of the family's markers is one token."""
    builder = GrammarBuilder(TOOL_DIALECTS[family], REASONING_DIALECTS[reasoning_of(family)], {})
    grammar, notes = builder.build(Conversation((Message("user", "Hi"),), (WEATHER, PING, LIST), AUTO), FRESH)
    if grammar is None:
        return bool(notes)
    matcher = LLMatcher(vocabulary.ll, grammar.source)
    ids = vocabulary.letters.encode(text, add_special_tokens=False).ids
    return all(matcher.consume_token(i) for i in ids) and matcher.is_accepting()
