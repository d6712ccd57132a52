"""The grammar of every family lets it write calls in its own form, and nothing else."""

import pytest
from llguidance import LLMatcher

from tests.chat.builders import WEATHER
from tests.chat.dialects.corpus import explained
from tests.chat.dialects.families import FAMILIES, plain
from tests.chat.dialects.writing import (
    AUTO,
    FRESH,
    PARIS,
    PING,
    ROME,
    allowed,
    answer,
    either_way,
    every_family,
    in_order,
    reasoning_of,
    spelled,
    strict,
)
from vivace.chat.conversation import Conversation, Message, ResponseFormat, ToolChoice
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS
from vivace.chat.grammar import GrammarBuilder


@every_family
@pytest.mark.parametrize(
    "calls",
    [[PARIS], [ROME], [("ping", {})], [PARIS, ROME], [PARIS] * 3],
)
@either_way
def test_the_form_may_be_written(vocabulary, family, calls, as_tokens):
    may = len(calls) == 1 or TOOL_DIALECTS[family].parallel
    assert allowed(vocabulary, family, in_order(family, calls), as_tokens=as_tokens) is may


@every_family
@pytest.mark.parametrize(
    "calls",
    [
        [("get_weather", {"city": "Paris", "days": [3]})],
        [("get_weather", {"city": "Paris", "unit": "K"})],
        [("get_weather", {"days": 3})],
        [("nope", {})],
    ],
)
def test_the_schema_holds(vocabulary, family, calls):
    assert not allowed(vocabulary, family, in_order(family, calls))


@every_family
def test_one_call_where_parallel_calls_are_off(vocabulary, family):
    assert allowed(vocabulary, family, in_order(family, [PARIS]), parallel_tool_calls=False)
    assert not allowed(vocabulary, family, in_order(family, [PARIS, PARIS]), parallel_tool_calls=False)


@every_family
def test_a_named_tool_is_forced(vocabulary, family):
    named = ToolChoice("named", "ping")
    assert allowed(vocabulary, family, in_order(family, [("ping", {})]), choice=named)
    assert not allowed(vocabulary, family, in_order(family, [PARIS]), choice=named)
    assert not allowed(vocabulary, family, "Sure.", choice=named)


@every_family
def test_a_response_format_leaves_calls_possible(vocabulary, family):
    form = ResponseFormat("json", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    assert allowed(vocabulary, family, in_order(family, [PARIS]), choice=ToolChoice(), response_format=form)
    assert allowed(vocabulary, family, answer(family, '{"a": 1}'), choice=ToolChoice(), response_format=form)
    assert not allowed(vocabulary, family, answer(family, "text"), choice=ToolChoice(), response_format=form)


@every_family
@either_way
@pytest.mark.parametrize("tools", [(WEATHER, PING), (strict(WEATHER), PING)])
def test_calls_hold_in_free_text(vocabulary, family, as_tokens, tools):
    def may(text):
        return allowed(vocabulary, family, text, tools, AUTO, as_tokens)

    anywhere = TOOL_DIALECTS[family].trigger and reasoning_of(family) == "none"
    before = "So:\n" if anywhere else ""  # other calls begin the answer
    assert may(answer(family, "Just text, {of a} <kind>."))
    assert may(answer(family, '{"a": [1, 2]}'))
    assert may(before + in_order(family, [PARIS]))
    assert not may(before + in_order(family, [("get_weather", {"days": 3})]))
    assert not may(before + in_order(family, [("get_weather", {"city": "Paris", "unit": "K"})]))
    if TOOL_DIALECTS[family].parallel:
        assert may(before + in_order(family, [PARIS, ROME]))
        assert not may(before + in_order(family, [PARIS, ("get_weather", {"days": 3})]))


@pytest.mark.parametrize(
    "family", [name for name in FAMILIES if reasoning_of(name) != "none" and not TOOL_DIALECTS[name].trigger]
)
@either_way
def test_calls_behind_an_answer_with_a_header(vocabulary, family, as_tokens):
    def may(call):
        between = in_order(family, [PARIS, PARIS]).removeprefix(one := in_order(family, [PARIS])).removesuffix(one)
        text = answer(family, "So.") + between + in_order(family, [call])
        return allowed(vocabulary, family, text, (strict(WEATHER), PING), AUTO, as_tokens)

    assert may(PARIS)
    assert not may(("get_weather", {"days": 3}))


@every_family
@either_way
def test_one_call_in_free_text(vocabulary, family, as_tokens):
    def may(text):
        return allowed(vocabulary, family, text, (WEATHER, PING), AUTO, as_tokens, parallel_tool_calls=False)

    assert may(answer(family, "Just text."))
    assert may(in_order(family, [PARIS]))
    assert not may(in_order(family, [("get_weather", {"town": "Paris"})]))
    assert not may(in_order(family, [PARIS, PARIS]))


MENTIONS = (
    "See `@CALL`: so it calls.",
    "It writes:\n\n```json\n@CALL\n```\n\nThat is all.",
    "~~~\n@CALL\n~~~\n",
    "```\nnot closed @CALL",
    "1. a `b` ``\n   ```\n   @CALL\n   ```\nSo.\n",
    "In prose @OPENING and\n@OPENING begin calls. @OPENING",
    "@OPENING",
)


@every_family
def test_prose_and_code_that_mention_spelled_markers_stay_text(vocabulary, family):
    """Examples in code, of whatever arguments, and the explanations of the corpus of degraded outputs."""
    call = plain(in_order(family, [("get_weather", {"town": "Paris"})]))
    opening = TOOL_DIALECTS[family].ways[0].opening
    texts = [m.replace("@CALL", call).replace("@OPENING", opening) for m in MENTIONS if "\n" not in call or "\n" in m]
    texts += [case.text for case in explained(family)]
    before = plain(answer(family, ""))
    assert [text for text in texts if not spelled(vocabulary, family, before + text)] == []


@every_family
def test_spelled_markers_bind_behind_any_text(vocabulary, family):
    if not TOOL_DIALECTS[family].trigger or reasoning_of(family) != "none":
        pytest.skip("its calls begin the answer, or have a header")
    before = "See `this`:\n\n```\ncode `\n```\nNow I call.\n"
    assert spelled(vocabulary, family, before + plain(in_order(family, [PARIS])))
    assert not spelled(vocabulary, family, before + plain(in_order(family, [("get_weather", {"days": 3})])))


@pytest.mark.parametrize(
    ("family", "opener"),
    [("llama3", "<|python_tag|>"), ("granite", "<tool_call>"), ("phi4_functools", "<|tool_call|>")],
)
def test_tokens_that_open_calls_in_another_way_are_no_text(vocabulary, family, opener):
    """Nothing would hold such a call."""
    known = vocabulary.markers | {"<tool_call>": vocabulary.tokenizer.token_to_id("<tool_call>")}
    known.setdefault(opener, vocabulary.tokenizer.token_to_id("<think>"))
    others = (*known.values(), vocabulary.tokenizer.token_to_id("</think>"))
    builder = GrammarBuilder(TOOL_DIALECTS[family], REASONING_DIALECTS["none"], {opener: known[opener]}, others)
    grammar, _ = builder.build(Conversation((Message("user", "Hi"),), (WEATHER,), AUTO), FRESH)
    assert grammar is not None
    assert not LLMatcher(vocabulary.ll, grammar.source).consume_token(known[opener])
    assert LLMatcher(vocabulary.ll, grammar.source).consume_token(vocabulary.tokenizer.token_to_id("</think>"))


def test_a_prompt_of_python_is_no_call(vocabulary):
    """Functionary 3.2 puts `>>>` between an answer and its calls."""
    assert spelled(vocabulary, "functionary_v32", "all\nType\n>>> 1 + 1\n>>>get_weather('Rome')\n2\n")
    assert spelled(vocabulary, "functionary_v32", "all\nI look." + ">>>" + in_order("functionary_v32", [PARIS, PARIS]))
    assert not spelled(vocabulary, "functionary_v32", 'all\nI look.>>>get_weather\n{"days": 3}')
