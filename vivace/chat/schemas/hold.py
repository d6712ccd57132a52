"""As much of a schema as llguidance can hold, and what it cannot."""

import json
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from vivace.chat.schemas.probe import ANY_SPACE, document, refuses, verdict
from vivace.chat.schemas.rewrite import Losses, Rewriter
from vivace.chat.schemas.words import DEFINITIONS, LISTS, Path, has_subschemas, rebuilt, subschemas

_CACHED_CHARACTERS = 65_536  # of one schema; larger ones are worked out anew
_TRIED_CHARACTERS = 4_000_000  # that may be compiled to find what llguidance refuses: one or two seconds
_DEEPEST = 80  # steps to a place that stays when it is emptied
_SKELETON = frozenset({"$defs", "definitions", "properties", "items"}) | LISTS
_NAMED = frozenset({"properties", "patternProperties", "prefixItems", "items"})
_LEFT_OVER = frozenset({"additionalProperties", "items", "additionalItems"})
_IGNORED = ("Unimplemented", "Unknown")  # in what a standard schema that is referred to says
_COUNTING = ("minProperties", "maxProperties")


class Held(NamedTuple):
    """`source`: for llguidance's `%json`. `losses`: what of the schema it does not hold, each with its path."""

    source: str
    losses: tuple[tuple[Path, str], ...]


def hold(schema: Any, space: str = ANY_SPACE) -> Held:
    """The schema, relaxed where llguidance cannot express it. It must be a valid one. `space`: see `document`."""
    source = json.dumps(schema)
    return _cached(source, space) if len(source) <= _CACHED_CHARACTERS else _hold(source, space)


@lru_cache(1024)
def _cached(source: str, space: str) -> Held:
    """Agents send the same tools every turn."""
    return _hold(source, space)


def _hold(text: str, space: str) -> Held:
    schema = json.loads(text)
    rewriter = Rewriter(schema)
    result, losses = rewriter.rewrite(schema), rewriter.losses
    failed, messages = verdict(document(result))
    if not failed and any("Properties" in message for message in messages):  # bounds in one schema of several that hold
        result, failed = _dropped(result, _COUNTING, losses), True
    if failed and refuses(result):
        result = _largest(result, losses)
    losses += [((), f"not fully enforced: {message}") for message in messages if message.startswith(_IGNORED)]
    return Held(document(result, space), tuple(dict.fromkeys(losses)))


def _dropped(schema: Any, words: tuple[str, ...], losses: Losses, path: Path = ()) -> Any:
    if not isinstance(schema, dict):
        return schema
    losses += [(path, _not(word)) for word in words if word in schema]
    kept = {word: value for word, value in schema.items() if word not in words}
    return {w: rebuilt(w, v, path, lambda each, at: _dropped(each, words, losses, at)) for w, v in kept.items()}


def _largest(schema: Any, losses: Losses) -> Any:
    """The schema without the keywords that keep llguidance from taking it.

    They are found by bisection: while all is refused, the first keyword is dropped with which everything up to it is
    refused. Places in the schema stay, so that references to them go on leading somewhere.
    """
    kept: dict[Path, tuple[Path, str]] = {}
    rest = dict(_keywords(schema, ()))
    if refuses(_only(schema, kept)):
        losses.append(((), "only the type is enforced"))
        return {"type": schema["type"]} if "type" in schema and not refuses({"type": schema["type"]}) else True
    tries = max(20, _TRIED_CHARACTERS // len(document(schema)))
    while refuses(_only(schema, kept | rest)):
        if tries <= 0:
            losses.append(((), f"{len(rest)} keywords more are not enforced"))
            return _only(schema, {path for path in kept if not any(_refers(path, gone) for gone in rest)})
        paths = list(rest)
        good, bad = 0, len(paths)
        while bad - good > 1:
            middle = (good + bad) // 2
            refused = refuses(_only(schema, kept.keys() | set(paths[:middle])))
            good, bad, tries = (good, middle, tries - 1) if refused else (middle, bad, tries - 1)
        kept |= {path: rest[path] for path in paths[:good]}
        gone = [paths[good], *(path for path in (*kept, *paths[bad:]) if _refers(path, paths[good]))]
        losses += [(where, _not(word)) for where, word in map((kept | rest).__getitem__, gone)]
        kept = {path: word for path, word in kept.items() if path not in gone}
        rest = {path: rest[path] for path in paths[bad:] if path not in gone}
    return _only(schema, kept | rest)


def _refers(path: Path, gone: Path) -> bool:
    """Whether the keyword at `path` is for what the one that is gone leaves over, and would refuse more without it."""
    return path[:-1] == gone[:-1] and path[-1:] != gone[-1:] and path[-1] in _LEFT_OVER and gone[-1] in _NAMED


def _not(word: str) -> str:
    return f"`{word}` is not enforced"


def _keywords(schema: Any, path: Path) -> Iterator[tuple[Path, tuple[Path, str]]]:
    """The paths of all that may have to go, each with how it is reported; definitions first, before what uses them."""
    if schema is False:
        yield path, (path, "false")
    if not isinstance(schema, dict):
        return
    for word in sorted(schema, key=lambda word: word not in DEFINITIONS):
        if not _stays(word, schema[word], path):
            yield (*path, word), (path, word)
        for each, at in subschemas(word, schema[word], path):
            if at != (*path, word) or each is not False:
                yield from _keywords(each, at)


def _only(schema: Any, kept: Collection[Path], path: Path = ()) -> Any:
    if not isinstance(schema, dict):
        return schema or path not in kept if isinstance(schema, bool) else schema
    words = {w: value for w, value in schema.items() if (*path, w) in kept or _stays(w, value, path)}
    return {w: rebuilt(w, value, path, lambda each, at: _only(each, kept, at)) for w, value in words.items()}


def _stays(word: str, value: Any, path: Path) -> bool:
    return word in _SKELETON and has_subschemas(word, value) and len(path) <= _DEEPEST
