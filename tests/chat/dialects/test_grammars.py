"""The grammar of every family lets it write its own form, by the schema, and nothing else."""

import json
import re
from dataclasses import dataclass

import pytest
from llguidance import LLMatcher, LLTokenizer
from tokenizers import AddedToken, Tokenizer

from tests.chat.builders import WEATHER, tool
from tests.chat.dialects.corpus import explained
from tests.chat.dialects.families import FAMILIES, pieces, plain, tokens_of
from vivace.chat.conversation import Conversation, Message, ResponseFormat, Tool, ToolChoice
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


@pytest.fixture(scope="module")
def vocabulary(mini, tmp_path_factory) -> Vocabulary:
    extended = Tokenizer.from_str(mini.tokenizer.to_str())
    shown = {marker for family in FAMILIES for marker in tokens_of(family, "harmony")}
    extended.add_tokens([AddedToken(marker, special=False) for marker in sorted(shown)])
    path = tmp_path_factory.mktemp("vocabulary") / "tokenizer.json"
    extended.save(str(path))
    ids = {marker: extended.token_to_id(marker) for marker in shown}
    ll = LLTokenizer(str(path), n_vocab=extended.get_vocab_size(), eos_token=[8182, 8180])
    letters = Tokenizer.from_str(json.dumps(json.loads(mini.tokenizer.to_str()) | {"added_tokens": []}))
    return Vocabulary(mini.tokenizer, letters, ids, ll)


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


@every_family
@pytest.mark.parametrize(
    "calls",
    [[PARIS], [ROME], [("ping", {})], [PARIS, ROME], [PARIS] * 3],
)
@either_way
def test_the_form_may_be_written(vocabulary, family, calls, as_tokens):
    may = len(calls) == 1 or TOOL_DIALECTS[family].parallel
    assert allowed(vocabulary, family, in_order(family, calls), as_tokens=as_tokens) is may


def in_order(family, calls):
    """Where the grammar has an order of its own for keys, the calls in that order."""
    return FAMILIES[family].render([(name, dict(sorted(given.items()))) for name, given in calls])


def double_quoted(family, calls):
    """The grammars of Pythonic calls want JSON within lists and objects, and where a pattern has to hold."""
    return in_order(family, calls).replace("'", '"')


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


def strict(tool: Tool) -> Tool:
    return Tool(tool.name, None, tool.parameters, strict=True)


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


def spelled(vocabulary, family, text):
    """Whether `text` may be written where none of the family's markers is one token."""
    builder = GrammarBuilder(TOOL_DIALECTS[family], REASONING_DIALECTS[reasoning_of(family)], {})
    grammar, notes = builder.build(Conversation((Message("user", "Hi"),), (WEATHER, PING, LIST), AUTO), FRESH)
    if grammar is None:
        return bool(notes)
    matcher = LLMatcher(vocabulary.ll, grammar.source)
    ids = vocabulary.letters.encode(text, add_special_tokens=False).ids
    return all(matcher.consume_token(i) for i in ids) and matcher.is_accepting()


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
