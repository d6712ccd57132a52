"""Keywords that llguidance does not know, each said with those that it knows as far as that goes."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from vivace.chat.conversation import JSON
from vivace.chat.schemas.negation import negated
from vivace.chat.schemas.patterns import patterns
from vivace.chat.schemas.probe import knows_format

_MOST_DEPENDENCIES = 4  # each doubles the alternatives of its object
_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "$ref", "$dynamicRef", "$recursiveRef", "if", "dependentSchemas"})


class Said(NamedTuple):
    """What stands for a keyword: schemas that hold too, and keywords `beside` those that stand there.

    `fully`: they say all that the keyword says.
    """

    schemas: tuple[Any, ...] = ()
    fully: bool = True
    beside: Mapping[str, Any] = MappingProxyType({})


UNSAID = Said(fully=False)


def _not(schema: JSON) -> Said:
    opposite = negated(schema["not"])
    return UNSAID if opposite is None else Said((opposite,))


def _if(schema: JSON) -> Said:
    """Whatever holds: `if` and `then`, or `else` and not `if`."""
    condition, then, otherwise = schema["if"], schema.get("then", True), schema.get("else", True)
    if then is True and otherwise is True:
        return Said()
    opposite = negated(condition)
    if opposite is None and otherwise is True:
        return UNSAID
    held, missed = {"allOf": [condition, then]}, {"allOf": [True if opposite is None else opposite, otherwise]}
    return Said(({"anyOf": [held, missed]},), fully=opposite is not None)


def _dependent(dependents: JSON) -> Said:
    """`dependents`: property name → schema that holds where the property is there, or names that it requires."""
    if len(dependents) > _MOST_DEPENDENCIES:
        return UNSAID
    choices = []
    for name, dependent in dependents.items():
        then = {"required": dependent} if isinstance(dependent, list) else dependent
        choices.append({"anyOf": [{"properties": {name: False}}, {"allOf": [{"required": [name]}, then]}]})
    return Said(tuple(choices))


def _property_names(schema: JSON) -> Said:
    names = schema["propertyNames"]
    if isinstance(names, bool):
        return Said() if names else Said(({"maxProperties": 0},))
    words = {word for word in names if word != "type"} if names.get("type", "string") == "string" else {"?"}
    if not words:
        return Said()
    if words == {"pattern"}:
        return Said(({"patternProperties": {names["pattern"]: True}, "additionalProperties": False},))
    if words == {"enum"}:
        allowed = {name: True for name in names["enum"] if isinstance(name, str)}
        return Said(({"properties": allowed, "additionalProperties": False},))
    return UNSAID


def _unevaluated(word: str, schema: JSON, plain: str, others: frozenset[str]) -> Said:
    """The same as `plain` where nothing beside it can evaluate anything."""
    if schema[word] is True or plain in schema:
        return Said()
    return UNSAID if others & schema.keys() else Said(beside={plain: schema[word]})


def _unevaluated_items(schema: JSON) -> Said:
    plain = "additionalItems" if isinstance(schema.get("items"), list) else "items"  # a list: until draft 2019-09
    return _unevaluated("unevaluatedItems", schema, plain, _IN_PLACE | {"contains"})


def _contains(schema: JSON) -> Said:
    least = schema.get("minContains", 1)
    if schema["contains"] is True:
        return Said(({"minItems": least},), fully="maxContains" not in schema)
    return Said(fully=least == 0 and "maxContains" not in schema)


def _pattern(schema: JSON) -> Said:
    known, exact = patterns(schema["pattern"])
    beside = {"pattern": known[0]} if known else {}
    return Said(tuple({"pattern": pattern} for pattern in known[1:]), exact, beside)


def _format(schema: JSON) -> Said:
    name = schema["format"]
    return Said(beside={"format": name}) if knows_format(name) else UNSAID


RULES: dict[str, Callable[[JSON], Said]] = {
    "not": _not,
    "if": _if,
    "then": lambda schema: Said(),  # said by `if`
    "else": lambda schema: Said(),
    "dependentRequired": lambda schema: _dependent(schema["dependentRequired"]),
    "dependentSchemas": lambda schema: _dependent(schema["dependentSchemas"]),
    "dependencies": lambda schema: _dependent(schema["dependencies"]),
    "propertyNames": _property_names,
    "uniqueItems": lambda schema: Said(fully=not schema["uniqueItems"] or schema.get("maxItems", 2) < 2),
    "contains": _contains,
    "minContains": lambda schema: Said(),  # said by `contains`
    "maxContains": lambda schema: Said(),
    "unevaluatedProperties": lambda schema: _unevaluated(
        "unevaluatedProperties", schema, "additionalProperties", _IN_PLACE
    ),
    "unevaluatedItems": _unevaluated_items,
    "pattern": _pattern,
    "format": _format,
    "$dynamicRef": lambda schema: UNSAID,
    "$recursiveRef": lambda schema: UNSAID,
    "$dynamicAnchor": lambda schema: Said(),
    "$recursiveAnchor": lambda schema: Said(),
}
