import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat.builders import TOOLS, call, parser, run
from vivace.chat.dialects.base import UNDECIDED_LIMIT, Piece
from vivace.chat.dialects.parse import fold, parse_text
from vivace.chat.events import TextDelta, ToolCallArguments, ToolCallFinished, ToolCallStarted

PARIS = call("get_weather", city="Paris")
OPEN = "<tool_call>\n<function=write_file>\n<parameter=path>\na\n</parameter>\n<parameter=content>\n"
CLOSE = "\n</parameter>\n</function>\n</tool_call>"

# text, content, calls as (name, arguments)
VECTORS = [
    ("plain", "Hello!", "Hello!", []),
    ("one call", PARIS, None, [("get_weather", {"city": "Paris"})]),
    (
        "prose around",
        f"Let me see.\n\n{PARIS}\n\nDone.",
        "Let me see.\n\n\n\nDone.",
        [("get_weather", {"city": "Paris"})],
    ),
    (
        "parallel calls, white space between them is no content",
        f"{PARIS}\n{call('get_weather', city='Rome', days='3')}\n",
        None,
        [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome", "days": 3})],
    ),
    ("no parameters", "<tool_call>\n<function=typed>\n</function>\n</tool_call>", None, [("typed", {})]),
    ("no newlines", PARIS.replace("\n", ""), None, [("get_weather", {"city": "Paris"})]),
    ("white space of values", call("get_weather", city="  \n a \n"), None, [("get_weather", {"city": "  \n a \n"})]),
    ("an empty value", call("get_weather", city=""), None, [("get_weather", {"city": ""})]),
    (
        "JSON in a string stays a string",
        call("typed", s='{"a": 1}', maybe='"quoted" \\ é 😀'),
        None,
        [("typed", {"s": '{"a": 1}', "maybe": '"quoted" \\ é 😀'})],
    ),
    (
        "the schema types the value",
        call("typed", s="42", i="42", n="4.5", b="true", z="null", o='{"a": [1, "x"]}', a="[1, 2]", ref="7"),
        None,
        [("typed", {"s": "42", "i": 42, "n": 4.5, "b": True, "z": None, "o": {"a": [1, "x"]}, "a": [1, 2], "ref": 7})],
    ),
    (
        "several types",
        call("typed", maybe="null", either="42", anything="[true]"),
        None,
        [("typed", {"maybe": None, "either": 42, "anything": [True]})],
    ),
    (
        "several types, read as text",
        call("typed", maybe="nullable", either="42nd", anything="{not json"),
        None,
        [("typed", {"maybe": "nullable", "either": "42nd", "anything": "{not json"})],
    ),
    (
        "Python literals",
        call("typed", b="True", o="{'a': None}", i="x"),
        None,
        [("typed", {"b": True, "o": {"a": None}, "i": "x"})],
    ),
    ("no JSON number", call("typed", n="NaN"), None, [("typed", {"n": "NaN"})]),
    ("an undeclared parameter", call("get_weather", town="5"), None, [("get_weather", {"town": "5"})]),
    (
        "a parameter's closer inside a value",
        f"{OPEN}x </parameter> y\n</parameter>\nz{CLOSE}",
        None,
        [("write_file", {"path": "a", "content": "x </parameter> y\n</parameter>\nz"})],
    ),
    (
        "other markers inside a value",
        f"{OPEN}</function> <tool_call> <function=nope> <parameter=path>\n</tool> </tool_call> <think>{CLOSE}",
        None,
        [
            (
                "write_file",
                {
                    "path": "a",
                    "content": "</function> <tool_call> <function=nope> <parameter=path>\n</tool> </tool_call> <think>",
                },
            )
        ],
    ),
    (
        "reasoning markers inside a value",
        f"{OPEN}\n<think>\nno\n</think>\n{CLOSE}",
        None,
        [("write_file", {"path": "a", "content": "\n<think>\nno\n</think>\n"})],
    ),
    (
        "a whole call inside a value",
        f"{OPEN}Like this:\n{PARIS}\nand so on{CLOSE}",
        None,
        [("write_file", {"path": "a", "content": f"Like this:\n{PARIS}\nand so on"})],
    ),
    (
        "closers of parameter and function inside a value",
        f"{OPEN}x\n</parameter>\n</function>\ny{CLOSE}",
        None,
        [("write_file", {"path": "a", "content": "x\n</parameter>\n</function>\ny"})],
    ),
    (
        "a sibling's opener inside a later value",
        f"{OPEN}x\n</parameter>\n<parameter=path>\ny{CLOSE}",
        None,
        [("write_file", {"path": "a", "content": "x\n</parameter>\n<parameter=path>\ny"})],
    ),
    ("a literal marker", "Write <tool_call> first.", "Write <tool_call> first.", []),
    ("in code", f"Like `{PARIS}`.", f"Like `{PARIS}`.", []),
    ("in a fence", f"```xml\n{PARIS}\n```\nSo.", f"```xml\n{PARIS}\n```\nSo.", []),
    ("after a fence", f"```\nx\n```\n{PARIS}", "```\nx\n```\n", [("get_weather", {"city": "Paris"})]),
    ("an undeclared name", call("rm_rf", path="/"), call("rm_rf", path="/"), []),
    ("an opener at the end", "So <tool_call>\n", "So <tool_call>\n", []),
    ("a name in prose", "Call <function=get_weather> now.", "Call <function=get_weather> now.", []),
    ("a name on its own line", "<function=get_weather>\nis a tool", "<function=get_weather>\nis a tool", []),
    ("white space alone", " \n", " \n", []),
]

# text, content, calls, part of the reason
REPAIRED = [
    ("no wrapper", PARIS.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>"), None, "no wrapper"),
    ("no opener", PARIS.removeprefix("<tool_call>\n"), None, "no wrapper"),
    ("cut in the value", "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis", None, "not closed"),
    ("cut in a closer", "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</param", None, "not closed"),
    ("cut after a closer", PARIS.removesuffix("</function>\n</tool_call>"), None, "not closed"),
    ("cut before the wrapper's", PARIS.removesuffix("</tool_call>"), None, "not closed"),
    ("no closer of the function", PARIS.replace("</function>\n", ""), None, "not closed"),
    ("no closer of the parameter", PARIS.replace("</parameter>\n", ""), None, "not closed"),
    ("prose instead of the closer", PARIS.replace("</tool_call>", "So."), "\nSo.", "wrapper was not closed"),
]


@pytest.mark.parametrize(("text", "content", "calls"), [v[1:] for v in VECTORS], ids=[v[0] for v in VECTORS])
def test_text_becomes_content_and_calls(text, content, calls):
    answer = fold(run([text], parser()))
    assert answer["content"] == content
    assert [(c["name"], json.loads(c["arguments"])) for c in answer["tool_calls"]] == calls


@pytest.mark.parametrize(("text", "content", "reason"), [v[1:] for v in REPAIRED], ids=[v[0] for v in REPAIRED])
def test_degraded_calls_are_repaired_and_say_so(text, content, reason):
    events = run([text], parser())
    answer = fold(events)
    assert answer["content"] == content
    assert [(c["name"], json.loads(c["arguments"])) for c in answer["tool_calls"]] == [
        ("get_weather", {"city": "Paris"})
    ]
    (repaired,) = [event.repaired for event in events if isinstance(event, ToolCallFinished)]
    assert reason in repaired


def test_a_missing_closer_between_calls_loses_neither():
    first = PARIS.removesuffix("</tool_call>")
    answer = fold(run([first + PARIS], parser()))
    assert [c["name"] for c in answer["tool_calls"]] == ["get_weather", "get_weather"]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("text", [v[1] for v in VECTORS + REPAIRED])
def test_any_split_gives_the_same_events(text, size):
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert run(pieces, parser()) == run([text], parser())


FRAGMENTS = st.sampled_from(
    [
        *(
            "<tool_call>",
            "</tool_call>",
            "<function=get_weather>",
            "<function=write_file>",
            "<function=x>",
            "</function>",
        ),
        *("<parameter=city>", "<parameter=days>", "<parameter=content>", "<parameter=zzz>", "</parameter>"),
        *("\n", "\n", "\n\n", " ", "word", "<", "</", "`", "```", "\n```\n", "42", "é", "<think>", "</think>"),
        *("<tool_call>\n<function=get_weather>\n<parameter=city>\n", "\n</parameter>\n</function>\n</tool_call>"),
    ]
)


@given(st.lists(FRAGMENTS, max_size=24).map("".join), st.lists(st.integers(1, 9), max_size=40), st.booleans())
def test_any_split_of_anything_gives_the_same_events_and_valid_json(text, sizes, is_open):
    whole = parser(is_open=is_open)
    events = run([text], whole)
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    assert run([p for p in [*pieces, text[at:]] if p], parser(is_open=is_open)) == events
    for made in fold(events)["tool_calls"]:
        assert isinstance(json.loads(made["arguments"]), dict)


@given(st.lists(FRAGMENTS, max_size=16).map("".join))
def test_without_tools_everything_is_text(text):
    whole = text.replace("<think>", "").replace("</think>", "")
    assert (fold(run([whole], parser(tools=())))["content"] or "") == whole


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60), st.integers(1, 5))
def test_string_values_are_exact(value, size):
    text = call("get_weather", city=value)
    answer = fold(run([text[i : i + size] for i in range(0, len(text), size)], parser()))
    assert json.loads(answer["tool_calls"][0]["arguments"]) == {"city": value}


def test_lone_surrogates_in_values_become_escapes():
    answer = fold(run([call("get_weather", city="a\ud800b")], parser()))
    arguments = answer["tool_calls"][0]["arguments"]
    assert arguments.encode("utf-8")
    assert json.loads(arguments) == {"city": "a\ud800b"}


def test_the_name_and_the_arguments_come_as_soon_as_they_are_certain():
    answer = parser()
    assert answer.feed(Piece("<tool_call>\n<function=get_weather")) == []
    (started,) = answer.feed(Piece(">"))
    assert isinstance(started, ToolCallStarted)
    assert started.name == "get_weather"
    assert answer.feed(Piece("\n<parameter=city>\nPar")) == [
        ToolCallArguments(0, '{"city": '),
        ToolCallArguments(0, '"Par'),
    ]
    assert answer.feed(Piece("is")) == [ToolCallArguments(0, "is")]


def test_text_is_held_back_only_while_it_may_become_a_call():
    answer = parser()
    assert answer.feed(Piece("a <")) == [TextDelta("a ")]
    assert answer.feed(Piece("b")) == [TextDelta("<b")]


def test_undecided_text_is_bounded():
    answer = parser()
    held = 0
    for piece in (OPEN + "x\n</parameter>\n</function>\ny", *(["lorem ipsum "] * (UNDECIDED_LIMIT // 6))):
        events = answer.feed(Piece(piece))
        held = 0 if events else held + len(piece)
        assert held <= UNDECIDED_LIMIT + 100


TOKENS = ("<tool_call>", "</tool_call>", "<think>", "</think>")


def test_letters_that_spell_a_marker_token_stay_text():
    text = f"So {PARIS} it is"
    assert run([text], parser(tokens=TOKENS)) == [TextDelta(text)]


def test_a_marker_token_counts_even_in_a_fence():
    pieces = ["```\n", Piece("<tool_call>", True), "\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n"]
    pieces += ["</function>\n", Piece("</tool_call>", True)]
    answer = fold(run(pieces, parser(tokens=TOKENS)))
    assert answer["tool_calls"] == [{"name": "get_weather", "arguments": '{"city": "Paris"}'}]


@pytest.mark.parametrize("text", [v[1] for v in VECTORS + REPAIRED])
def test_token_by_token_is_the_same_as_in_one_go(mini, text):
    markers = {mini.tokenizer.token_to_id(token): token for token in TOKENS}
    ids = mini.tokenizer.encode(text, add_special_tokens=False).ids
    split, joined = [], []
    for i in ids:
        piece = Piece(markers.get(i) or mini.tokenizer.decode([i], skip_special_tokens=False), i in markers)
        if "\ufffd" in piece.text:
            return  # half a character: tests of the text stream have those
        split.append(piece)
        if joined and not piece.marker and not joined[-1].marker:
            joined[-1] = Piece(joined[-1].text + piece.text)
        else:
            joined.append(piece)
    assert run(split, parser(tokens=TOKENS)) == run(joined, parser(tokens=TOKENS))


def test_parse_text_takes_openai_tools_and_splits():
    tools = [{"type": "function", "function": {"name": t.name, "parameters": t.parameters}} for t in TOOLS]
    expected = {
        "content": "ok ",
        "reasoning_content": "hm",
        "tool_calls": [{"name": "get_weather", "arguments": '{"city": "Paris"}'}],
    }
    for split in (None, 1, 5, [3, 1, 40]):
        assert parse_text("qwen3_coder_xml", tools, f"hm\n</think>\n\nok {PARIS}", True, split) == expected
