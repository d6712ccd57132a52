"""Tool requests of which the right calls are known.

Words and tools come from the embedded model's training, values and combinations from seeds that it never saw. Besides
what it was trained on there are ranges of integers, and objects and lists of objects as parameters.
"""

from dataclasses import dataclass
from random import Random
from typing import Any

from training.evaluation.server import wire_messages
from training.sample import JSON, Sample, dumps, user
from training.skills.facts import knowledge
from training.tools.arbitrary import Pairs, random_case
from training.tools.case import Case
from training.tools.parameters import Drawn, random_parameter
from training.tools.toolbox import any_case, sentence
from training.tools.typical_case import same_tool_again, typical_case

CHOICES = ("auto", "required", "named")
KINDS = ("typical", "arbitrary", "object", "two calls", "none fits")
MOST_TOOLS = 8
_FIRST_SEED = 9_500_000_000_000  # training and its suites use others
_OBJECTS = ("address", "settings", "options", "filter", "details", "contact", "limits")
_LISTS = ("items", "entries", "rows", "members", "lines")


@dataclass(frozen=True)
class ToolRequest:
    """`sample` has messages, tools, whether to reason, and the check of the right answer.

    Attributes:
        kind: one of KINDS: a typical or an arbitrary tool, an arbitrary one that takes an object, two calls, or no tool
            that fits.
        choice: "auto", "required" or "named", which means `name`.
        strict: of all its tools.
    """

    number: int
    kind: str
    sample: Sample
    choice: str
    name: str
    strict: bool

    @property
    def tools(self) -> dict[str, JSON]:
        """Name → schema of the arguments."""
        functions = [tool["function"] for tool in self.sample.tools or ()]
        return {function["name"]: function["parameters"] for function in functions}

    def arguments(self, temperature: float, max_tokens: int) -> JSON:
        """For the OpenAI package, which takes what OpenAI does not know as `extra_body`."""
        named = {"type": "function", "function": {"name": self.name}}
        return {
            "model": "default",
            "messages": wire_messages(self.sample.messages),
            "tools": self.sample.tools,
            "tool_choice": named if self.choice == "named" else self.choice,
            "temperature": temperature,
            "max_tokens": max_tokens,
            "seed": self.number,
            "extra_body": {"enable_thinking": bool(self.sample.think)},
        }


def make_requests(count: int) -> list[ToolRequest]:
    """The first `count` requests, in which choices, numbers of tools, strictness and reasoning take turns."""
    return [_request(number) for number in range(count)]


def _request(number: int) -> ToolRequest:
    r = Random(_FIRST_SEED + number)
    choice = CHOICES[number % 3]
    size = number // 3 % MOST_TOOLS + 1
    strict, think = r.random() < 0.5, r.random() < 0.5
    kind = _kind(r, choice)
    pairs: Pairs = set()
    families: set[str] = set()
    cases = _cases(r, kind, pairs, families, size)
    tools = _toolbox(r, cases, pairs, families, size, strict)
    calls = [case.call for case in cases]
    if calls:
        sample = Sample("tool_calls", [user(_ask(r, cases))], tools, ("calls", calls), think)
    else:
        fact = knowledge(r)
        sample = Sample(fact.skill, fact.messages[:1], tools, fact.check, think)
    return ToolRequest(number, kind, sample, choice, calls[0]["name"] if calls else "", strict)


def _kind(r: Random, choice: str) -> str:
    kinds = ["typical", "typical", "arbitrary", "arbitrary", "object"]
    several = ["two calls"] if choice != "named" else []
    nothing = ["none fits"] if choice == "auto" else []
    return r.choice([*kinds, *several, *nothing])


def _cases(r: Random, kind: str, pairs: Pairs, families: set[str], size: int) -> list[Case]:
    if kind == "none fits":
        return []
    if kind == "object":
        return [_object_case(r, pairs)]
    if kind == "arbitrary":
        return [random_case(r, pairs)]
    first = typical_case(r, {"date"})
    families.add(first.family)
    if kind == "typical":
        return [first]
    if size == 1 or r.random() < 0.5:
        return [first, same_tool_again(r, first)]
    return [first, random_case(r, pairs)]


def _object_case(r: Random, pairs: Pairs) -> Case:
    """An arbitrary tool that takes an object or a list of objects, which the request has as JSON."""
    case = random_case(r, pairs)
    as_list = r.random() < 0.3
    parameters = case.schema["function"]["parameters"]
    name = r.choice([name for name in (_LISTS if as_list else _OBJECTS) if name not in parameters["properties"]])
    fields = _fields(r)
    schema: JSON = {
        "type": "object",
        "properties": {field.name: field.schema for field in fields},
        "required": [field.name for field in fields],
    }
    value: Any = {field.name: field.value for field in fields}
    if as_list:
        schema, value = {"type": "array", "items": schema}, [value]
    parameters["properties"][name] = schema
    parameters["required"] = [*parameters.get("required", ()), name]
    case.call["arguments"][name] = value
    case.ask += f", with {name} {dumps(value)}"
    return case


def _fields(r: Random) -> list[Drawn]:
    fields: list[Drawn] = []
    for _ in range(r.randint(1, 3)):
        fields.append(random_parameter(r, [field.name for field in fields]))
    return fields


def _ask(r: Random, cases: list[Case]) -> str:
    first, *others = [case.ask for case in cases]
    text = sentence(r, first)
    return text.rstrip("?.") + "".join(f". Also, {other}" for other in others) if others else text


def _toolbox(r: Random, cases: list[Case], pairs: Pairs, families: set[str], size: int, strict: bool) -> list[JSON]:
    """The tools of the cases among others, `size` in all."""
    tools: dict[str, JSON] = {}
    for case in cases:
        tools.setdefault(case.tool_name, case.schema)
    while len(tools) < size:
        other = _object_case(r, pairs) if r.random() < 0.15 else any_case(r, pairs, families)
        tools.setdefault(other.tool_name, other.schema)
    for name, tool in tools.items():
        given = [case.call["arguments"] for case in cases if case.tool_name == name]
        _limit(r, tool["function"]["parameters"]["properties"], given)
        if strict:
            tool["function"]["strict"] = True
            tool["function"]["parameters"]["additionalProperties"] = False
    shuffled = list(tools.values())
    r.shuffle(shuffled)
    return shuffled


def _limit(r: Random, properties: JSON, given: list[JSON]) -> None:
    """Half of the integers get a range, around the values that the request wants."""
    for name, schema in properties.items():
        if schema.get("type") == "integer" and r.random() < 0.5:
            values = [arguments[name] for arguments in given if name in arguments] or [50]
            properties[name] = {
                **schema,
                "minimum": min(values) - r.randint(0, 50),
                "maximum": max(values) + r.randint(0, 50),
            }
