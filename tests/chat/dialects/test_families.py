"""What every dialect keeps (the rules are in docs/dialects.md), over every family of families.py."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chat.builders import coalesced, run
from tests.chat.dialects.families import FAMILIES, OFFERED, REASONING, Call, parser, pieces, plain, tokens_of
from vivace.chat.dialects import TOOL_DIALECTS
from vivace.chat.dialects.base import Piece
from vivace.chat.dialects.parse import fold
from vivace.chat.events import TextDelta, ToolCallArguments, ToolCallFinished, ToolCallStarted

NAMES = [name for name in FAMILIES if FAMILIES[name]]
every_family = pytest.mark.parametrize("family", NAMES)
few = settings(max_examples=25, deadline=None)
MODES = st.booleans()  # whether the family's markers are tokens

PARIS: Call = ("get_weather", {"city": "Paris"})
ROME: Call = ("get_weather", {"city": "Rome", "days": 3})
VALUES: list[str] = [
    *("", " ", "  lead", "trail \n", "a\nb", '"', "'", "\\", "\\n", '{"a": 1}', "[1]", "42", "null", "true"),
    *("é 😀 日本", "<b>x</b>", "a < b > c", "```\nx\n```", "}", "]", ")", ",", ": ", "--", "\t", "\u2028", "x=1, y=2"),
]
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="⟦⟧\r"), max_size=12)


def markers(family: str) -> list[str]:
    """Literal markers and the beginnings of those with a name inside."""
    found = [m for way in getattr(TOOL_DIALECTS[family], "ways", ()) for m in way.markers]
    return [m if isinstance(m, str) else m.prefix + "x" + m.suffixes[0] for m in found] + ["<think>", "</think>"]


def strings(family: str) -> st.SearchStrategy[str]:
    """Hostile values. Where nothing is quoted, at most one marker: several may spell the end of the call."""
    fragment = st.sampled_from(VALUES) | WORDS
    marker = st.sampled_from(markers(family))
    if FAMILIES[family].raw:
        return st.tuples(fragment, marker | st.just(""), fragment).map(
            lambda p: f"{p[0]}x{p[1]}x{p[2]}" if p[1] else p[0]
        )
    return st.lists(fragment | marker, max_size=4).map("".join)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def calls(family: str) -> st.SearchStrategy[list[Call]]:
    text = strings(family)
    flat = {"s": text, "i": st.integers(-(2**60), 2**60), "b": st.booleans()}
    nested = {"o": st.dictionaries(WORDS, JSON_VALUES, max_size=3), "a": st.lists(JSON_VALUES, max_size=3)}
    typed = st.fixed_dictionaries({}, optional=flat if FAMILIES[family].lossy else {**flat, **nested})
    one = st.one_of(
        st.tuples(st.just("get_weather"), st.fixed_dictionaries({"city": text}, optional={"days": st.integers()})),
        st.tuples(st.just("write_file"), st.fixed_dictionaries({"path": text, "content": text})),
        st.tuples(st.just("typed"), typed),
        st.just(("ping", {})),
    )
    return st.lists(one, min_size=1, max_size=3)


def answered(family: str, rendered: str, as_tokens: bool, size: int = 1_000_000, **options: Any) -> list[Any]:
    given_pieces = pieces(rendered, size) if as_tokens else pieces(plain(rendered), size)
    return run(given_pieces, parser(family, as_tokens=as_tokens, **options))


def made(events: list[Any]) -> list[Call]:
    return [(c["name"], json.loads(c["arguments"])) for c in fold(events)["tool_calls"]]


def repairs(events: list[Any]) -> list[str]:
    return [e.repaired for e in events if isinstance(e, ToolCallFinished) and e.repaired]


@every_family
@given(data=st.data(), as_tokens=MODES, size=st.integers(1, 9))
@few
def test_calls_are_exact_and_any_split_is_the_whole(
    family: str, data: st.DataObject, as_tokens: bool, size: int
) -> None:
    wanted = data.draw(calls(family))
    rendered = FAMILIES[family].render(wanted)
    events = answered(family, rendered, as_tokens)
    assert made(events) == wanted
    assert fold(events)["content"] is None
    assert not repairs(events)
    assert answered(family, rendered, as_tokens, size) == events


@every_family
@pytest.mark.parametrize("as_tokens", [False, True])
@pytest.mark.parametrize("text", [*VALUES, "\ud800", "x" * 40_000, '{"a": ' * 30 + "1" + "}" * 30])
def test_values_are_exact(family: str, text: str, as_tokens: bool) -> None:
    wanted = [("write_file", {"path": text, "content": text}), PARIS]
    assert made(answered(family, FAMILIES[family].render(wanted), as_tokens, 7)) == wanted


@every_family
@given(data=st.data(), as_tokens=MODES)
@few
def test_prose_around_calls_survives(family: str, data: st.DataObject, as_tokens: bool) -> None:
    prose = st.sampled_from(["Let me see.\n\n", "So: ", "I call.\n", "`x` and "])
    before, after = data.draw(prose), "\n\n" + data.draw(prose)
    events = answered(
        family, f"{FAMILIES[family].prose(before)}{FAMILIES[family].render([PARIS, ROME])}{after}", as_tokens, 3
    )
    if made(events) or not bare(family):
        assert made(events) == [PARIS, ROME]
        assert fold(events)["content"] == before + after


def bare(family: str) -> bool:
    """Calls without an opener count only at the start of the answer, some others only at the start of a line."""
    ways = getattr(TOOL_DIALECTS[family], "ways", ())
    return not TOOL_DIALECTS[family].trigger or ways[0].frame.where != "anywhere"


@every_family
@pytest.mark.parametrize("as_tokens", [False, True])
def test_an_undeclared_name_stays_text(family: str, as_tokens: bool) -> None:
    rendered = FAMILIES[family].render([("rm_rf", {"path": "/"})])
    assert answered(family, rendered, as_tokens) == [TextDelta(plain(rendered))]


@every_family
@pytest.mark.parametrize("quotation", ["Like `{}`.", "```\n{}\n```\nSo.", "It writes ```{}``` then."])
def test_calls_in_code_stay_text(family: str, quotation: str) -> None:
    text = quotation.format(plain(FAMILIES[family].render([PARIS])))
    assert answered(family, text, False) == [TextDelta(text)]


@pytest.mark.parametrize("family", [name for name in NAMES if tokens_of(name)])
def test_letters_that_spell_marker_tokens_stay_text(family: str) -> None:
    text = f"So {plain(FAMILIES[family].render([PARIS]))} it is"
    assert run([text], parser(family, as_tokens=True)) == [TextDelta(text)]


@every_family
@given(data=st.data(), as_tokens=MODES)
@few
def test_prose_that_mentions_markers_stays_text(family: str, data: st.DataObject, as_tokens: bool) -> None:
    words = st.sampled_from(
        [*markers(family)[:-2], "get_weather", "is", " a ", "\n", "tag", "<", "", "Paris", "(", "= "]
    )
    text = "The " + "".join(data.draw(st.lists(words.map(lambda w: w + " is"), max_size=8)))
    assert answered(family, text, as_tokens) == [TextDelta(text)]


@every_family
@pytest.mark.parametrize("as_tokens", [False, True])
def test_unterminated_calls_are_valid_or_text_and_a_cut_one_stays_open(family: str, as_tokens: bool) -> None:
    rendered = FAMILIES[family].render([("write_file", {"path": "a b", "content": 'x\n</p> "y" {1}'}), PARIS])
    all_pieces = pieces(rendered, 1) if as_tokens else pieces(plain(rendered), 1)
    whole = [c["arguments"] for c in fold(run(all_pieces, parser(family, as_tokens=as_tokens)))["tool_calls"]]
    for end in range(0, len(all_pieces), 3):
        answer = parser(family, as_tokens=as_tokens)
        events = run(all_pieces[:end], answer)
        assert answer.finish() == []
        for name, arguments in made(events):
            assert name in ("write_file", "get_weather")
            assert isinstance(arguments, dict)
        answer = parser(family, as_tokens=as_tokens)
        events = coalesced([e for p in all_pieces[:end] for e in answer.feed(p)] + answer.finish(cut=True))
        for call, full in zip(fold(events)["tool_calls"], whole, strict=False):
            assert full.startswith(call["arguments"])


@every_family
@given(data=st.data(), as_tokens=MODES, size=st.integers(1, 9))
@few
def test_any_split_of_anything_is_the_whole(family: str, data: st.DataObject, as_tokens: bool, size: int) -> None:
    rendered = FAMILIES[family].render([PARIS, ROME])
    cut = st.tuples(st.integers(0, len(rendered)), st.integers(0, 40)).map(lambda p: rendered[p[0] : p[0] + p[1]])
    parts = st.lists(
        cut | st.sampled_from([*markers(family), rendered, "\n", " ", "word", "`", "\n```\n", "{", "[", '"']),
        max_size=8,
    )
    text = "".join(data.draw(parts))
    if as_tokens:
        assert answered(family, text, True, size) == answered(family, text, True)
    text = plain(text)
    events = answered(family, text, False)
    assert answered(family, text, False, size) == events
    assert all(isinstance(arguments, dict) for _, arguments in made(events))


LONG = "word " * 200


@every_family
@pytest.mark.parametrize("call", [("write_file", {"path": "a", "content": LONG}), ("typed", {"o": {"k": [LONG]}})])
def test_the_name_and_the_arguments_come_while_they_are_generated(family: str, call: Call) -> None:
    answer = parser(family, as_tokens=True)
    started, last, lag = None, "", 0
    fed = ""
    for piece in pieces(FAMILIES[family].render([call]), 4):
        fed += piece.text
        for event in answer.feed(piece):
            if isinstance(event, ToolCallStarted):
                started = len(fed)
            if isinstance(event, ToolCallArguments):
                last += event.json_delta
        if "word" in fed and fed.endswith("word"):
            lag = max(lag, fed.count("word") - last.count("word"))
    assert started is not None
    assert started < 120
    assert lag <= 2


@pytest.mark.parametrize("reasoning", REASONING)
@given(thoughts=st.text("ab \n<>/[]`", min_size=1, max_size=20), as_tokens=MODES, size=st.integers(1, 5))
@few
def test_reasoning_comes_apart(reasoning: str, thoughts: str, as_tokens: bool, size: int) -> None:
    family = REASONING_FAMILY.get(reasoning, "hermes")
    rendered = REASONING[reasoning](f"I{thoughts}.") + "Yes."
    events = answered(family, rendered, as_tokens, size, reasoning=reasoning)
    answer = fold(events)
    assert (answer["reasoning_content"], answer["content"]) == (f"I{thoughts}.", "Yes.")


REASONING_FAMILY = {"harmony": "harmony", "muse": "muse"}


@every_family
def test_no_tools_no_calls(family: str) -> None:
    text = plain(FAMILIES[family].render([PARIS]))
    assert run([Piece(text)], parser(family, tools=())) == [TextDelta(text)]


def test_every_registered_family_is_in_the_table() -> None:
    assert {d.name for d in TOOL_DIALECTS.values()} - {"none"} == set(FAMILIES)
    assert len(OFFERED) == 4
