"""A request that one tool answers, and the parts that every tool conversation is made of."""

from dataclasses import dataclass
from random import Random
from typing import Any

from training.sample import JSON
from training.wording import join

Parameter = tuple[str, JSON, bool]  # name, JSON schema of the value, required


@dataclass
class Case:
    """`schema` is the tool, `ask` an imperative or a question, `goal` what the user wants (for the reasoning)."""

    schema: JSON
    call: JSON
    ask: str
    result: str
    answer: str
    goal: str
    family: str
    description: str = ""

    @property
    def tool_name(self) -> str:
        return str(self.schema["function"]["name"])


def make_schema(r: Random, name: str, description: str, parameters: list[Parameter]) -> JSON:
    """The tool in OpenAI's form; now and then without description, `required`, or additional properties."""
    function: JSON = {"name": name}
    if description and r.random() < 0.93:
        function["description"] = description
    schema: JSON = {"type": "object", "properties": {n: s for n, s, _ in parameters}}
    required = [n for n, _, needed in parameters if needed]
    if required or r.random() < 0.5:
        schema["required"] = required
    if r.random() < 0.08:
        schema["additionalProperties"] = False
    function["parameters"] = schema
    return {"type": "function", "function": function}


def text_schema(r: Random, name: str, description: str, parameters: dict[str, str]) -> JSON:
    """A tool whose parameters are required texts: {name: description}."""
    described = [(k, {"type": "string", "description": v}, True) for k, v in parameters.items()]
    return make_schema(r, name, description, described)


def show(value: Any) -> str:
    """A value as a person would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return join(value)
    return str(value)


def spaced(name: str) -> str:
    """An identifier as words."""
    out = "".join(" " + c.lower() if c.isupper() else c for c in name)
    return out.replace("_", " ").replace(".", " ").strip()


def _reason(case: Case) -> str:
    name, arguments = case.call["name"], case.call["arguments"]
    said = f"The user wants to {case.goal}. The tool {name} fits."
    if arguments:
        said += " Arguments: " + ", ".join(f"{k} is {show(v)}" for k, v in arguments.items()) + "."
    return said


def reason(cases: list[Case]) -> str:
    """The reasoning before the calls of `cases`."""
    return " ".join(map(_reason, cases))
