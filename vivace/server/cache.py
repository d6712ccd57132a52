"""The prefix cache from outside: what it holds, why a prompt was not in it, filling and emptying it."""

import secrets
import time
from contextlib import aclosing
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from vivace.errors import VivaceError, invalid
from vivace.fleet import Resident
from vivace.protocol import (
    CacheCleared,
    CacheExplanation,
    CacheMatch,
    CacheQuery,
    CacheStats,
    Failed,
    Finished,
    Generate,
)
from vivace.server.body import parse_object, read_body, read_json
from vivace.server.cache_reply import ClearReply, ExplainReply, StatsReply, WarmReply, explain_reply, stats_reply
from vivace.server.generation import Generation, choice_id
from vivace.server.limits import Limits
from vivace.server.openapi import operation
from vivace.server.session import session_of
from vivace.server.sse import unless_disconnected
from vivace.server.wires.openai_chat import ID_PREFIX
from vivace.server.wires.openai_chat import REQUEST as CHAT
from vivace.server.wires.openai_chat_decode import ChatCall, decode

BACKGROUND = 1  # priority: warming waits for requests that somebody waits for
Model = Annotated[str | None, Query(description="id from /v1/models; none: the default model")]
RequestId = Annotated[
    str, Query(description="`id` of an answer, or x-request-id of its reply; none: the last request that began")
]


def router(generation: Generation, limits: Limits) -> APIRouter:
    routes = APIRouter(prefix="/v1/cache", tags=["cache"], default_response_class=Response)

    @routes.get(
        "/stats",
        openapi_extra=operation(None, StatsReply),
        summary="What is kept of a model's prompts, and how much of them was found",
    )
    async def stats(model: Model = None) -> Response:
        resident = await generation.resident(model)
        return _json(stats_reply(resident.id, await resident.engine.ask(_query("stats"), CacheStats)))

    @routes.post(
        "/clear",
        openapi_extra=operation(None, ClearReply),
        summary="Forget all prompts of a model, in memory and on disk",
    )
    async def clear(request: Request, model: Model = None) -> Response:
        resident = await generation.resident(model or await _model_in_body(request, limits))
        cleared = await resident.engine.ask(_query("clear"), CacheCleared)
        return _json(ClearReply(cleared.freed_bytes))

    @routes.get(
        "/explain",
        openapi_extra=operation(None, ExplainReply),
        summary="Why the cached part of a request's prompt ended where it did",
    )
    async def explain_request(model: Model = None, request_id: RequestId = "") -> Response:
        resident = await generation.resident(model)
        name = generation.names.get(request_id) or request_id.removeprefix(ID_PREFIX)
        query = _query("explain", choice_id(name, 0) if name else "")
        try:
            found = await resident.engine.ask(query, CacheExplanation)
        except VivaceError as error:
            raise _unknown(request_id) if error.kind == "not_found" else error from None
        return _json(_explained(resident, found))

    @routes.post(
        "/explain",
        summary="What a chat request would find in the cache now; nothing is computed",
        openapi_extra=operation(CHAT, ExplainReply),
    )
    async def explain_prompt(request: Request) -> Response:
        return _json(await unless_disconnected(request.receive, _explain(generation, await _call(request, limits))))

    @routes.post(
        "/warm",
        summary="Compute the prompt of a chat request, so that the request itself finds it; nothing is generated",
        openapi_extra=operation(CHAT, WarmReply),
    )
    async def warm(request: Request) -> Response:
        return _json(await unless_disconnected(request.receive, _warm(generation, await _call(request, limits))))

    return routes


async def _model_in_body(request: Request, limits: Limits) -> str | None:
    """What a body, if there is one, names as the model."""
    body = await read_body(request, limits.body_bytes, limits.silence_s)
    model = parse_object(body).get("model") if body else None
    if model is not None and not isinstance(model, str):
        raise invalid("model must be a string.", "model")
    return model


async def _call(request: Request, limits: Limits) -> ChatCall:
    return decode(await read_json(request, limits), session_of(request.headers))


async def _explain(generation: Generation, call: ChatCall) -> ExplainReply:
    resident, prepared, _ = await generation.prepare(call.model, call.conversation, call.options)
    query = CacheMatch(_id(), prepared.token_ids, call.options.session, call.options.cache_salt)
    return _explained(resident, await resident.engine.ask(query, CacheExplanation))


async def _warm(generation: Generation, call: ChatCall) -> WarmReply:
    began = time.perf_counter()
    resident, prepared, _ = await generation.prepare(call.model, call.conversation, call.options)
    request = Generate(
        id=_id(),
        prompt=prepared.token_ids,
        max_tokens=0,
        priority=BACKGROUND,
        boundaries=prepared.boundaries,
        session=call.options.session,
        salt=call.options.cache_salt,
    )
    end = await _end(resident, request)
    return WarmReply(resident.id, end.prompt_tokens, end.cached_tokens, round(time.perf_counter() - began, 6))


async def _end(resident: Resident, request: Generate) -> Finished:
    """The last message, if it is a good one."""
    async with aclosing(resident.engine.generate(request)) as messages:
        async for message in messages:
            if isinstance(message, Failed):
                raise VivaceError(message.kind, message.message)
            if isinstance(message, Finished) and message.reason != "cancelled":
                return message
    raise VivaceError("engine_failed", "The engine did not come to the end of the prompt: try again.")


def _explained(resident: Resident, found: CacheExplanation) -> ExplainReply:
    tokenizer = resident.chat.tokenizer
    return explain_reply(resident.id, found, lambda ids: tokenizer.decode(ids, skip_special_tokens=False))


def _unknown(request_id: str) -> VivaceError:
    which = f"of the request {request_id!r}" if request_id else "of any request"
    return VivaceError(
        "not_found",
        f"Nothing is known {which}: what happened is kept of the last 256 that the engine has begun, until it ends or "
        "the cache is cleared.",
        param="request_id",
        code="request_not_found",
    )


def _query(what: Literal["stats", "clear", "explain"], request: str = "") -> CacheQuery:
    return CacheQuery(_id(), what, request)


def _id() -> str:
    return f"cache-{secrets.token_hex(12)}"


def _json(reply: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(reply), media_type="application/json")
