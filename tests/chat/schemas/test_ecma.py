"""Patterns of ECMA-262 as terminals: which texts they match, judged by Python where the two agree."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer

from vivace.chat.schemas.ecma import terminal

BYTES = LLTokenizer("byte")


def matches(expression: str, text: str) -> bool:
    matcher = LLMatcher(BYTES, f"%llguidance {{}}\nstart: T\nT: {expression}")
    assert not matcher.is_error(), matcher.get_error()
    return bool(all(matcher.consume_token(byte) for byte in text.encode()) and matcher.is_accepting())


# pattern, texts in which it is found, texts in which it is not
TABLE = [
    ("a", ["a", "ba\n"], ["", "b"]),
    ("^a$", ["a"], ["a\n", "ba"]),
    ("^a|b$", ["ac", "cb"], ["ca", "bc"]),
    ("^(?:a|b)$", ["a", "b"], ["ab"]),
    ("^$", [""], ["a"]),
    (r"^\d\w\s$", ["1a ", "1_\u00a0"], ["\u0661a ", "1é "]),
    (r"^\D\W\S$", ["aé1"], ["1é1", "aa1"]),
    ("^.$", ["a", "\t"], ["\n", "\u2028"]),
    (r"^[\w-.]$", ["-", ".", "a"], ["+", "/"]),
    ("^[a-c&&[-]$", ["b", "&", "[", "-"], ["d"]),
    ("^[^]$", ["\n", "a"], [""]),
    (r"^[\b\-\]]$", ["\b", "-", "]"], ["b"]),
    (r"^\u00e9\x41\cJ\ud83d\ude00\u{1F600}$", ["éA\n😀😀"], ["éA\n😀"]),
    (r"^a\$$", ["a$"], ["a"]),
    ("^[$]$", ["$"], [""]),
    ("^x{,2}{$", ["x{,2}{"], ["xx{"]),
    ("^a{2,3}?b+?$", ["aab", "aaabb"], ["ab"]),
    (r"^(?<year>\d{4})/\/$", ["2024//"], ["2024/"]),
    (r"^\p{Lu}\P{L}$", ["É1"], ["é1"]),
    ("^(?=.*b)(?!.*c$)a", ["ab", "abcd"], ["a", "abc", "b"]),
]


@pytest.mark.parametrize(("pattern", "found", "missed"), TABLE)
def test_texts_match_as_a_whole(pattern: str, found: list[str], missed: list[str]) -> None:
    expression = terminal(pattern)
    assert expression
    assert [matches(expression, text) for text in found + missed] == [True] * len(found) + [False] * len(missed)


@pytest.mark.parametrize(
    "pattern", [r"\bfoo", r"(a)\1", "a(?=b)", "(?<!a)b", "(^a|b)c", "a$b", r"\ud83d", r"\p{Nothing}", r"\q", "a["]
)
def test_what_automata_have_not_is_not_said(pattern: str) -> None:
    assert terminal(pattern) is None


PARTS = st.sampled_from(["a", "b", "[ab]", "[^a]", "(a|bc)", "(?:b)?", "a*", "b{1,2}", "[a-c]+", r"\.", "|", "(?:)"])


@given(st.lists(PARTS, max_size=5).map("".join), st.booleans(), st.booleans(), st.text("abc.\n", max_size=6))
@settings(max_examples=300, deadline=None)
def test_patterns_are_found_where_python_finds_them(pattern: str, begins: bool, ends: bool, text: str) -> None:
    pattern = "^" * begins + pattern + "$" * ends
    expression = terminal(pattern)
    assert expression
    assert matches(expression, text) == bool(re.search(pattern.replace("$", r"\Z"), text))
