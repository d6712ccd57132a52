import json
import re

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

import vivace
from tests.conformance.server import MODEL

CONTEXT = 32768


def test_who_is_here(http: httpx.Client) -> None:
    identity = http.get("/").json()
    assert identity == {"name": "vivace", "version": vivace.__version__, "models": [MODEL], "docs": "/docs"}
    head = http.head("/")
    assert (head.status_code, head.content) == (200, b"")


def test_health_and_readiness(http: httpx.Client) -> None:
    assert http.get("/health").json() == {"status": "ok"}
    ready = http.get("/ready")
    assert ready.status_code == 200
    assert [(model["id"], model["state"]) for model in ready.json()["models"]] == [(MODEL, "ready")]


def test_the_documentation_covers_every_route(http: httpx.Client) -> None:
    paths = set(http.get("/openapi.json").json()["paths"])
    assert paths >= {"/", "/health", "/ready", "/v1/models", "/v1/models/{model_id}", "/v1/chat/completions"}
    page = http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert all(path in page.text for path in paths)


def test_models_are_listed(client: OpenAI) -> None:
    (model,) = client.models.list()
    assert (model.id, model.object, model.owned_by) == (MODEL, "model", "vivace")
    assert model.created > 1_700_000_000
    assert model.model_extra is not None
    assert model.model_extra["context_length"] == model.model_extra["max_model_len"] == CONTEXT


async def test_models_are_listed_to_async_clients(async_client: AsyncOpenAI) -> None:
    assert [model.id async for model in async_client.models.list()] == [MODEL]
    assert (await async_client.models.retrieve(MODEL)).id == MODEL


def test_a_model_is_found_by_id_and_alias(client: OpenAI) -> None:
    assert client.models.retrieve(MODEL) == client.models.retrieve("default")


def test_an_unknown_model_is_404_and_says_what_there_is(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("org/other")
    assert refused.value.code == "model_not_found"
    assert "org/other" in refused.value.message
    assert MODEL in refused.value.message


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("DELETE", "/v1/models", 405), ("GET", "/v1/chat/completions", 405)],
)
def test_unknown_routes_and_methods_have_openais_error_shape(
    http: httpx.Client, method: str, path: str, status: int
) -> None:
    response = http.request(method, path)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_every_reply_names_its_request(http: httpx.Client) -> None:
    assert re.fullmatch(r"req_\w+", http.get("/").headers["x-request-id"])
    assert http.get("/", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert json.loads(http.get("/nothing").text)["error"]["code"] == "unknown_url"
