"""Values that are written without quotes hold what their schema says of strings: whatever the mask allows is valid."""

import json
import random

import numpy as np
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from tests.chat.builders import run, tool
from tests.chat.dialects.families import FAMILIES, parser, plain
from vivace.assets import embedded_model_path
from vivace.chat.conversation import Conversation, Message, ToolChoice
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS
from vivace.chat.dialects.parse import fold
from vivace.chat.grammar import GrammarBuilder, Start
from vivace.engine.matcher import GrammarCompiler, GrammarError
from vivace.protocol import Grammar

VOCABULARY = 8192
FORMATS = FormatChecker(["date", "email", "ipv4", "ipv6", "uuid"])  # those that jsonschema judges by itself
PLACE = "tools.0.function.parameters.properties.x"
every_form = pytest.mark.parametrize(
    "family", ["qwen3_coder_xml", "seed_oss", "minicpm", "glm47", "deepseek_v4", "minimax_m3", "functiongemma"]
)


def text(**words):
    return {"type": "string", **words}


# schema, values that fit, values that do not
TABLE = [
    (text(pattern="^[a-z]{2}-[0-9]+$"), ["ab-1"], ["ab-", "xab-1", "ab-1\n"]),
    (text(pattern="[0-9]"), ["a\n1 b", "1"], ["", "abc"]),
    (text(pattern="^a|b$"), ["ac", "cb"], ["ca", "bc"]),
    (text(pattern="^(?=.*[0-9])(?!.*x).{3,5}$"), ["ab1", "12345"], ["abc", "ab1x", "a1"]),
    (text(pattern=r"^[\w.-]+/\d+\.(txt|md)$"), ["a-b/1.txt"], ["a/1.rs", "a/x.md", "é/1.md"]),
    (text(pattern=r"^[^\s/]+$", maxLength=3), ["é😀x"], ["a b", "abcd", ""]),
    (text(minLength=2, maxLength=4), ["ab", "日本\n語"], ["a", "abcde"]),
    (text(minLength=30), ["x" * 30], ["x" * 29]),
    (text(format="date"), ["2024-02-29", "1999-12-31"], ["2023-02-29", "2024-13-01", "1900-02-29"]),
    (text(format="time"), ["23:59:59Z", "00:00:00.5+01:00"], ["24:00:00Z", "12:00"]),
    (text(format="date-time"), ["2024-02-29T12:00:00Z"], ["2024-02-30T12:00:00Z", "2024-02-29"]),
    (text(format="duration"), ["P1Y2M3DT4H5M6S", "P3W", "PT5M"], ["P", "PT", "1D", "P1D2W"]),
    (text(format="email"), ["a.b+c@ex-ample.org", '"a b"@[127.0.0.1]'], ["a", "a@", "a..b@c.d", "a@-c.d"]),
    (text(format="hostname"), ["a-b.example"], ["-a", "a-", "a..b", "x" * 64, ".".join(["x" * 60] * 5)]),
    (text(format="ipv4"), ["127.0.0.1", "255.255.255.255"], ["256.0.0.1", "1.2.3", "01.2.3.4"]),
    (text(format="ipv6"), ["::", "::1", "1::", "fe80::1:2", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8"], ["1:2", "1::2::3"]),
    (text(format="uuid"), ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567e89b12d3a456426614174000"]),
    (text(format="uri"), ["https://a.b:1/c?d=e#f", "urn:a:b", "mailto:a@b.c"], ["a/b", "://a", "http://a b"]),
    (text(format="uri-reference"), ["../a?b", "http://a"], ["a b", "%zz"]),
    (text(format="json-pointer"), ["", "/a/~0~1"], ["a", "/~2"]),
    ({"type": ["string", "null"], "minLength": 5}, ["lorem", None], ["abcd", ""]),
    ({"type": ["string", "integer"], "pattern": "^[A-Z]+$"}, ["ABC", -42], ["abc"]),
    ({"anyOf": [text(pattern="^a+$"), {"enum": ["b", "c"]}, {"type": "null"}]}, ["aaa", "b", None], ["ab", "bb"]),
    ({"allOf": [text(minLength=2), text(pattern="^x")]}, ["xy"], ["x", "yx"]),
    ({"$ref": "#/$defs/Code"}, ["A1"], ["a1", "A"]),
]  # fmt: skip


def declared(schema):
    made = tool("f", "x", x=schema)
    made.parameters["$defs"] = {"Code": text(pattern="^[A-Z][0-9]$")}
    return made


@pytest.fixture(scope="module")
def compiler():
    return GrammarCompiler(embedded_model_path(), VOCABULARY)


def grammar(mini, family, schema, choice="required", others=None):
    """The grammar of one call, and what it does not hold. `others`: the schema of parameters that are not declared."""
    dialect = TOOL_DIALECTS[family]
    tokens = {m: i for m in dialect.markers if (i := mini.tokenizer.token_to_id(m)) is not None}
    builder = GrammarBuilder(dialect, REASONING_DIALECTS["none"], tokens)
    made = declared(schema)
    if others is not None:
        made.parameters["additionalProperties"] = others
    conversation = Conversation((Message("user", "Hi"),), (made,), ToolChoice(choice), parallel_tool_calls=False)
    built, notes = builder.build(conversation, Start())
    assert isinstance(built, Grammar)
    return built, notes


def rendered(mini, family, value):
    """A call, as ids."""
    return mini.tokenizer.encode(plain(FAMILIES[family].render([("f", {"x": value})])), add_special_tokens=False).ids


def may(matcher, ids):
    """Whether this is a whole output."""
    words = np.zeros(VOCABULARY // 32, np.int32)
    try:
        for i in ids:
            matcher.fill(words)
            matcher.consume(i)
    except GrammarError:
        return False
    matcher.fill(words)
    return bool(words[8180 // 32] >> (8180 % 32) & 1)


@every_form
@pytest.mark.parametrize(("schema", "right", "wrong"), TABLE)
def test_what_fits_may_be_written_and_nothing_else(mini, compiler, family, schema, right, wrong):
    built, notes = grammar(mini, family, schema)
    assert notes == ()
    for value in [*right, *wrong]:
        matcher = compiler.submit(built, (8182, 8180)).result()
        assert may(matcher, rendered(mini, family, value)) is (value in right), value


@every_form
@pytest.mark.parametrize(("schema", "right", "wrong"), TABLE[::4])
def test_the_same_holds_where_the_model_chooses(mini, compiler, family, schema, right, wrong):
    built, notes = grammar(mini, family, schema, "auto")
    assert notes == ()
    for value in [*right, *wrong]:
        matcher = compiler.submit(built, (8182, 8180)).result()
        assert may(matcher, rendered(mini, family, value)) is (value in right), value


@pytest.mark.parametrize("choice", ["required", "auto"])
@pytest.mark.parametrize("family", ["qwen3_coder_xml", "seed_oss", "minicpm", "glm47", "deepseek_v4"])
def test_texts_that_are_not_declared_hold_what_the_schema_says_of_others(mini, compiler, family, choice):
    built, notes = grammar(mini, family, text(), choice, others=text(pattern="^[a-z]+$"))
    assert notes == ()
    for other in ("abc", "ABC", "ab\nc"):
        call = plain(FAMILIES[family].render([("f", {"x": "X", "y": other})]))
        ids = mini.tokenizer.encode(call, add_special_tokens=False).ids
        assert may(compiler.submit(built, (8182, 8180)).result(), ids) is (other == "abc"), other


WORDS = "The quick <b>brown</b> fox jumps over the lazy dog, "
LETTERS = "The quick brown fox jumps over the lazy dog "
LONG = [
    (text(maxLength=100_000), WORDS * 200),
    (text(minLength=100, maxLength=5000), WORDS * 80),
    (text(minLength=500), WORDS * 50),
    (text(pattern="^[A-Za-z ]{1,5000}$", maxLength=4000), LETTERS * 80),
    (text(pattern="^(?!.*foo).*$", minLength=3, maxLength=4000), LETTERS * 80),
    (text(pattern="dog .{30,60} dog"), LETTERS * 80),
    (text(pattern="^([a-zA-Z]+ ){3,400}$"), LETTERS * 40),
    (text(format="uri"), "https://a.b/" + "c" * 1500),
    (text(format="uri", maxLength=500), "https://a.b/" + "c" * 480),
    (text(format="email", maxLength=320), "a" * 64 + "@" + "b.c" * 60),
]


@every_form
@pytest.mark.parametrize(("schema", "value"), LONG)
def test_long_texts_come_to_their_end(mini, compiler, family, schema, value):
    """Automata that grow as the model writes would break off the answer."""
    built, notes = grammar(mini, family, schema)
    assert notes == ()
    assert may(compiler.submit(built, (8182, 8180)).result(), rendered(mini, family, value))


def test_what_would_outgrow_the_automata_is_reported(mini, compiler):
    for word, schema in {"minLength": text(minLength=501), "maxLength": text(pattern="a.{30}", maxLength=99)}.items():
        built, notes = grammar(mini, "qwen3_coder_xml", schema)
        assert notes == (f"{PLACE}: `{word}` is not enforced",)
        assert may(compiler.submit(built, (8182, 8180)).result(), rendered(mini, "qwen3_coder_xml", "a" * 99))


@every_form
@pytest.mark.parametrize("schema", [schema for schema, *_ in TABLE])
def test_whatever_the_mask_allows_is_valid(mini, compiler, family, schema):
    built, _ = grammar(mini, family, schema)
    for seed in range(3):
        matcher = compiler.submit(built, (8182, 8180)).result()
        ids = walked(matcher, random.Random(seed), closing(mini, family))
        output = mini.tokenizer.decode(ids, skip_special_tokens=False)
        (call,) = fold(run([output], parser(family, [declared(schema)])))["tool_calls"]
        validator = Draft202012Validator(declared(schema).parameters, format_checker=FORMATS)
        validator.validate(json.loads(call["arguments"]))


@pytest.mark.parametrize("family", ["qwen3_coder_xml", "seed_oss", "minicpm", "glm47", "deepseek_v4"])
@pytest.mark.parametrize("schema", [schema for schema, *_ in TABLE[::8]])
def test_whatever_stands_in_a_call_that_the_model_chose_is_valid(mini, compiler, family, schema):
    """Parameters that are not declared among it: the parser ends a value before them."""
    others = text(pattern="^[a-z]+$", maxLength=6)
    built, _ = grammar(mini, family, schema, "auto", others)
    made = declared(schema)
    made.parameters["additionalProperties"] = others
    head = plain(FAMILIES[family].render([("f", {"x": "@@@"})])).split("@@@")[0]
    begun = mini.tokenizer.encode(head, add_special_tokens=False).ids
    matcher = compiler.submit(built, (8182, 8180)).result()
    words = np.zeros(VOCABULARY // 32, np.int32)
    for i in begun:
        matcher.fill(words)
        matcher.consume(i)
    ids = begun + walked(matcher, random.Random(1), closing(mini, family))
    (call,) = fold(run([mini.tokenizer.decode(ids, skip_special_tokens=False)], parser(family, [made])))["tool_calls"]
    Draft202012Validator(made.parameters, format_checker=FORMATS).validate(json.loads(call["arguments"]))


def closing(mini, family):
    """What may stand behind a value: with or without a section of its own."""
    tails = [plain(FAMILIES[family].render([("f", {"x": value})])).split("@@@")[1] for value in ("@@@", "<@@@")]
    return [mini.tokenizer.encode(tail, add_special_tokens=False).ids for tail in tails]


def walked(matcher, choice, ends, steps=2000):
    """Random tokens under the mask; after some, the end of the call wherever it may come.

    Tokens of one character are as likely as all others together: so patterns are met sooner.
    """
    words, ids = np.zeros(VOCABULARY // 32, np.int32), []
    patience = choice.randrange(40)
    while len(ids) < steps:
        matcher.fill(words)
        allowed = np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little"))
        if 8180 in allowed:
            return ids
        short = allowed[allowed < 256]
        following = [int(choice.choice(choice.choice([allowed, short]) if len(short) else allowed))]
        for end in ends if len(ids) > patience else ():
            if matcher._matcher.validate_tokens(end) == len(end):
                following = end
        for i in following:
            matcher.consume(i)
        ids += following
    raise AssertionError("no end in sight")
