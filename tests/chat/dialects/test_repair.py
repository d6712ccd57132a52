"""Degraded calls: what is read from them, and what is left as text."""

import json
import time
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chat.builders import run, tool
from tests.chat.dialects.corpus import TOOLS, Degraded, corpus, is_wrong, read
from tests.chat.dialects.families import FAMILIES, OFFERED, Call, parser, pieces, plain
from tests.chat.dialects.test_families import every_family, made, markers, repairs
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS
from vivace.chat.dialects.answer import AnswerParser
from vivace.chat.dialects.base import Piece
from vivace.chat.dialects.coercion import COERCED
from vivace.chat.dialects.parse import fold
from vivace.chat.events import TextDelta

MANY = ("two at once", "another family's form")  # most of the corpus: a sample here, all of it in benchmarks/repair.py
CORPUS = [case for at, case in enumerate(corpus()) if case.corruption not in MANY or at % 7 == 0]
PARIS: Call = ("get_weather", {"city": "Paris"})
ROME: Call = ("get_weather", {"city": "Rome", "days": 3})
BARE = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
UNKNOWN = '{"name": "rm_rf", "arguments": {"path": "/"}}'


def answered(family: str, text: str, size: int = 1_000_000, must_call: bool = False) -> list[Any]:
    answer = AnswerParser(
        TOOL_DIALECTS[family], REASONING_DIALECTS["none"], OFFERED, False, frozenset(), must_call=must_call
    )
    return run([text[at : at + size] for at in range(0, len(text), size)], answer)


def share(cases: Iterable[Degraded]) -> float:
    """Of the cases with one reading, how many are read so."""
    right = [read(case) == list(case.calls) for case in cases if case.calls is not None]
    return sum(right) / len(right)


def test_the_corpus_is_large_and_covers_every_family() -> None:
    assert len(CORPUS) >= 300
    assert {case.family for case in CORPUS} == set(FAMILIES)


@every_family
def test_no_call_is_invented_and_nearly_all_are_recovered(family: str) -> None:
    cases = [case for case in CORPUS if case.family == family]
    assert [case for case in cases if is_wrong(case, read(case))] == []
    assert share(cases) >= 0.95


@pytest.mark.parametrize("corruption", sorted({case.corruption for case in CORPUS}))
def test_every_corruption_is_recovered(corruption: str) -> None:
    assert share(case for case in CORPUS if case.corruption == corruption) >= 0.95


@pytest.mark.parametrize("size", [1, 3])
def test_any_split_of_degraded_output_is_the_whole(size: int) -> None:
    for case in CORPUS[:: 7 + size]:
        whole, split = (
            run(
                [case.text[at : at + length] for at in range(0, len(case.text), length)],
                AnswerParser(
                    TOOL_DIALECTS[case.family],
                    REASONING_DIALECTS[case.reasoning],
                    TOOLS,
                    False,
                    must_call=case.must_call,
                ),
            )
            for length in (1_000_000, size)
        )
        assert split == whole, case


def test_what_is_no_call_is_text_character_by_character() -> None:
    for case in CORPUS:
        if case.calls == ():
            assert answered(case.family, case.text) == [TextDelta(case.text)], case


@pytest.mark.parametrize(
    ("family", "text", "reason"),
    [
        ("hermes", BARE, "no wrapper"),
        ("hermes", plain(FAMILIES["gemma4"].render([PARIS])), "as gemma4 writes it"),
        ("hermes", "[TOOL_CALLS]" + BARE, "mistral"),
        ("hermes", f"<|tool_call_start|>{BARE}<|tool_call_end|>", "another form"),
        ("gemma4", '[Calling tool: get_weather({"city": "Paris"})]', "as text"),
        ("hermes", "<tool_call>{'name': 'get_weather', 'arguments': {'city': 'Paris'}}</tool_call>", "well-formed"),
        ("hermes", BARE.join(("<tool_call>", "")), "not closed"),
    ],
)
def test_repaired_calls_say_why(family: str, text: str, reason: str) -> None:
    events = answered(family, text)
    assert made(events) == [PARIS]
    assert reason in repairs(events)[0]


@pytest.mark.parametrize("must_call", [True, False])
def test_json_in_a_fence_is_a_call_only_where_one_is_required(must_call: bool) -> None:
    text = f"Here:\n\n```json\n{BARE}\n```"
    assert made(answered("hermes", text, must_call=must_call)) == [PARIS] * must_call


# Prose

EVERY_MARKER = sorted({marker for family in FAMILIES for marker in markers(family)})
WORDS = ["get_weather", "is", " a ", "\n", "tag", "<", "Paris", "(", "= ", "{", '"name"', "`x`", ", ", "[", ": "]


@every_family
@given(data=st.data(), size=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_prose_that_mentions_any_familys_markers_stays_text(family: str, data: st.DataObject, size: int) -> None:
    word = st.sampled_from(EVERY_MARKER) | st.sampled_from(WORDS)
    text = "The " + "".join(data.draw(st.lists(word.map(lambda w: w + " is"), max_size=10)))
    assert answered(family, text, size) == [TextDelta(text)]


@every_family
@pytest.mark.parametrize("other", FAMILIES)
def test_calls_of_any_family_in_code_stay_text(family: str, other: str) -> None:
    text = f"It writes\n\n```\n{plain(FAMILIES[other].render([PARIS, ROME]))}\n```\n\nand waits."
    assert answered(family, text) == [TextDelta(text)]


@every_family
@pytest.mark.parametrize(
    "text", ['{"answer": {"city": 1}, "ok": [1, 2]}', "It [1] is (a) <b>x</b>.", "[1, 2]", "Internationalization"]
)
def test_ordinary_text_is_not_held_back(family: str, text: str) -> None:
    answer = parser(family)
    said = ""
    for at, char in enumerate(text):
        said += "".join(e.text for e in answer.feed(Piece(char)) if isinstance(e, TextDelta))
        assert at + 1 - len(said) <= 12


def test_cost_of_openers_that_never_become_calls_is_linear() -> None:
    def seconds(family: str, unit: str, length: int) -> float:
        answer, began = parser(family), time.process_time()
        run([(unit * (length // len(unit) + 1))[at : at + 64] for at in range(0, length, 64)], answer)
        return time.process_time() - began

    for family, unit in (
        ("hermes", '<tool_call>{"arguments": "'),
        ("hermes", '<tool_call>{"arguments": '),
        ("hermes", '<tool_call>[{"name": "x", "arguments": "'),
        ("qwen3_coder_xml", "\n<tool_call>\n<function=get_weather>"),
        ("llama3", '[{"name": "x", "parameters": {}}, '),
    ):
        seconds(family, unit, 20_000)
        assert seconds(family, unit, 400_000) < 12 * seconds(family, unit, 100_000)


# Lists


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("hermes", f"<tool_call>[{UNKNOWN}, {BARE}]</tool_call>"),
        ("granite", f"<|tool_call|>[{UNKNOWN}, {BARE}, {UNKNOWN}]"),
        ("llama3", f"[{UNKNOWN}, {BARE}]"),
        ("llama4", '[rm_rf(path="/"), get_weather(city="Paris")]'),
        ("minimax_m2", plain(FAMILIES["minimax_m2"].render([("rm_rf", {"path": "/"}), PARIS]))),
        ("deepseek_v31", plain(FAMILIES["deepseek_v31"].render([("rm_rf", {"path": "/"}), PARIS]))),
        ("kimi_k2", plain(FAMILIES["kimi_k2"].render([("rm_rf", {"path": "/"}), PARIS, ("rm_rf", {})]))),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_an_undeclared_call_in_a_list_is_text_and_the_declared_one_is_called(family: str, text: str, size: int) -> None:
    events = answered(family, text, size)
    assert made(events) == [PARIS]
    assert "rm_rf" in fold(events)["content"]
    assert text.startswith(fold(events)["content"][:20])


# Values of another type than the schema's

TYPED = tool(
    "typed",
    i={"type": "integer"},
    n={"type": "number"},
    b={"type": "boolean"},
    s={"type": "string"},
    either={"type": ["integer", "string"]},
    a={"type": "array", "items": {"type": "integer"}},
    o={"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}},
    r={"$ref": "#/$defs/Count"},
    e={"enum": [1, 2]},
)
TYPED.parameters["$defs"] = {"Count": {"type": "integer"}}


@pytest.mark.parametrize(
    ("written", "wanted", "repaired"),
    [
        ({"i": "3"}, {"i": 3}, True),
        ({"i": 3}, {"i": 3}, False),
        ({"i": "three"}, {"i": "three"}, False),
        ({"i": "3.5"}, {"i": "3.5"}, False),
        ({"n": "3.5", "b": "true"}, {"n": 3.5, "b": True}, True),
        ({"b": "False", "s": "false"}, {"b": False, "s": "false"}, True),
        ({"s": "3", "either": "3"}, {"s": "3", "either": "3"}, False),
        ({"a": ["1", 2], "o": {"x": "1", "y": "1", "z": "1"}}, {"a": [1, 2], "o": {"x": 1, "y": "1", "z": "1"}}, True),
        ({"o": '{"x": 1}', "a": "[1, 2]"}, {"o": {"x": 1}, "a": [1, 2]}, True),
        ({"r": "7", "e": "2"}, {"r": 7, "e": 2}, True),
        ({"unknown": "3", "i": ""}, {"unknown": "3", "i": ""}, False),
        ({"i": 'a "quoted" \\ \n text'}, {"i": 'a "quoted" \\ \n text'}, False),
    ],
)
@pytest.mark.parametrize("family", ["hermes", "mistral", "llama4", "gemma4"])
@pytest.mark.parametrize("size", [1, 1000])
def test_strings_become_what_the_schema_says(
    family: str, written: dict[str, Any], wanted: dict[str, Any], repaired: bool, size: int
) -> None:
    answer = AnswerParser(TOOL_DIALECTS[family], REASONING_DIALECTS["none"], (TYPED,), False)
    events = run(pieces(plain(FAMILIES[family].render([("typed", written)])), size), answer)
    assert made(events) == [("typed", wanted)]
    assert (COERCED in repairs(events)) == repaired


def test_a_long_string_where_none_belongs_is_not_held_forever() -> None:
    text = "x" * 100_000
    events = answered("hermes", f'<tool_call>{{"name": "get_weather", "arguments": {{"city": "a", "days": "{text}"}}}}')
    assert json.loads(fold(events)["tool_calls"][0]["arguments"])["days"] == text
