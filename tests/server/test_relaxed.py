"""What of a request is not held is said in a header and in the log, whole and streamed."""

import logging
from typing import Any

import pytest

from tests.server.scripted import gateway, says
from vivace.server.access import LONGEST_RELAXED

HEADER = "x-vivace-relaxed"


def schema_format(**properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_reply_names_what_is_not_enforced(stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "vivace.server")
    parameters = {"type": "object", "properties": {"x": {"type": "array", "uniqueItems": True}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    async with gateway(says("Hi")) as server:
        reply = await server.chat(tools=[tool], tool_choice="required", stream=stream)
    note = "tools.0.function.parameters.properties.x: `uniqueItems` is not enforced"
    assert reply.status_code == 200
    assert reply.headers[HEADER] == note
    assert [record.getMessage() for record in caplog.records if note in record.getMessage()]


async def test_what_holds_is_not_mentioned() -> None:
    async with gateway(says("Hi")) as server:
        reply = await server.chat(response_format=schema_format(x={"type": "integer", "minimum": 3}))
    assert HEADER not in reply.headers


async def test_the_header_is_short_and_ascii() -> None:
    names = {f"Straße\n{number}": {"type": "array", "uniqueItems": True} for number in range(100)}
    async with gateway(says("Hi")) as server:
        header = (await server.chat(response_format=schema_format(**names))).headers[HEADER]
    assert header.startswith("response_format.json_schema.schema.properties.Stra\\xdfe\\n0: `uniqueItems`")
    assert len(header) <= LONGEST_RELAXED
    shown, more = header.rsplit("; ", 1)
    assert more == f"{100 - len(shown.split('; '))} more"


async def test_one_long_note_is_cut() -> None:
    async with gateway(says("Hi")) as server:
        format_ = schema_format(**{"x" * 2_000: {"type": "array", "uniqueItems": True}})
        header = (await server.chat(response_format=format_)).headers[HEADER]
    assert 400 < len(header) <= LONGEST_RELAXED
