"""What is written by the grammar of a family holds the schema; what cannot be held is reported."""

import pytest
from llguidance import LLMatcher

from tests.chat.builders import WEATHER, tool
from tests.chat.dialects.families import FAMILIES
from tests.chat.dialects.writing import (
    AUTO,
    FRESH,
    INTEGERS,
    PARIS,
    PING,
    REQUIRED,
    allowed,
    double_quoted,
    either_way,
    every_family,
    in_order,
    strict,
    written,
)
from vivace.chat.grammar import Start

POINT = {"type": "object", "properties": {"x": {"type": "number"}, "to": {"$ref": "#/$defs/Point"}}, "required": ["x"]}
DEEP = strict(tool("deep", "points", points={"type": "array", "items": {"$ref": "#/$defs/Point"}, "minItems": 1}))
DEEP.parameters["$defs"] = {"Point": POINT}


@every_family
@either_way
@pytest.mark.parametrize("choice", [AUTO, REQUIRED])
def test_schemas_hold_within_lists_and_objects(vocabulary, family, as_tokens, choice):
    def may(points):
        text = double_quoted(family, [("deep", {"points": points})])
        return allowed(vocabulary, family, text, (DEEP,), choice, as_tokens)

    assert may([{"x": 1.5}, {"x": 1, "to": {"x": 2, "to": {"x": 3}}}])
    assert not may([])
    assert not may([{"x": "one"}])
    assert not may([{"to": {"y": 1}, "x": 1}])


CODE = tool("f", "a", a={"type": "string", "pattern": "^[A-Z]{2}", "maxLength": 4})


@every_family
@either_way
def test_texts_hold_their_schema(vocabulary, family, as_tokens):
    def may(text):
        return allowed(vocabulary, family, double_quoted(family, [("f", {"a": text})]), (CODE,), as_tokens=as_tokens)

    assert may("AB")
    assert may("AB12")
    assert not may("Ab")
    assert not may("AB123")


BAD = {"type": "string", "pattern": r"(x)\1"}


@every_family
def test_what_cannot_be_held_is_reported_and_the_name_is_kept(vocabulary, family):
    tools = (strict(tool("f", "a", a=BAD, n={"type": "integer"})), PING)
    _, notes = written(vocabulary, family, tools)
    assert notes
    assert allowed(vocabulary, family, double_quoted(family, [("f", {"a": "b"})]), tools)
    assert not allowed(vocabulary, family, double_quoted(family, [("g", {"a": "b"})]), tools)


@every_family
def test_what_is_lost_is_named_by_its_place_in_the_request(vocabulary, family):
    loss = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    _, notes = written(vocabulary, family, (PING, tool("f", "a", a=loss)))
    assert len(notes) == 1
    assert "uniqueItems" in notes[0]
    assert notes[0].startswith("tools.1.function.parameters.properties.a: ")


@pytest.mark.parametrize("family", ["lfm2", "llama4"])
def test_quotes_do_not_change_what_a_string_may_be(vocabulary, family):
    code = tool("f", "a", a={"type": "string", "pattern": "^[0-9]+$"}, b={"type": "string", "maxLength": 2})
    frame = in_order(family, [("ping", {})])
    assert allowed(vocabulary, family, frame.replace("ping()", 'f(a="12", b="é")'), (code,))
    assert not allowed(vocabulary, family, frame.replace("ping()", "f(a='x')"), (code,))
    assert not allowed(vocabulary, family, frame.replace("ping()", "f(a=\"12\", b='abc')"), (code,))


VALUES = tool(
    "put",
    "maybe",
    maybe={"type": ["string", "null"]},
    o={"type": "object", "properties": {"k": INTEGERS}},
    any={},
    two={"anyOf": [{"type": "integer"}, {**INTEGERS, "maxItems": 2}]},
)
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
        ("minimax_m3", "<maybe>a</maybe><any>a<b>c</b>d</any>", True),
        ("minimax_m3", "<maybe>a</maybe><any>a", False),
        ("minimax_m3", "<maybe>a</maybe><two><item>1</item><item>2</item></two>", True),
        ("minimax_m3", "<maybe>a</maybe><two>1</two>", True),
        ("minimax_m3", "<maybe>a</maybe><two><item>1</item><item>2</item><item>3</item></two>", False),
    ],
)
def test_values_as_the_family_writes_them(vocabulary, family, rendered, fits):
    whole = {
        "deepseek_v4": f'<|tool_calls>\n<|invoke name="put">\n{rendered}</|invoke>\n</|tool_calls>',
        "minicpm": f'<function name="put">{rendered}</function>',
        "minimax_m3": f'<tool_call>\n<invoke name="put">{rendered}</invoke>\n</tool_call>',
    }[family]
    before = {"deepseek_v4": ("|", "｜DSML｜"), "minimax_m3": ("<", NS)}.get(family, ("", ""))
    assert allowed(vocabulary, family, whole.replace(*before) if before[0] else whole, (VALUES,)) == fits


CH, MSG, END, START = "⟦<|channel|>⟧", "⟦<|message|>⟧", "⟦<|end|>⟧", "⟦<|start|>⟧assistant"
THOUGHT = f"{CH}analysis{MSG}hm {{{END}"
HARMONY_CALL = FAMILIES["harmony"].render([PARIS])
FINAL = f"{CH}final{MSG}Yes."
SAID = f"{CH}commentary{MSG}I look.{END}{START}"
INSIDE, MAY_REASON = Start(reasoning_open=True), Start(may_reason=True)

# start, choice, output, whether it may be written
HARMONY = [
    (FRESH, AUTO, FINAL, True),
    (FRESH, AUTO, HARMONY_CALL, True),
    (FRESH, AUTO, SAID + HARMONY_CALL, True),
    (FRESH, AUTO, "Yes.", False),
    (FRESH, AUTO, FAMILIES["harmony"].render([("get_weather", {"days": 3})]), False),
    (FRESH, AUTO, f"{HARMONY_CALL}{START}{HARMONY_CALL}", False),
    (FRESH, REQUIRED, HARMONY_CALL, True),
    (FRESH, REQUIRED, FINAL, False),
    (FRESH, REQUIRED, f"{HARMONY_CALL}{HARMONY_CALL}", False),
    (MAY_REASON, AUTO, f"{THOUGHT}{START}{SAID}{HARMONY_CALL}", True),
    (MAY_REASON, REQUIRED, f"{THOUGHT}{START}{HARMONY_CALL}", True),
    (MAY_REASON, REQUIRED, THOUGHT + HARMONY_CALL, False),
    (MAY_REASON, REQUIRED, HARMONY_CALL, True),
    (MAY_REASON, AUTO, f"{THOUGHT}{START}{FINAL}", True),
    (INSIDE, REQUIRED, f"{START}{HARMONY_CALL}", True),  # the grammar begins behind the token that ends reasoning
    (INSIDE, REQUIRED, HARMONY_CALL, False),
    (INSIDE, AUTO, f"{START}{FINAL}", True),
]


@pytest.mark.parametrize(("start", "choice", "rendered", "may"), HARMONY)
def test_messages_have_their_headers(vocabulary, start, choice, rendered, may):
    tools = (strict(WEATHER), PING)
    grammar, _ = written(vocabulary, "harmony", tools, choice, True, start)
    assert grammar is not None
    assert grammar.after == (vocabulary.markers["<|end|>"] if start == INSIDE else None)
    matcher = LLMatcher(vocabulary.ll, grammar.source)
    ids = vocabulary.encode(rendered, True)
    assert (all(matcher.consume_token(i) for i in ids) and matcher.is_accepting()) is may, grammar.source


ANYTHING = {"type": "object"}
NUMBERS = {"type": "object", "additionalProperties": {"type": "number", "maximum": 9}}
GEMMA = [
    ({"o": ANYTHING}, {"o": {"a b": [1, {"k": None, "v": ["x", True]}]}}, True),
    ({"o": {}}, {"o": ["x", {}]}, True),
    ({"o": NUMBERS}, {"o": {"a": 1, "b": 2.5}}, True),
    ({"o": NUMBERS}, {"o": {"a": 10}}, False),
    ({"o": {"type": "array", "maxItems": 2}}, {"o": [1, "x"]}, True),
    ({"o": {"type": "array", "maxItems": 2}}, {"o": [1, "x", 3]}, False),
    ({"o": {"enum": ["x", 3, {"b": 1, "a": "y"}]}}, {"o": {"a": "y", "b": 1}}, True),
    ({"o": {"enum": ["x", 3]}}, {"o": "y"}, False),
    ({"o": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "string"}}]}}, {"o": ["x"]}, True),
    ({"o": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "string"}}]}}, {"o": [1]}, False),
    ({"o": {"type": ["string", "null"]}}, {"o": None}, True),
    ({"o": {"type": "array", "items": {"enum": ["a", "b"]}}}, {"o": ["a", "b", "c"]}, False),
]


@pytest.mark.parametrize("family", ["gemma4", "functiongemma"])
@either_way
@pytest.mark.parametrize(("properties", "arguments", "may"), GEMMA)
def test_gemma_holds_schemas_in_its_own_notation(vocabulary, family, as_tokens, properties, arguments, may):
    rendered = FAMILIES[family].render([("f", arguments)])
    assert allowed(vocabulary, family, rendered, (tool("f", "o", **properties),), as_tokens=as_tokens) is may


WHERE = "tools.0.function.parameters.properties.o"


def test_gemma_reports_what_it_cannot_hold(vocabulary):
    nested = {"type": "array", "items": BAD, "uniqueItems": True}
    _, notes = written(vocabulary, "gemma4", (tool("f", o=nested),))
    assert notes == (f"{WHERE}: `uniqueItems` is not enforced", f"{WHERE}.items: `pattern` is not enforced")
    either = {"type": "object", "required": ["a"], "anyOf": [{"required": ["b"]}]}
    _, notes = written(vocabulary, "gemma4", (tool("f", o=either),))
    assert notes == (
        f"{WHERE}: `anyOf` is not enforced",
        f"{WHERE}: `required` is not enforced for what is not declared",
    )
