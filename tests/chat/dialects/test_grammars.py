"""The grammar of every family lets it write its own form, by the schema, and nothing else."""

import pytest
from llguidance import LLMatcher, LLTokenizer

from tests.chat.builders import WEATHER, tool
from tests.chat.dialects.families import FAMILIES, plain
from vivace.assets import embedded_model_path
from vivace.chat.conversation import Conversation, Message, ResponseFormat, Tool, ToolChoice
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS
from vivace.chat.grammar import GrammarBuilder, Start, _Rules

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


VALUES = tool("put", "maybe", maybe={"type": ["string", "null"]}, o={"type": "object", "properties": {"k": INTEGERS}})
NS = "]<]minimax[>[<"


@pytest.mark.parametrize(
    ("family", "rendered", "fits"),
    [
        ("deepseek_v4", '<|parameter name="maybe" string="true">null</|parameter>\n', True),
        ("deepseek_v4", '<|parameter name="maybe" string="false">null</|parameter>\n', True),
        ("deepseek_v4", '<|parameter name="maybe" string="false">"a"</|parameter>\n', False),
        ("minicpm", '<param name="maybe"><![CDATA[a</param>]]></param>', True),
        ("minicpm", '<param name="maybe">a & b</param>', False),
        ("minimax_m3", "<maybe>a</maybe><o><k><item>1</item><item>2</item></k></o>", True),
        ("minimax_m3", "<maybe>a</maybe><o><k><item>x</item></k></o>", False),
        ("minimax_m3", "<o></o>", False),
    ],
)
def test_values_as_the_family_writes_them(mini, ll, family, rendered, fits):
    whole = {
        "deepseek_v4": f'<|tool_calls>\n<|invoke name="put">\n{rendered}</|invoke>\n</|tool_calls>',
        "minicpm": f'<function name="put">{rendered}</function>',
        "minimax_m3": f'<tool_call>\n<invoke name="put">{rendered}</invoke>\n</tool_call>',
    }[family]
    before = {"deepseek_v4": ("|", "｜DSML｜"), "minimax_m3": ("<", NS)}.get(family, ("", ""))
    assert allowed(mini, ll, family, whole.replace(*before) if before[0] else whole, (VALUES,)) == fits


def test_what_ends_in_a_token_may_hold_the_text_before_it(mini, ll):
    token = mini.tokenizer.token_to_id("</tool_call>")
    rules = _Rules({"</tool_call>": token})
    matcher = LLMatcher(ll, rules.source(rules.free("\n</tool_call>")))
    ids = mini.tokenizer.encode("a\nb\n\nc\n</tool_call>", add_special_tokens=False).ids
    assert all(matcher.consume_token(i) for i in ids)
    assert matcher.is_accepting()
