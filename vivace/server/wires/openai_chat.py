"""POST /v1/chat/completions: OpenAI's chat API, streaming and not."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request
from starlette.responses import Response

from vivace.chat import events
from vivace.errors import VivaceError
from vivace.server.access import note_error, note_relaxed, note_tokens, request_id
from vivace.server.body import read_json
from vivace.server.fold import Folded, total_usage
from vivace.server.generation import Answer, Generation
from vivace.server.limits import Limits
from vivace.server.openapi import operation
from vivace.server.session import session_of
from vivace.server.sse import EventStream, unless_disconnected
from vivace.server.wires.openai_chat_decode import ChatCall, decode
from vivace.server.wires.openai_chat_encode import ChunkEncoder, Head, whole
from vivace.server.wires.openai_chat_reply import ChatCompletion, ChatCompletionChunk
from vivace.server.wires.openai_chat_schema import ChatRequest

REQUEST = ChatRequest
REPLIES = (ChatCompletion, ChatCompletionChunk)
ID_PREFIX = "chatcmpl-"
SUMMARY = "Chat completion: whole, or with `stream` as server-sent events that end with `data: [DONE]`"


def router(generation: Generation, limits: Limits) -> APIRouter:
    routes = APIRouter(tags=["OpenAI"])

    @routes.post(
        "/v1/chat/completions",
        summary=SUMMARY,
        response_class=Response,
        openapi_extra=operation(REQUEST, *REPLIES),
    )
    async def create(request: Request) -> Response:
        call = decode(await read_json(request, limits), session_of(request.headers))
        answer = await unless_disconnected(request.receive, _begin(generation, call))
        note_relaxed(request.scope, answer.relaxed)
        generation.names.put(request_id(request.scope), answer.name, 1)
        head = Head(f"{ID_PREFIX}{answer.name}", answer.model, call.legacy)
        if not call.stream:
            body = await unless_disconnected(request.receive, _whole(request, call, answer, head))
            return Response(body, media_type="application/json")
        return await _streamed(request, call, answer, head, limits)

    return routes


async def _begin(generation: Generation, call: ChatCall) -> Answer:
    return await generation.begin(call.model, call.conversation, call.options)


async def _whole(request: Request, call: ChatCall, answer: Answer, head: Head) -> bytes:
    choices = [Folded() for _ in range(call.options.n)]
    async with aclosing(answer.batches()) as batches:
        async for index, batch in batches:
            for event in batch:
                if isinstance(event, events.Failed):
                    raise VivaceError(event.kind, event.message)
                choices[index].add(event)
    finished = [choice.finished for choice in choices if choice.finished is not None]
    note_tokens(request.scope, total_usage(finished).completion_tokens)
    return whole(head, choices, logprobs=call.options.top_logprobs is not None)


async def _streamed(request: Request, call: ChatCall, answer: Answer, head: Head, limits: Limits) -> Response:
    """Waits for the first sign of the engine, so that what fails until then is a proper status."""
    chunks = _chunks(request, call, answer, head)
    first = await unless_disconnected(request.receive, anext(chunks))
    return EventStream(first, chunks, limits.silence_s)


async def _chunks(request: Request, call: ChatCall, answer: Answer, head: Head) -> AsyncGenerator[bytes, None]:
    encoder = ChunkEncoder(head, call.options.n, include_usage=call.include_usage)
    lead = encoder.start()
    async with aclosing(answer.batches()) as batches:
        async for index, batch in batches:
            failed = batch[-1] if isinstance(batch[-1], events.Failed) else None
            if lead and failed:
                raise VivaceError(failed.kind, failed.message)
            chunk = lead + encoder.encode(index, batch)
            lead = b""
            if chunk:
                yield chunk
            if failed:
                note_error(request.scope, failed.message)
                return
    note_tokens(request.scope, total_usage(encoder.finished).completion_tokens)
    yield encoder.finish()
