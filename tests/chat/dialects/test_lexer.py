"""The same lexemes for any split, at the limit of a name's length too."""

from itertools import groupby

import pytest

from vivace.chat.dialects.base import Piece
from vivace.chat.dialects.lexer import Lexer, tag

MARKERS = (tag("<parameter=", ">"), tag("[[", "]]"), "</parameter>")


def lexemes(text: str, size: int) -> list[tuple[bool, str, str]]:
    """Whether it is a marker, text and name, neighbouring texts joined."""
    lexer = Lexer(MARKERS)
    found = [x for at in range(0, len(text), size) for x in lexer.feed(Piece(text[at : at + size]))] + lexer.finish()
    joined: list[tuple[bool, str, str]] = []
    for is_marker, group in groupby(found, lambda x: x.marker is not None):
        run = list(group)
        joined += [(True, x.text, x.name) for x in run] if is_marker else [(False, "".join(x.text for x in run), "")]
    return joined


@pytest.mark.parametrize("text", ["<parameter={}>x</parameter>", "a[[{}]]b", "<parameter=<parameter={}>"])
@pytest.mark.parametrize(("length", "counts"), [(1, True), (127, True), (128, True), (129, False), (300, False)])
def test_a_name_up_to_the_limit_counts_and_a_longer_one_is_text(text: str, length: int, counts: bool) -> None:
    name = "n" * length
    whole = lexemes(text.format(name), 10_000)
    assert (name in [found for _, _, found in whole]) == counts
    assert "".join(piece for _, piece, _ in whole) == text.format(name)
    for size in (1, 2, 3, 7, 100):
        assert lexemes(text.format(name), size) == whole
