"""Structured output: the right JSON, and never a text outside the schema."""

import json
from typing import Any, Literal

import jsonschema
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.conformance.talk import JSON, STORY, WEATHER, arguments, ask, assembled, said, schema_format, stream, user

CONTACT = [
    {"role": "system", "content": "Extract name, email and phone from the user's text as a JSON object."},
    *user("Contact: Paula Tanaka, priya.baker@post.org, 987-245-3338."),
]
PAULA = {"name": "Paula Tanaka", "email": "priya.baker@post.org", "phone": "987-245-3338"}
PEOPLE = (
    "Wendy is 79 years old, Marco is 62 years old and Tara is 6 years old.\n\n"
    "Return a JSON array of objects with the keys name and age."
)
WENDY_MARCO_TARA = [{"name": "Wendy", "age": 79}, {"name": "Marco", "age": 62}, {"name": "Tara", "age": 6}]
TOPIC = (
    "Which topic fits best: travel or weather? Answer with one word.\n\n"
    "Tomorrow will be sunny with 25 degrees in New York."
)


def closed(properties: JSON) -> JSON:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


PERSON = closed({"name": {"type": "string"}, "age": {"type": "integer"}})

# (question, schema, answer)
RIGHT: list[tuple[Any, JSON, Any]] = [
    (CONTACT, closed({name: {"type": "string"} for name in PAULA}), PAULA),
    (PEOPLE, {"type": "array", "items": PERSON}, WENDY_MARCO_TARA),
    (PEOPLE, {"type": "array", "items": {"$ref": "#/$defs/P"}, "$defs": {"P": PERSON}}, WENDY_MARCO_TARA),
    (TOPIC, {"enum": ["travel", "weather"]}, "weather"),
    (TOPIC, closed({"topic": {"enum": ["travel", "weather"]}}), {"topic": "weather"}),
]


@pytest.mark.parametrize("thinking", [False, True])
@pytest.mark.parametrize(("question", "schema", "answer"), RIGHT)
def test_the_right_json(client: OpenAI, question: Any, schema: JSON, answer: Any, thinking: bool) -> None:
    text = said(ask(client, question, response_format=schema_format(schema, strict=True), thinking=thinking))
    assert json.loads(text.content) == answer
    assert text.finish_reason == "stop"
    assert bool(text.reasoning) == thinking


@pytest.mark.parametrize("thinking", [False, True])
def test_any_json_object(client: OpenAI, thinking: bool) -> None:
    answer = said(ask(client, CONTACT, response_format={"type": "json_object"}, thinking=thinking))
    assert json.loads(answer.content) == PAULA
    assert bool(answer.reasoning) == thinking


def test_plain_text_is_a_format_too(client: OpenAI) -> None:
    assert said(ask(client, CONTACT, response_format={"type": "text"})) == said(ask(client, CONTACT))


# Schemas that have nothing to do with the question: the model would say anything else.
FOREIGN: dict[str, JSON] = {
    "nested": closed({"a": closed({"b": closed({"c": {"type": "boolean"}})})}),
    "enum": {"enum": ["x", 1, None, {"y": [2]}]},
    "const": closed({"version": {"const": 3}}),
    "bounds": closed({"n": {"type": "integer", "minimum": 10, "maximum": 12}}),
    "array": {"type": "array", "items": {"enum": ["x", "y"]}, "minItems": 2, "maxItems": 3},
    "any of": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
    "pattern": closed({"id": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}}),
    "format": closed({"day": {"type": "string", "format": "date"}}),
    "lengths": closed({"word": {"type": "string", "minLength": 2, "maxLength": 4}}),
    "optional": {"type": "object", "properties": {"a": {"type": "boolean"}}, "additionalProperties": False},
    "tuple": {"type": "array", "prefixItems": [{"type": "boolean"}, {"enum": ["z"]}], "items": False, "minItems": 2},
    "unicode": closed({"Straße": {"enum": ["東京", "Zürich 😀"]}}),
}


@pytest.mark.slow
@pytest.mark.parametrize("schema", FOREIGN.values(), ids=FOREIGN)
def test_no_text_leaves_the_schema(client: OpenAI, schema: JSON) -> None:
    for temperature in (0, 2):
        fields = {"response_format": schema_format(schema), "temperature": temperature, "seed": 5, "max_tokens": 600}
        whole = said(ask(client, STORY, **fields))
        assert whole.finish_reason == "stop", whole.content
        jsonschema.validate(json.loads(whole.content), schema)
        assert assembled(stream(client, STORY, **fields)) == whole


UNIQUE = closed({"n": {"type": "array", "items": {"type": "integer"}, "maxItems": 2, "uniqueItems": True}})


@pytest.mark.parametrize("streaming", [False, True])
def test_what_is_not_enforced_is_said_in_a_header(client: OpenAI, streaming: bool) -> None:
    fields = arguments(STORY, response_format=schema_format(UNIQUE), stream=streaming)
    with client.chat.completions.with_streaming_response.create(**fields) as reply:
        header = reply.headers["x-vivace-relaxed"]
        reply.read()
    assert header == "response_format.json_schema.schema.properties.n: `uniqueItems` is not enforced"


def test_the_rest_of_a_relaxed_schema_is_enforced(client: OpenAI) -> None:
    answer = said(ask(client, STORY, response_format=schema_format(UNIQUE), max_tokens=600))
    assert len(json.loads(answer.content)["n"]) <= 2


def test_reasoning_is_free_and_what_follows_is_not(client: OpenAI) -> None:
    schema = closed({"n": {"type": "integer", "minimum": 10, "maximum": 12}})
    answer = said(ask(client, "What is 12 + 30?", response_format=schema_format(schema), thinking=True))
    assert "42" in answer.reasoning
    jsonschema.validate(json.loads(answer.content), schema)


def test_every_choice_of_a_batch_keeps_to_the_schema(client: OpenAI) -> None:
    schema = FOREIGN["array"]
    completion = ask(client, STORY, response_format=schema_format(schema), n=4, temperature=1.5, seed=3)
    for index in range(4):
        jsonschema.validate(json.loads(said(completion, index).content), schema)


def test_a_cut_answer_says_so(client: OpenAI) -> None:
    answer = said(ask(client, CONTACT, response_format={"type": "json_object"}, max_tokens=6))
    assert answer.finish_reason == "length"
    assert answer.content.startswith("{")


def test_a_schema_beside_tools_allows_either(client: OpenAI) -> None:
    """A call, or JSON of the schema; nothing else."""
    response_format = schema_format(closed({"city": {"type": "string"}}))
    answer = said(ask(client, "What is the weather in Lisbon?", response_format=response_format, tools=[WEATHER]))
    texts = [arguments for _, arguments in answer.calls] or [answer.content]
    assert [json.loads(text) for text in texts] == [{"city": "Lisbon"}]


class Contact(BaseModel):
    name: str
    email: str
    phone: str


class Topic(BaseModel):
    topic: Literal["travel", "weather"]


def test_the_sdk_parses_into_its_models(client: OpenAI) -> None:
    completion = client.chat.completions.parse(**arguments(CONTACT), response_format=Contact)
    assert completion.choices[0].message.parsed == Contact(**PAULA)


def test_the_sdks_stream_helper_parses_too(client: OpenAI) -> None:
    with client.chat.completions.stream(**arguments(TOPIC), response_format=Topic) as events:
        parsed = [event.parsed for event in events if event.type == "content.done"]
    assert parsed == [Topic(topic="weather")]
