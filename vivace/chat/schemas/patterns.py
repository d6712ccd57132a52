"""Regular expressions that llguidance's automata do not have, said with those that they have.

A pattern is ECMA-262, and matches anywhere in the text unless it is anchored.
"""

import re

from vivace.chat.schemas.probe import knows_pattern

LOOKAHEADS = ("(?=", "(?!")


def patterns(pattern: str) -> tuple[list[str], bool]:
    """Patterns that all hold where `pattern` does, and whether they say the same together.

    Lookaheads at the beginning of an anchored pattern are patterns of their own: `^(?=.*[0-9]).{8,}$` are
    `^.*[0-9]` and `^.{8,}$`. Negative ones are lost.
    """
    if knows_pattern(pattern):
        return [pattern], True
    parts, exact = _split(pattern)
    known = [part for part in parts if knows_pattern(part)]
    return known, exact and len(known) == len(parts)


def _split(pattern: str) -> tuple[list[str], bool]:
    if not pattern.startswith("^") or len(split_alternatives(pattern)) > 1:
        return [pattern], True
    parts, exact, rest = [], True, pattern[1:]
    while rest.startswith(LOOKAHEADS):
        end = closing(rest)
        if end is None:
            return [pattern], True
        if rest.startswith("(?="):
            parts.append(f"^(?:{rest[3:end]})")
        else:
            exact = False
        rest = rest[end + 1 :]
    return [*parts, f"^{rest}"], exact


def outgrows(pattern: str, length: int) -> bool:
    """Whether bounds on the length beside groups that repeat need automata that outgrow llguidance's limits, and only
    as the model writes: the answer would fail in the middle."""
    searched = bool(_LONG_COUNT.search(pattern)) and not pattern.startswith("^")
    return most_repetitions(pattern) * length > _LARGEST_AUTOMATON or (searched and length > 0)


def most_repetitions(pattern: str) -> int:
    """How often the pattern counts a group, at most; 0 where it counts none."""
    return max((int(most or least) for least, most in _COUNTED.findall(pattern)), default=0)


_LARGEST_AUTOMATON = 500  # repetitions of a group times characters; 9 x 100 fails within words of four letters
_LONG_COUNT = re.compile(r"\{\d{2,}|\{\d,\d{2,}")  # where it may begin anywhere, counts overlap
_COUNTED = re.compile(r"\)\{(\d+),?(\d*)\}")
STEP = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|[()|]|.", re.DOTALL)  # an escape, a class, or one character


def split_alternatives(pattern: str) -> list[str]:
    """What stands between the `|` outside all groups: `^` and `$` belong to one of these only."""
    parts, depth = [""], 0
    for step in STEP.findall(pattern):
        depth += (step == "(") - (step == ")")
        if step == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += step
    return parts


def closing(text: str) -> int | None:
    """Where the group ends with which the text begins."""
    depth = 0
    for step in STEP.finditer(text):
        depth += (step.group() == "(") - (step.group() == ")")
        if depth == 0:
            return step.start()
    return None
