"""The routes of the prefix cache over a scripted engine."""

from typing import Any

import httpx
import msgspec
import pytest

from tests.server.scripted import HELLO, fails, gateway, hangs, ids_of, says, until
from vivace.protocol import CacheCleared, CacheExplanation, CacheMatch, CacheQuery, CacheStats, Origins, SsdStats
from vivace.server.cache_reply import sentence

SSD = SsdStats("", 3, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 1e9)
STATS = CacheStats("", "", 100, 60, 5000, 9000, 2, 3, 4, 5, SSD)


def explanation(**fields: Any) -> CacheExplanation:
    ids = {"before": ids_of("It is"), "mine": ids_of(" Monday today"), "theirs": ids_of(" Sunday today")}
    plain = CacheExplanation("", "r", 20, 12, 12, 12, "diverged", Origins(idle=12), **ids)
    return msgspec.structs.replace(plain, **fields)


async def test_stats() -> None:
    async with gateway(says("")) as server:
        server.engine.answers[CacheStats] = STATS
        reply = (await server.client.get("/v1/cache/stats", params={"model": "vivace-mini"})).json()
    assert reply["model"] == "vivace-mini"
    assert reply["tokens"] == {"prompt": 100, "cached": 60}
    ram = {"bytes": 5000, "limit_bytes": 9000, "conversations": 2, "blocks": 3, "snapshots": 4, "evicted": 5}
    assert reply["ram"] == ram
    assert reply["ssd"]["entries"] == 3


async def test_clearing() -> None:
    async with gateway(says("")) as server:
        server.engine.answers[CacheCleared] = CacheCleared("", 12)
        reply = await server.client.post("/v1/cache/clear")
        (asked,) = server.engine.asked
    assert reply.json() == {"freed_bytes": 12}
    assert isinstance(asked, CacheQuery)
    assert asked.what == "clear"


async def test_warming_computes_the_prompt_of_the_request_itself() -> None:
    async with gateway(says("Hi")) as server:
        body = {**HELLO, "prompt_cache_key": "chat", "cache_salt": "mine", "max_tokens": 9}
        reply = (await server.client.post("/v1/cache/warm", json=body)).json()
        await server.client.post("/v1/chat/completions", json=body)
        warm, request = server.engine.requests
    assert (warm.prompt, warm.boundaries, warm.session, warm.salt, warm.max_tokens) == (
        request.prompt,
        request.boundaries,
        "chat",
        "mine",
        0,
    )
    assert (reply["prompt_tokens"], reply["cached_tokens"]) == (len(request.prompt), 3)
    assert reply["seconds"] > 0


async def test_a_client_that_leaves_stops_warming() -> None:
    async with gateway(hangs()) as server:
        with pytest.raises(httpx.ReadTimeout):
            await server.client.post("/v1/cache/warm", json=HELLO, timeout=0.3)
        await until(lambda: len(server.engine.cancelled) == 1)


@pytest.mark.parametrize("by", ["id", "x-request-id", "nothing"])
async def test_a_request_is_explained_by_any_of_its_ids(by: str) -> None:
    async with gateway(says("Hi")) as server:
        answer = await server.chat()
        server.engine.answers[CacheExplanation] = explanation()
        given = {"id": answer.json()["id"], "x-request-id": answer.headers["x-request-id"]}
        params = {"request_id": given[by]} if by in given else {}
        reply = (await server.client.get("/v1/cache/explain", params=params)).json()
        (asked,), (request,) = server.engine.asked, server.engine.requests
    assert isinstance(asked, CacheQuery)
    assert asked.request == (request.id if by in given else "")
    assert reply["text"] == {"before": "It is", "prompt": " Monday today", "stored": " Sunday today"}
    assert reply["tokens"]["stored"] == ids_of(" Sunday today")
    assert (reply["reason"], reply["agreed_tokens"], reply["cached_from"]["idle"]) == ("diverged", 12, 12)


async def test_the_id_of_a_stream_names_its_request_too() -> None:
    async with gateway(says("Hi")) as server:
        block = (await server.stream())[0]
        name = block.split('"id":"chatcmpl-')[1].split('"')[0]
        assert server.engine.requests[0].id == f"{name}-0"


async def test_an_unknown_request_is_a_404_in_openais_shape() -> None:
    async with gateway(says("")) as server:
        reply = await server.client.get("/v1/cache/explain?request_id=chatcmpl-x")
    assert reply.status_code == 404
    error = reply.json()["error"]
    assert (error["param"], error["code"]) == ("request_id", "request_not_found")
    assert "chatcmpl-x" in error["message"]


async def test_a_prompt_is_explained_without_computing() -> None:
    async with gateway(says("Hi")) as server:
        server.engine.answers[CacheExplanation] = explanation()
        reply = await server.client.post("/v1/cache/explain", json={**HELLO, "cache_salt": "mine"})
        assert not server.engine.requests
        await server.chat()
        (asked,), (request,) = server.engine.asked, server.engine.requests
    assert reply.json()["cached_tokens"] == 12
    assert isinstance(asked, CacheMatch)
    assert (asked.prompt, asked.salt) == (request.prompt, "mine")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param"),
    [
        ("GET", "/v1/cache/stats?model=other", None, 404, "model"),
        ("POST", "/v1/cache/warm", {"messages": []}, 400, "messages"),
        ("POST", "/v1/cache/explain", {"messages": 3}, 400, "messages"),
        ("POST", "/v1/cache/warm", {**HELLO, "model": "other"}, 404, "model"),
        ("GET", "/v1/cache/clear", None, 405, None),
    ],
)
async def test_bad_requests(method: str, path: str, body: Any, status: int, param: str | None) -> None:
    async with gateway(says("")) as server:
        reply = await server.client.request(method, path, json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)


async def test_what_fails_in_the_engine_is_said() -> None:
    async with gateway(fails("overloaded", "the queue is full")) as server:
        reply = await server.client.post("/v1/cache/warm", json=HELLO)
    assert (reply.status_code, reply.json()["error"]["message"]) == (503, "the queue is full")


async def test_a_key_is_needed_as_everywhere() -> None:
    async with gateway(says(""), api_key=["secret"]) as server:
        assert (await server.client.get("/v1/cache/stats")).status_code == 401


async def test_the_routes_are_documented() -> None:
    async with gateway(says("")) as server:
        document = (await server.client.get("/openapi.json")).json()
    paths = {path for path in document["paths"] if path.startswith("/v1/cache")}
    assert paths == {f"/v1/cache/{name}" for name in ("stats", "clear", "explain", "warm")}
    assert {"StatsReply", "ClearReply", "WarmReply", "ExplainReply"} <= set(document["components"]["schemas"])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reason": "whole_prompt"}, "12 of 20 prompt tokens are in the cache: the whole prompt but its end"),
        (
            {"reason": "never_stored", "cached_tokens": 0, "agrees": 0},
            "0 of 20 prompt tokens are in the cache: nothing",
        ),
        ({"reason": "no_state", "there": 17}, "the same up to token 17"),
        ({"reason": "not_kept", "detail": "its layers keep X"}, "cannot be kept: its layers keep X."),
        ({"reason": "other_salt", "there": 15}, "another cache_salt"),
    ],
)
def test_sentences(fields: dict[str, Any], said: str) -> None:
    assert said in sentence(explanation(**fields))
