"""Regular expressions that llguidance's automata do not have, said with those that they have.

A pattern is ECMA-262, and matches anywhere in the text unless it is anchored.
"""

import re

from vivace.chat.schemas.probe import knows_pattern

_LOOKAHEAD = ("(?=", "(?!")


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
    if not pattern.startswith("^") or _has_alternatives(pattern):
        return [pattern], True
    parts, exact, rest = [], True, pattern[1:]
    while rest.startswith(_LOOKAHEAD):
        end = _closing(rest)
        if end is None:
            return [pattern], True
        if rest.startswith("(?="):
            parts.append(f"^(?:{rest[3:end]})")
        else:
            exact = False
        rest = rest[end + 1 :]
    return [*parts, f"^{rest}"], exact


def most_repetitions(pattern: str) -> int:
    """How often the pattern counts a group, at most; 0 where it counts none."""
    return max((int(most or least) for least, most in _COUNTED.findall(pattern)), default=0)


_COUNTED = re.compile(r"\)\{(\d+),?(\d*)\}")
_STEP = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|[()|]|.", re.DOTALL)  # an escape, a class, or one character


def _has_alternatives(pattern: str) -> bool:
    """Whether a `|` stands outside all groups, so that `^` does not begin all of the pattern."""
    depth = 0
    for step in _STEP.findall(pattern):
        depth += (step == "(") - (step == ")")
        if step == "|" and depth == 0:
            return True
    return False


def _closing(text: str) -> int | None:
    """Where the group ends with which the text begins."""
    depth = 0
    for step in _STEP.finditer(text):
        depth += (step.group() == "(") - (step.group() == ")")
        if depth == 0:
            return step.start()
    return None
