"""A schema as llguidance knows it.

Every rewritten schema accepts at least what the original accepts: nothing that is right becomes impossible to say.
"""

from typing import Any

from vivace.chat.conversation import JSON
from vivace.chat.schemas.patterns import outgrows
from vivace.chat.schemas.probe import disjoint
from vivace.chat.schemas.rules import RULES
from vivace.chat.schemas.words import ANNOTATIONS, DEFINITIONS, Path, draft, rebuilt

_SINCE = {"propertyNames": 6, "contains": 6, "if": 7, "then": 7, "else": 7} | dict.fromkeys(
    ("dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems"), 2019
)
_COUNTS = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
_MOST_OPTIONAL = 400  # properties of one object; four places in a grammar each, of which llguidance follows 2,000
# llguidance forgets what these leave over where `allOf`, `anyOf`, `$ref` and such stand between them.
_LEFT_OVER = frozenset({"patternProperties", "additionalProperties", "prefixItems", "items", "additionalItems"})
_INDEPENDENT = frozenset({"type", "anyOf"})
_BESIDE_REF = frozenset({"$ref", "$schema", "$id", "id", *DEFINITIONS})

Losses = list[tuple[Path, str]]


class Rewriter:
    """Rewrites subschemas of one document. `losses`: what is not held, with the path of the schema that says it."""

    def __init__(self, document: Any) -> None:
        self.losses: Losses = []
        self._document = document
        self._draft = draft(document)

    def rewrite(self, schema: Any, path: Path = ()) -> Any:
        if not isinstance(schema, dict):
            return schema
        schema = self._relevant(schema)
        result: JSON = {}
        for word, value in schema.items():
            if word not in RULES:
                result[word] = int(value) if word in _COUNTS else rebuilt(word, value, path, self.rewrite)
        for word in schema:
            if word in RULES:
                self._say(word, schema, result, path)
        self._count_properties(result, path)
        self._bound_properties(result, path)
        self._bound_length(result, path)
        if "oneOf" in result and not disjoint([self._without_references(option) for option in result["oneOf"]]):
            self.losses.append((path, "`oneOf` is held as `anyOf`"))
        return {word: result[word] for word in sorted(result, key=_LEFT_OVER.__contains__)}

    def _relevant(self, schema: JSON) -> JSON:
        """Without annotations, without what the draft does not know, and without what it ignores beside `$ref`."""
        alone = self._draft <= 7 and isinstance(schema.get("$ref"), str)
        return {
            word: value
            for word, value in schema.items()
            if word not in ANNOTATIONS and self._draft >= _SINCE.get(word, 0) and (not alone or word in _BESIDE_REF)
        }

    def _say(self, word: str, schema: JSON, result: JSON, path: Path) -> None:
        said = RULES[word](schema)
        inner = Rewriter(self._document)
        result.update({name: inner.rewrite(each) for name, each in said.beside.items()})
        for part in map(inner.rewrite, said.schemas):
            _conjoin(result, part)
        if not said.fully or inner.losses:
            some = said.schemas or said.beside
            self.losses.append((path, f"`{word}` is not {'fully ' if some else ''}enforced"))

    def _count_properties(self, result: JSON, path: Path) -> None:
        """llguidance counts additional properties only, unless what is optional is counted from 0 or 1 to 1."""
        required = len(result.get("required", ()))
        least, most = result.get("minProperties", 0) - required, result.get("maxProperties")
        if not _optional(result) or (least <= 0 and most is None):
            return
        closed = result.get("additionalProperties") is False and not result.get("patternProperties")
        if closed and least <= 1 and (most is None or most - required == 1):
            return
        for word in ("minProperties", "maxProperties"):
            if result.pop(word, None) is not None:
                self.losses.append((path, f"`{word}` is not enforced"))

    def _bound_properties(self, result: JSON, path: Path) -> None:
        """Any of the optional properties may come next: too many are more than llguidance's parser follows."""
        optional = _optional(result)
        if len(optional) > _MOST_OPTIONAL:
            for name in optional[_MOST_OPTIONAL:]:
                del result["properties"][name]
            result.pop("additionalProperties", None)
            self.losses.append((path, f"`properties` is not enforced from {optional[_MOST_OPTIONAL]!r} on"))

    def _bound_length(self, result: JSON, path: Path) -> None:
        for word in ("minLength", "maxLength"):
            if outgrows(result.get("pattern", ""), result.get(word, 0)):
                del result[word]
                self.losses.append((path, f"`{word}` is not enforced"))

    def _without_references(self, schema: Any) -> Any:
        """The schema, or what it refers to, with anything in place of further references."""
        if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
            schema = _resolved(self._document, schema["$ref"])
        return _pruned(schema, ())


def _conjoin(result: JSON, part: Any) -> None:
    """Beside other keywords most would change what `additionalProperties` and such refer to."""
    if isinstance(part, dict) and len(part) == 1 and part.keys() <= _INDEPENDENT - result.keys():
        result.update(part)
    else:
        result["allOf"] = [*result.get("allOf", ()), part]


def _optional(schema: JSON) -> list[str]:
    required = set(schema.get("required", ()))
    return [name for name, each in schema.get("properties", {}).items() if name not in required and each is not False]


def _resolved(document: Any, reference: str) -> Any:
    """What a JSON pointer leads to; anything where it leads nowhere, or the reference is no pointer."""
    if not reference.startswith("#/"):
        return True
    node = document
    for part in reference[2:].split("/"):
        node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return node if isinstance(node, dict | bool) else True


def _pruned(schema: Any, path: Path) -> Any:
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema or len(path) > 20:
        return True
    words = {word: value for word, value in schema.items() if word not in RULES and word not in DEFINITIONS}
    return {word: rebuilt(word, value, path, _pruned) for word, value in words.items()}
