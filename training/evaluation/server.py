"""The held-out conversations through a running server's /v1/chat/completions."""

import asyncio
import json
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from training.evaluation.judge import Reply, judge
from training.evaluation.report import Result
from training.evaluation.suites import held_out
from training.sample import JSON, Sample

MAX_TOKENS = 420  # no answer of the training data is longer
_ATTEMPTS = 6  # at a server that is overloaded or still loading its model


@dataclass(frozen=True)
class Server:
    """`base_url` without /v1. `model` None: what the server calls its default."""

    base_url: str
    model: str | None = None
    api_key: str | None = None
    concurrency: int = 4
    timeout_s: float = 600.0

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


def wire_messages(messages: list[JSON]) -> list[JSON]:
    """The messages as OpenAI's API wants them: calls with ids and JSON text, results that name their call."""
    numbers = count()
    waiting: list[str] = []
    out = []
    for message in messages:
        message = dict(message)
        if message["role"] == "tool":
            message["tool_call_id"] = waiting.pop(0)
        if message.get("tool_calls"):
            message["tool_calls"] = [_wire_call(call, f"call_{next(numbers)}") for call in message["tool_calls"]]
            waiting = [call["id"] for call in message["tool_calls"]]
        out.append(message)
    return out


def _wire_call(call: JSON, call_id: str) -> JSON:
    function = call["function"]
    text = json.dumps(function["arguments"], ensure_ascii=False)
    return {"id": call_id, "type": "function", "function": {"name": function["name"], "arguments": text}}


def request_body(sample: Sample, model: str) -> JSON:
    """A greedy chat completion of everything before the sample's last message."""
    body: JSON = {
        "model": model,
        "messages": wire_messages(sample.messages[:-1]),
        "temperature": 0,
        "max_tokens": MAX_TOKENS,
        "enable_thinking": bool(sample.think),
    }
    if sample.tools:
        body["tools"] = sample.tools
    return body


def read_reply(message: JSON) -> Reply:
    """The choice's message as a Reply; its calls are None if the arguments of one are no JSON."""
    content = (message.get("content") or "").strip()
    calls: list[JSON] | None = []
    try:
        calls = [_read_call(call["function"]) for call in message.get("tool_calls") or []]
    except ValueError:
        calls = None
    return Reply(content, calls, reasoned=bool(message.get("reasoning_content")))


def _read_call(function: JSON) -> JSON:
    return {"name": function["name"], "arguments": json.loads(function["arguments"])}


async def _post(client: httpx.AsyncClient, body: JSON) -> httpx.Response:
    for _ in range(_ATTEMPTS - 1):
        response = await client.post("/v1/chat/completions", json=body)
        if response.status_code != 503:
            return response
        await asyncio.sleep(float(response.headers.get("retry-after", 1)))
    return await client.post("/v1/chat/completions", json=body)


async def _answer(client: httpx.AsyncClient, gate: asyncio.Semaphore, model: str, suite: str, sample: Sample) -> Result:
    async with gate:
        response = await _post(client, request_body(sample, model))
    if response.status_code != 200:
        return Result(suite, sample, 0, f"HTTP {response.status_code}: {response.text[:500]}", correct=False)
    answer = response.json()
    message = answer["choices"][0]["message"]
    correct = judge(sample, read_reply(message))
    return Result(suite, sample, answer["usage"]["prompt_tokens"], json.dumps(message, ensure_ascii=False), correct)


async def _default_model(client: httpx.AsyncClient) -> str:
    response = await client.get("/v1/models")
    response.raise_for_status()
    models: list[Any] = response.json()["data"]
    return str(models[0]["id"])


async def evaluate_server(
    server: Server, suites: list[str], items: int, transport: httpx.AsyncBaseTransport | None = None
) -> list[Result]:
    """`items` conversations of each suite, several at a time, in the order of the suites.

    A reply other than 200 counts as wrong and its body is the result's output. `transport` None: the network.

    Raises:
        httpx.HTTPError: the server cannot be reached.
    """
    limits = httpx.Limits(max_connections=server.concurrency)
    async with httpx.AsyncClient(
        base_url=server.base_url,
        headers=server.headers,
        timeout=server.timeout_s,
        limits=limits,
        transport=transport,
    ) as client:
        model = server.model or await _default_model(client)
        gate = asyncio.Semaphore(server.concurrency)
        work = [_answer(client, gate, model, suite, sample) for suite in suites for sample in held_out(suite, items)]
        return list(await asyncio.gather(*work))
