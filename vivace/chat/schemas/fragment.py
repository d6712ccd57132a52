"""A part of a schema as a document of its own, in which its references still lead where they led."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from vivace.chat.conversation import JSON
from vivace.chat.schemas.words import DEFINITIONS, Path

_ROOT = "root of the fragment"
_NEW_ROOT = f"#/$defs/{quote(_ROOT)}"
_DEFINITION_REFERENCES = tuple(f"#/{word}/" for word in DEFINITIONS)


def place(schema: Any, root: Any) -> Path:
    """Where `schema`, the very object, stands in `root`: at the top or among its properties."""
    properties = root.get("properties") if isinstance(root, dict) else None
    if not isinstance(properties, dict) or schema is root:
        return ()
    return next((("properties", name) for name, each in properties.items() if each is schema), ())


def fragment(schema: Any, root: Any) -> Any:
    """`schema`, a property of `root`, with what it needs of `root`: the draft, and what it refers to."""
    if not isinstance(schema, dict) or not isinstance(root, dict) or schema is root:
        return schema
    declared = {word: root[word] for word in ("$schema",) if word in root}
    definitions = {word: root[word] for word in DEFINITIONS if word in root}
    references = set(_references(schema))
    if not references:
        return declared | schema
    if all(each.startswith(_DEFINITION_REFERENCES) for each in references | set(_references(definitions))):
        return declared | definitions | schema
    at = place(schema, root)
    return declared | (_within(root, at) if at else {"$defs": {_ROOT: _moved(root)}} | _moved(schema))


def origin(path: Path, at: Path) -> Path:
    """Where in the root stands what stands at `path` in the fragment of the schema at `at`."""
    if path[:2] == ("$defs", _ROOT):
        return path[2:]
    return path if path[:1] in [(word,) for word in DEFINITIONS] else at + path


def _within(root: JSON, at: Path) -> JSON:
    """A reference to that place in all of `root`, which moves into a definition with its references."""
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in at)
    return {"$defs": {_ROOT: _moved(root)}, "$ref": _NEW_ROOT + pointer}


def _moved(node: Any) -> Any:
    if isinstance(node, dict):
        return {word: _led(value) if word == "$ref" else _moved(value) for word, value in node.items()}
    return [_moved(each) for each in node] if isinstance(node, list) else node


def _led(reference: Any) -> Any:
    """JSON pointers from the top get a longer way; names are found anywhere."""
    if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
        return _NEW_ROOT + reference[1:]
    return _moved(reference)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for word, value in node.items():
            if word in ("$ref", "$dynamicRef", "$recursiveRef") and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for each in node:
            yield from _references(each)
