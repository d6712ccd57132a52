"""The application around the wires: status, documents, bodies, keys, paths and the log."""

import asyncio
import json
import logging
from typing import Any

import pytest

from tests.server.scripted import CONTEXT, HELLO, data, gateway, joined, says
from vivace import __version__


async def test_status_routes() -> None:
    async with gateway(says("Hi")) as server:
        identity = (await server.client.get("/")).json()
        assert identity == {"name": "vivace", "version": __version__, "models": ["vivace-mini"], "docs": "/docs"}
        head = await server.client.head("/")
        assert (head.status_code, head.content) == (200, b"")
        assert (await server.client.get("/health")).json() == {"status": "ok"}
        assert (await server.client.get("/ready")).status_code == 200


async def test_while_loading_it_is_alive_and_not_ready() -> None:
    async with gateway(says("Hi")) as server:
        server.fleet.state = "loading"
        assert (await server.client.get("/health")).status_code == 200
        ready = await server.client.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["models"][0] | {"message": ""} == {
            "id": "vivace-mini",
            "state": "loading",
            "loaded": 0.5,
            "message": "",
        }


async def test_models_are_listed_and_shown_by_id_and_alias() -> None:
    async with gateway(says("Hi")) as server:
        listed = (await server.client.get("/v1/models")).json()
        assert listed["object"] == "list"
        card = listed["data"][0]
        assert (card["id"], card["object"], card["context_length"]) == ("vivace-mini", "model", CONTEXT)
        assert (await server.client.get("/v1/models/vivace-mini")).json() == card
        assert (await server.client.get("/v1/models/default")).json() == card
        unknown = await server.client.get("/v1/models/org/other")
        assert unknown.status_code == 404
        assert "org/other" in unknown.json()["error"]["message"]
        assert "vivace-mini" in unknown.json()["error"]["message"]


async def test_the_document_has_the_schemas_and_the_page_needs_no_network() -> None:
    async with gateway(says("Hi")) as server:
        document = (await server.client.get("/openapi.json")).json()
        chat = document["paths"]["/v1/chat/completions"]["post"]
        assert chat["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/ChatRequest")
        schemas = document["components"]["schemas"]
        assert "temperature" in schemas["ChatRequest"]["properties"]
        assert "choices" in schemas["ChatCompletion"]["properties"]
        references = set(_references(document))
        assert references
        assert references <= {f"#/components/schemas/{name}" for name in schemas}
        page = (await server.client.get("/docs")).text
        assert "/v1/chat/completions" in page
        assert "http://" not in page
        assert "https://" not in page


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [reference for member in value.values() for reference in _references(member)]
    return [reference for member in value for reference in _references(member)] if isinstance(value, list) else []


RAW = [
    (b"", "empty"),
    (b'{"messages": ', "line 1 column"),
    (b"[" * 100_000, "nested deeper"),
    (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "messages.0.content: a lone surrogate"),
    (b'{"temperature": NaN}', "NaN"),
    (b'"text"', "must be a JSON object"),
]


@pytest.mark.parametrize(("body", "word"), RAW, ids=[word for _, word in RAW])
async def test_bodies_that_are_no_json_object(body: bytes, word: str) -> None:
    async with gateway(says("Hi")) as server:
        response = await server.client.post("/v1/chat/completions", content=body)
        assert response.status_code == 400
        assert word in response.json()["error"]["message"]


async def test_the_content_type_does_not_matter() -> None:
    async with gateway(says("Hi")) as server:
        body = json.dumps(HELLO).encode()
        response = await server.client.post(
            "/v1/chat/completions", content=body, headers={"content-type": "text/plain"}
        )
        assert response.status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413(chunked: bool) -> None:
    async with gateway(says("Hi"), body_limit_mb=0.1) as server:
        body = json.dumps({**HELLO, "user": "x" * 300_000}).encode()

        async def pieces() -> Any:
            for at in range(0, len(body), 4096):
                yield body[at : at + 4096]

        response = await server.client.post("/v1/chat/completions", content=pieces() if chunked else body)
        assert response.status_code == 413
        assert "0.1 MB" in response.json()["error"]["message"]
        assert (await server.chat()).status_code == 200


async def test_unknown_routes_and_methods_have_openais_shape() -> None:
    async with gateway(says("Hi")) as server:
        missing = await server.client.get("/v1/nothing")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_url")
        wrong = await server.client.get("/v1/chat/completions")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
        assert wrong.headers["allow"] == "POST"


async def test_keys_are_required_everywhere_but_at_health() -> None:
    async with gateway(says("Hi"), api_key=["first", "sécond"]) as server:
        assert (await server.client.get("/health")).status_code == 200
        refused = await server.client.get("/v1/models")
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "invalid_api_key"
        assert refused.headers["www-authenticate"] == "Bearer"
        good: list[Any] = [{"authorization": "Bearer first"}, {"x-api-key": "sécond".encode()}]
        for headers in good:
            assert (await server.client.get("/v1/models", headers=headers)).status_code == 200
        bad: list[Any] = [{"authorization": "Bearer firs"}, {"authorization": "Basic first"}, {"x-api-key": b"\xff"}]
        for headers in bad:
            assert (await server.client.get("/v1/models", headers=headers)).status_code == 401


async def test_a_sane_request_id_is_echoed_and_another_replaced() -> None:
    async with gateway(says("Hi")) as server:
        mine = await server.client.get("/health", headers={"x-request-id": "abc-1"})
        assert mine.headers["x-request-id"] == "abc-1"
        odd = await server.client.get("/nothing", headers={"x-request-id": "a b<c>"})
        assert odd.headers["x-request-id"].startswith("req_")


async def test_two_hundred_clients_at_once_all_get_their_answer() -> None:
    async with gateway(says("one two three", pause_s=0.005)) as server:
        answers = await asyncio.gather(*(server.stream(user=str(client)) for client in range(200)))
        assert not server.engine.running
    assert {joined(data(blocks), "content") for blocks in answers} == {"one two three"}


async def test_the_log_says_why_a_request_was_refused_or_cut(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "vivace.server")
    async with gateway(says("Hi")) as server:
        await server.chat(temperature=9)
        await server.client.post("/chat/completions", json={})
        await server.chat()
    refused, unknown, fine = [record for record in caplog.records if record.name == "vivace.server"][-3:]
    assert refused.levelno == unknown.levelno == logging.WARNING
    assert "400" in refused.message
    assert "temperature" in refused.message
    assert fine.levelno == logging.INFO


async def test_a_path_without_its_version_is_pointed_to_the_one_that_is_meant() -> None:
    async with gateway(says("Hi")) as server:
        for path in ("/chat/completions", "/v1/chat/completions/"):
            message = (await server.client.post(path, json={})).json()["error"]["message"]
            assert message.endswith("did you mean /v1/chat/completions?")
        assert "/docs lists them all" in (await server.client.get("/v1/nothing")).json()["error"]["message"]


async def test_probes_and_the_documentation_need_no_key() -> None:
    async with gateway(says("Hi"), api_key=["secret"]) as server:
        for path in ("/health", "/ready", "/docs"):
            assert (await server.client.get(path)).status_code == 200
