import json

import pytest
from llguidance import LLMatcher, LLTokenizer

from tests.chat.builders import WEATHER, call, tool
from vivace.assets import embedded_model_path
from vivace.chat.conversation import Conversation, Message, Options, ResponseFormat, Tool, ToolChoice
from vivace.chat.grammar import Start, _Rules
from vivace.errors import VivaceError

PARIS = call("get_weather", city="Paris")
TIME = tool("get_time", "zone", zone={"type": "string"})
AUTO = ToolChoice()
NAMED = ToolChoice("named", "get_weather")
REQUIRED = ToolChoice("required")
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
NESTED = tool("nested", "o", o={"$ref": "#/$defs/P"})
NESTED.parameters["$defs"] = {"P": PERSON}


@pytest.fixture(scope="module")
def ll():
    return LLTokenizer(str(embedded_model_path() / "tokenizer.json"), n_vocab=8192, eos_token=[8182, 8180])


def prepared(mini, *tools, choice=AUTO, thinking=False, **fields):
    return mini.prepare(Conversation((Message("user", "Hi"),), tools, choice, **fields), Options(thinking=thinking))


def accepted(mini, ll, grammar, text):
    """Whether `text` is a whole output: every token is allowed, and the end is too."""
    matcher = LLMatcher(ll, grammar.source)
    assert not matcher.get_error()
    ids = mini.tokenizer.encode(text, add_special_tokens=False).ids
    return all(matcher.consume_token(i) for i in ids) and matcher.is_accepting()


CALLS = [
    (NAMED, True, PARIS, True),
    (NAMED, True, call("get_weather", city="a </parameter> b\n\n", days="3", unit="C"), True),
    (NAMED, True, call("get_weather", city='{"a": 1} é 😀'), True),
    (NAMED, True, f"{PARIS}\n{PARIS}", True),
    (NAMED, False, f"{PARIS}\n{PARIS}", False),
    (NAMED, True, call("get_weather", city="a", days="many"), False),
    (NAMED, True, call("get_weather", city="a", unit="K"), False),
    (NAMED, True, call("get_weather", days="3"), False),
    (NAMED, True, call("get_weather", town="a"), False),
    (NAMED, True, call("get_time", zone="a"), False),
    (NAMED, True, "Sure.", False),
    (NAMED, True, PARIS.removesuffix("</tool_call>"), False),
    (REQUIRED, True, call("get_time", zone="UTC"), True),
    (REQUIRED, True, f"{call('get_time', zone='UTC')}\n{PARIS}", True),
    (REQUIRED, True, "", False),
]


@pytest.mark.parametrize(("choice", "parallel", "text", "valid"), CALLS)
def test_forced_calls(mini, ll, choice, parallel, text, valid):
    grammar = prepared(mini, WEATHER, TIME, choice=choice, parallel_tool_calls=parallel).grammar
    assert accepted(mini, ll, grammar, text) is valid


def test_typed_parameters_follow_references(mini, ll):
    grammar = prepared(mini, NESTED, choice=REQUIRED).grammar
    assert accepted(mini, ll, grammar, call("nested", o='{"name": "A", "age": 3}'))
    assert not accepted(mini, ll, grammar, call("nested", o='{"name": "A"}'))


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ('{"name": "A", "age": 3}', True),
        ('{"name":"A","age":3}', True),
        ('{"name": "A", "age": 3, "more": 1}', False),
        ('{"name": "A",\n "age": 3}', False),
        ('{"name": "A"' + "  " + ', "age": 3}', False),
    ],
)
def test_objects_in_calls_are_as_declared_and_written_in_one_line(mini, ll, value, valid):
    """A model that was led astray by a mask invents properties, or white space, without end."""
    person = {k: v for k, v in PERSON.items() if k != "additionalProperties"}
    grammar = prepared(mini, tool("f", "o", o=person), choice=REQUIRED).grammar
    assert accepted(mini, ll, grammar, call("f", o=value)) is valid


def test_without_tools_or_with_none_to_choose_there_is_no_grammar(mini):
    assert prepared(mini).grammar is None
    assert prepared(mini, WEATHER, choice=ToolChoice("none")).grammar is None


def test_one_call_at_most_where_parallel_calls_are_off(mini, ll):
    grammar = prepared(mini, WEATHER, parallel_tool_calls=False).grammar
    assert accepted(mini, ll, grammar, f"Let me see.\n\n{PARIS}")
    assert accepted(mini, ll, grammar, "No call at all.")
    assert not accepted(mini, ll, grammar, f"{PARIS}\n{PARIS}")


def test_schemas_are_judged_by_the_draft_they_declare(mini):
    old = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "integer",
        "minimum": 0,
        "exclusiveMinimum": True,
    }
    assert prepared(mini, tool("f", a={"type": "integer"}), response_format=ResponseFormat("json", old)).grammar


@pytest.mark.parametrize("strict", [True, False])
def test_calls_hold_in_free_text(mini, ll, strict):
    grammar = prepared(mini, Tool(WEATHER.name, None, WEATHER.parameters, strict), TIME).grammar
    assert accepted(mini, ll, grammar, "Just text, even <function=get_weather>.")
    assert accepted(mini, ll, grammar, f"Let me see.\n\n{PARIS}\n{call('get_time', zone='UTC')}\n\nSo.")
    assert not accepted(mini, ll, grammar, f"Let me see.\n\n{call('get_weather', town='a')}")
    assert not accepted(mini, ll, grammar, f"{PARIS}\n{call('get_tim', zone='UTC')}")


def test_an_answer_with_tools_may_hold_tokens_and_reasoning(mini, ll):
    """Whatever could be written without a grammar, calls apart; those within reasoning are none."""
    grammar = prepared(mini, WEATHER).grammar
    reasoning = f"<think>\nhm {call('get_weather', town='a')}\n</think>"
    assert accepted(mini, ll, grammar, f"A <|vision_start|> b.\n{reasoning}\n\nSo:\n{PARIS}\n{reasoning}\nEnd.")
    assert not accepted(mini, ll, grammar, f"{reasoning}\n\nSo:\n{call('get_weather', town='a')}")


@pytest.mark.parametrize(
    ("schema", "others"),
    [
        ({"properties": {"a": {"type": "integer"}}}, False),
        ({"properties": {"a": {"type": "integer"}}, "additionalProperties": True}, True),
        ({"properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "string"}}, True),
        ({"properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "number"}}, False),
        ({}, True),
        ({"properties": {}}, False),
        ({"additionalProperties": False}, False),
    ],
)
def test_other_parameters_are_allowed_where_the_schema_says_so(mini, ll, schema, others):
    """Or where it declares none at all. They cannot have the names of declared ones."""
    grammar = prepared(mini, Tool("f", None, {"type": "object", **schema})).grammar
    assert accepted(mini, ll, grammar, call("f"))
    assert accepted(mini, ll, grammar, call("f", b="x")) is others
    if schema.get("properties"):
        assert accepted(mini, ll, grammar, call("f", a="1"))
        assert not accepted(mini, ll, grammar, call("f", a="x"))


@pytest.mark.parametrize(
    ("schema", "text", "valid"),
    [
        (PERSON, '{"name": "A", "age": 3}', True),
        (PERSON, '{\n  "name": "A",\n  "age": 3\n}', True),
        (PERSON, "{" + " " * 50 + '"name": "A", "age": 3}', False),
        (PERSON, '{"name": "A"}', False),
        (PERSON, '{"name": "A", "age": "3"}', False),
        (None, '{"any": ["thing"]}', True),
        (None, "[1]", False),
        (None, "Sure: {}", False),
    ],
)
def test_response_format(mini, ll, schema, text, valid):
    grammar = prepared(mini, response_format=ResponseFormat("json", schema)).grammar
    assert accepted(mini, ll, grammar, text) is valid


def test_response_format_leaves_calls_possible(mini, ll):
    grammar = prepared(mini, WEATHER, response_format=ResponseFormat("json", PERSON)).grammar
    assert accepted(mini, ll, grammar, PARIS)
    assert accepted(mini, ll, grammar, '{"name": "A", "age": 3}')
    assert not accepted(mini, ll, grammar, "text")


def test_the_grammar_starts_where_reasoning_ends(mini, ll):
    grammar = prepared(mini, thinking=True, response_format=ResponseFormat("json", PERSON)).grammar
    assert grammar.after == mini.tokenizer.token_to_id("</think>")
    assert accepted(mini, ll, grammar, '\n\n{"name": "A", "age": 3}')
    assert prepared(mini, response_format=ResponseFormat("json", PERSON)).grammar.after is None


def test_a_model_that_opens_reasoning_itself_may_do_so(mini, ll):
    conversation = Conversation((), response_format=ResponseFormat("json", PERSON))
    grammar, _ = mini._grammars.build(conversation, Start(may_reason=True))
    assert accepted(mini, ll, grammar, '<think>\nhm {\n</think>\n\n{"name": "A", "age": 3}')
    assert accepted(mini, ll, grammar, '{"name": "A", "age": 3}')
    assert not accepted(mini, ll, grammar, "<think>\nhm</think> no")


UNIQUE = {"type": "array", "uniqueItems": True}


def test_what_cannot_be_held_is_relaxed_and_reported_by_its_path(mini, ll):
    tools = (WEATHER, tool("f", a={"type": "object", "properties": {"b": UNIQUE}}, c=UNIQUE))
    ready = prepared(mini, *tools, choice=REQUIRED)
    assert not LLMatcher(ll, ready.grammar.source).get_error()
    assert ready.relaxed == (
        "tools.1.function.parameters.properties.a.properties.b: `uniqueItems` is not enforced",
        "tools.1.function.parameters.properties.c: `uniqueItems` is not enforced",
    )
    ready = prepared(mini, response_format=ResponseFormat("json", UNIQUE))
    assert ready.relaxed == ("response_format.json_schema.schema: `uniqueItems` is not enforced",)


def test_what_is_not_asked_for_is_not_reported(mini):
    assert prepared(mini, WEATHER, tool("f", c=UNIQUE), choice=NAMED).relaxed == ()


def test_constraints_of_texts_that_cannot_be_held_are_reported(mini):
    pattern = tool("f", "a", a={"type": "string", "pattern": "\\bx"})
    where = "tools.0.function.parameters.properties.a"
    assert prepared(mini, pattern, choice=REQUIRED).relaxed == (f"{where}: `pattern` is not enforced",)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": ResponseFormat("json", {"type": "objekt"})}, "response_format.json_schema.schema.type"),
        ({"tools": (tool("f", a={"type": 3}),)}, "tools.0.function.parameters.properties.a.type"),
        ({"tool_choice": ToolChoice("named", "nope"), "tools": (WEATHER,)}, "tool_choice"),
        ({"tool_choice": ToolChoice("required")}, "tool_choice"),
    ],
)
def test_invalid_requests_name_the_field(mini, fields, param):
    with pytest.raises(VivaceError) as caught:
        mini.prepare(Conversation((Message("user", "Hi"),), **fields), Options())
    assert (caught.value.kind, caught.value.param) == ("invalid_request", param)


def test_a_schema_without_bottom_is_refused_not_a_crash(mini):
    schema: dict = {"type": "object"}
    for _ in range(2000):
        schema = {"type": "object", "properties": {"a": schema}}
    with pytest.raises(VivaceError, match="nested"):
        prepared(mini, response_format=ResponseFormat("json", schema))


def test_what_ends_in_a_token_may_hold_the_text_before_it(mini, ll):
    rules = _Rules({"</tool_call>": mini.tokenizer.token_to_id("</tool_call>")}, (), ())
    matcher = LLMatcher(ll, rules.source(rules.free("/\n</tool_call>")))
    ids = mini.tokenizer.encode("a/\nb/\n\n/\n</tool_call>", add_special_tokens=False).ids
    assert all(matcher.consume_token(i) for i in ids)
    assert matcher.is_accepting()


def test_parser_and_grammar_agree(mini, ll):
    """What the grammar allows, the parser reads as the call that was forced."""
    ready = prepared(mini, WEATHER, choice=NAMED)
    text = call("get_weather", city='say "</parameter>"', days="-3", unit="F")
    assert accepted(mini, ll, ready.grammar, text)
    stream = mini.stream(ready)
    events = stream.feed(mini.tokenizer.encode(text, add_special_tokens=False).ids) + stream.finish("stop")
    arguments = "".join(getattr(e, "json_delta", "") for e in events)
    assert json.loads(arguments) == {"city": 'say "</parameter>"', "days": -3, "unit": "F"}
