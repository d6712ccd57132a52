"""What a schema says of a text that is written as it is, without quotes, as a lark terminal.

The words for strings: `pattern`, `format`, `minLength`, `maxLength`, `enum` and `const`, also within `allOf`, `anyOf`,
`oneOf` and behind `$ref`. Beside strings a text may spell a number or a literal, where the schema lets it.
"""

import json
from typing import Any, NamedTuple

from vivace.chat.conversation import JSON
from vivace.chat.schemas import ecma
from vivace.chat.schemas.formats import FORMATS
from vivace.chat.schemas.patterns import outgrows
from vivace.chat.schemas.words import Path

_DEEPEST = 8  # schemas within schemas; what is nested deeper says nothing
_LENGTHS = ("minLength", "maxLength")
_LONGEST = 500  # characters that may be demanded, or counted beside a format: beyond, llguidance's automata give up
_WORDS = (*_LENGTHS, "pattern", "format")
_UNSAID = ("not", "if")
_SPELLED = {  # in JSON or in Python
    "null": "/null|None/",
    "boolean": "/true|false|True|False/",
    "integer": "/-?(0|[1-9][0-9]*)/",
    "number": r"/-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/",
}
_NUMBERS = r"/\s*[-+.0-9][-+.0-9a-fA-FoOxX_]*\s*/"
_READ = {  # more than what is spelled: what a reader might take for a value of the type
    "null": r"/\s*(?i:null|none)\s*/",
    "boolean": r"/\s*(?i:true|false)\s*/",
    "integer": _NUMBERS,
    "number": _NUMBERS,
}
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")


class Text(NamedTuple):
    """`terminal`: what fits, None if every text does. `losses`: what that does not hold, with paths in the root."""

    terminal: str | None
    losses: tuple[tuple[Path, str], ...] = ()


def text(schema: Any, root: Any, path: Path, types: frozenset[str]) -> Text:
    """`types`: what a text may spell; `path`: where in `root` the schema stands."""
    reader = _Reader(root)
    found = reader.read(schema, path)
    others = sorted(types - {"string"})
    if others and isinstance(schema, dict):
        reader.lose(path, *(word for word in _BOUNDS if word in schema))
    if found == ecma.ANY:
        return Text(None, tuple(reader.losses))
    if not _SPELLED.keys() >= set(others):  # an object would have to be told from a text that looks like one
        reader.lose(path, *(word for word in _WORDS if isinstance(schema, dict) and word in schema))
        return Text(None, tuple(reader.losses))
    string = " & ".join([ecma.ANY, found, *(f"~{_READ[kind]}" for kind in others)])
    return Text(f"({' | '.join([f'({string})', *(_SPELLED[kind] for kind in others)])})", tuple(reader.losses))


class _Reader:
    """Reads schemas of strings within `root`. What it cannot say is lost, and never refuses what fits."""

    def __init__(self, root: Any) -> None:
        self.losses: list[tuple[Path, str]] = []
        self._root = root

    def lose(self, path: Path, *words: str) -> None:
        self.losses += [(path, f"`{word}` is not enforced") for word in words]

    def read(self, schema: Any, path: Path, depth: int = 0) -> str:
        """An expression for the strings that fit, which are all where nothing is said."""
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return ecma.NOTHING if schema is False else ecma.ANY
        parts = [*self._words(schema, path), *self._nested(schema, path, depth)]
        self.lose(path, *(word for word in _UNSAID if word in schema))
        parts = [part for part in dict.fromkeys(parts) if part != ecma.ANY]
        return f"({' & '.join(parts)})" if len(parts) > 1 else next(iter(parts), ecma.ANY)

    def _words(self, schema: JSON, path: Path) -> list[str]:
        declared = schema.get("type", "string")
        if "string" not in ([declared] if isinstance(declared, str) else declared):
            return [ecma.NOTHING]
        parts = [_one_of([schema["const"]])] if "const" in schema else []
        parts += [_one_of(schema["enum"])] if "enum" in schema else []
        parts += self._known(path, "pattern", ecma.terminal(schema["pattern"])) if "pattern" in schema else []
        parts += self._known(path, "format", FORMATS.get(schema["format"])) if "format" in schema else []
        return parts + self._length(schema, path)

    def _known(self, path: Path, word: str, expression: str | None) -> list[str]:
        if expression is None:
            self.lose(path, word)
        return [expression] if expression else []

    def _length(self, schema: JSON, path: Path) -> list[str]:
        held = {word: int(schema[word]) for word in _LENGTHS if word in schema}
        for word in list(held):
            is_long = held[word] > _LONGEST and (word == "minLength" or "format" in schema)
            if is_long or outgrows(schema.get("pattern", ""), held[word]):
                self.lose(path, word)
                del held[word]
        least, most = held.get("minLength", 0), held.get("maxLength", "")
        return [f"/(?s:.{{{least},{most}}})/"] if least or most != "" else []

    def _nested(self, schema: JSON, path: Path, depth: int) -> list[str]:
        parts = []
        if isinstance(schema.get("$ref"), str):
            parts.append(self._referred(schema["$ref"], path, depth))
        parts += [self.read(each, (*path, "allOf", i), depth + 1) for i, each in enumerate(schema.get("allOf", ()))]
        for word in ("anyOf", "oneOf"):
            if word in schema:
                options = [self.read(each, (*path, word, i), depth + 1) for i, each in enumerate(schema[word])]
                parts.append(ecma.ANY if ecma.ANY in options else f"({' | '.join(options)})")
        if len(schema.get("oneOf", ())) > 1:
            self._lose_one_of(schema["oneOf"], path)
        return parts

    def _lose_one_of(self, options: list[Any], path: Path) -> None:
        if sum("string" in _types(each) for each in options) > 1:
            self.losses.append((path, "`oneOf` is held as `anyOf`"))

    def _referred(self, reference: str, path: Path, depth: int) -> str:
        place: Path = tuple(part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/"))
        node = self._root
        for part in place if reference.startswith("#/") else ("?",):
            node = node.get(part) if isinstance(node, dict) else None
        if not isinstance(node, dict | bool):
            self.lose(path, "$ref")
            return ecma.ANY
        return self.read(node, place, depth + 1)


def _types(schema: Any) -> Any:
    return schema.get("type", ("string",)) if isinstance(schema, dict) else ("string",)


def _one_of(values: list[Any]) -> str:
    spelled = [json.dumps(value, ensure_ascii=False) for value in values if isinstance(value, str)]
    return f"({' | '.join(spelled)})" if spelled else ecma.NOTHING
