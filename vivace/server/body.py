"""Request bodies: read within a limit, parsed strictly. A bad one is a 4xx with a place, never a 500."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from vivace.errors import VivaceError, invalid
from vivace.server.limits import Limits

MAX_DEPTH = 128  # nested arrays and objects; deeper is an attack on whoever walks the value
INLINE_BYTES = 256 * 1024  # longer bodies are parsed in a thread, so that running streams go on
DISCARD_S = 10.0  # of reading and throwing away behind the limit: a client that still writes does not see the reply


async def read_json(request: Request, limits: Limits) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        VivaceError: it is longer than the limit, no strict JSON, no object, or stops arriving.
        ClientDisconnect: the client left before it was complete.
    """
    body = await read_body(request, limits.body_bytes, limits.silence_s)
    return parse_object(body) if len(body) <= INLINE_BYTES else await asyncio.to_thread(parse_object, body)


async def read_body(request: Request, limit: int, silence_s: float) -> bytes:
    """At most `limit` bytes, with or without a Content-Length."""
    if _asks_first(request.headers, limit):
        raise _too_large(limit)
    chunks, nbytes, deadline = [], 0, math.inf
    async for chunk in _chunks(request, silence_s):
        nbytes += len(chunk)
        if nbytes <= limit:
            chunks.append(chunk)
            continue
        chunks.clear()
        deadline = min(deadline, time.monotonic() + DISCARD_S)
        if time.monotonic() > deadline:
            break
    if nbytes > limit:
        raise _too_large(limit)
    return b"".join(chunks)


def _asks_first(headers: Headers, limit: int) -> bool:
    """A client that waits for a word before it sends what is too long."""
    length = headers.get("content-length", "")
    too_long = len(length) > 18 or (length.isdecimal() and int(length) > limit)
    return too_long and headers.get("expect", "").lower() == "100-continue"


async def _chunks(request: Request, silence_s: float) -> AsyncIterator[bytes]:
    more = True
    while more:
        try:
            async with asyncio.timeout(silence_s):
                message = await request.receive()
        except TimeoutError:
            raise invalid(f"The body stopped arriving: nothing for {silence_s:g} s.") from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        more = message.get("more_body", False)


def _too_large(limit: int) -> VivaceError:
    return VivaceError(
        "too_large", f"The body is larger than the limit of {limit / 2**20:.4g} MB (VIVACE_BODY_LIMIT_MB)."
    )


def parse_object(body: bytes) -> dict[str, Any]:
    """Strict JSON (RFC 8259): UTF-8, no NaN, no duplicate names, no lone surrogates, at most MAX_DEPTH levels.

    Raises:
        VivaceError: with the line and column, or the path, of what is wrong.
    """
    if not body.strip():
        raise invalid("The body is empty; a JSON object is needed.")
    try:
        text = body.decode()
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_integer)
    except UnicodeDecodeError as error:
        raise invalid(f"The body is no valid UTF-8: byte {error.start} ({error.reason}).") from None
    except json.JSONDecodeError as error:
        raise invalid(f"The body is no valid JSON: {error}.") from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(value, dict):
        raise invalid(f"The body must be a JSON object, not {_NAMES.get(type(value), 'a number')}.")
    check_values(value)
    return value


_NAMES: dict[type, str] = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise invalid(f"The body is no valid JSON: the name {json.dumps(twice)} occurs twice in one object.")
    return members


def _no_constant(word: str) -> None:
    raise invalid(f"The body is no valid JSON: {word} is no JSON number.")


def _integer(digits: str) -> int:
    if len(digits) > 100:  # Python itself refuses above 4,300, and no field wants more than 64 bits
        raise invalid(f"The body holds an integer of {len(digits)} digits.")
    return int(digits)


def _too_deep() -> VivaceError:
    return invalid(f"The body is nested deeper than {MAX_DEPTH} levels.")


class _BadValueError(Exception):
    """`path` is filled from the inside out while the walk unwinds."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str | int] = []


def check_values(value: Any) -> None:
    """Refuses what Python's parser lets through but nothing behind it can hold."""
    try:
        _check(value, MAX_DEPTH)
    except _BadValueError as bad:
        param = dotted(tuple(reversed(bad.path)))
        raise invalid(f"{param or 'body'}: {bad.reason}", param) from None


def _check(item: Any, levels: int) -> None:
    if isinstance(item, str):
        _check_string(item)
    elif isinstance(item, dict | list):
        if not levels:
            raise _too_deep()
        for at, member in item.items() if isinstance(item, dict) else enumerate(item):
            _check_string(at)
            try:
                _check(member, levels - 1)
            except _BadValueError as bad:
                bad.path.append(at)
                raise
    elif isinstance(item, float) and not math.isfinite(item):
        raise _BadValueError("the number is too large.")


def _check_string(text: str | int) -> None:
    if isinstance(text, int) or text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _BadValueError(f"a lone surrogate (\\u{ord(text[error.start]):04x}) is no text.") from None


def dotted(path: tuple[str | int, ...]) -> str | None:
    """`messages.0.content`; None for the whole body."""
    return ".".join(str(part) for part in path) or None
