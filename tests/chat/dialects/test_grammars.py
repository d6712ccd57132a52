"""The grammar of every family lets it write its own form, by the schema, and nothing else."""

import pytest
from llguidance import LLMatcher, LLTokenizer

from tests.chat.builders import WEATHER, tool
from tests.chat.dialects.families import FAMILIES, plain
from vivace.assets import embedded_model_path
from vivace.chat.conversation import Conversation, Message, ResponseFormat, Tool, ToolChoice
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS
from vivace.chat.grammar import GrammarBuilder, Start

PING = tool("ping")
INTEGERS = {"type": "array", "items": {"type": "integer"}}
LIST = tool("list_files", "pattern", pattern={"type": "string"}, deep={"type": "boolean"}, tags=INTEGERS)
PARIS = ("get_weather", {"city": "Paris"})
ROME = ("get_weather", {"city": 'R "o" m\\e', "days": 3, "unit": "C"})
REQUIRED = ToolChoice("required")

every_family = pytest.mark.parametrize("family", list(FAMILIES))


@pytest.fixture(scope="module")
def ll():
    return LLTokenizer(str(embedded_model_path() / "tokenizer.json"), n_vocab=8192, eos_token=[8182, 8180])


def allowed(mini, ll, family, rendered, tools=(WEATHER, PING, LIST), choice=REQUIRED, **fields) -> bool:
    """Whether the whole output may be written. Markers that the embedded model has as tokens are tokens."""
    dialect = TOOL_DIALECTS[family]
    ids = {m: mini.tokenizer.token_to_id(m) for m in dialect.markers}
    builder = GrammarBuilder(dialect, REASONING_DIALECTS["none"], {m: i for m, i in ids.items() if i is not None})
    grammar, _ = builder.build(Conversation((Message("user", "Hi"),), tools, choice, **fields), Start())
    assert grammar is not None
    matcher = LLMatcher(ll, grammar.source)
    assert not matcher.get_error(), (matcher.get_error(), grammar.source)
    tokens = mini.tokenizer.encode(plain(rendered), add_special_tokens=False).ids
    return all(matcher.consume_token(i) for i in tokens) and matcher.is_accepting()


@every_family
@pytest.mark.parametrize(
    "calls",
    [[PARIS], [ROME], [("ping", {})], [PARIS, ROME], [PARIS] * 3],
)
def test_the_form_may_be_written(mini, ll, family, calls):
    assert allowed(mini, ll, family, in_order(family, calls))


def in_order(family, calls):
    """Where the grammar has an order of its own for keys, the calls in that order."""
    return FAMILIES[family].render([(name, dict(sorted(given.items()))) for name, given in calls])


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
def test_the_schema_holds(mini, ll, family, calls):
    assert not allowed(mini, ll, family, in_order(family, calls))


@every_family
def test_one_call_where_parallel_calls_are_off(mini, ll, family):
    assert allowed(mini, ll, family, in_order(family, [PARIS]), parallel_tool_calls=False)
    assert not allowed(mini, ll, family, in_order(family, [PARIS, PARIS]), parallel_tool_calls=False)


@every_family
def test_a_named_tool_is_forced(mini, ll, family):
    named = ToolChoice("named", "ping")
    assert allowed(mini, ll, family, in_order(family, [("ping", {})]), choice=named)
    assert not allowed(mini, ll, family, in_order(family, [PARIS]), choice=named)
    assert not allowed(mini, ll, family, "Sure.", choice=named)


@every_family
def test_a_response_format_leaves_calls_possible(mini, ll, family):
    form = ResponseFormat("json", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    assert allowed(mini, ll, family, in_order(family, [PARIS]), choice=ToolChoice(), response_format=form)
    assert allowed(mini, ll, family, '{"a": 1}', choice=ToolChoice(), response_format=form)
    assert not allowed(mini, ll, family, "text", choice=ToolChoice(), response_format=form)


@pytest.mark.parametrize("family", ["hermes", "qwen3_coder_xml"])
def test_strict_tools_hold_in_free_text(mini, ll, family):
    strict = (Tool(WEATHER.name, None, WEATHER.parameters, strict=True),)
    auto = ToolChoice()
    assert allowed(mini, ll, family, "Just text.", strict, auto)
    assert allowed(mini, ll, family, f"So:\n{in_order(family, [PARIS])}", strict, auto)
    assert not allowed(mini, ll, family, in_order(family, [("get_weather", {"days": 3})]), strict, auto)
