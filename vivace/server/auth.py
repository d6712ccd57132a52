"""API keys: with any configured, every path needs one, but for those that probes and browsers ask for."""

import hashlib
import hmac
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from vivace.errors import VivaceError
from vivace.server.access import note_error
from vivace.server.errors import error_response

OPEN_PATHS = frozenset({"/health", "/ready", "/docs", "/openapi.json"})


class RequireKey:
    """Middleware: `Authorization: Bearer KEY` or `x-api-key: KEY`, compared in constant time."""

    def __init__(self, app: ASGIApp, keys: Iterable[str]) -> None:
        self.app = app
        self._digests = [_digest(key.encode()) for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = scope["type"] == "http" and scope["path"] not in OPEN_PATHS
        refusal = self._refusal(Headers(scope=scope)) if guarded and self._digests else None
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            note_error(scope, refusal.message)
            await error_response(refusal)(scope, receive, send)

    def _refusal(self, headers: Headers) -> VivaceError | None:
        key = presented_key(headers)
        if key is None:
            return VivaceError("unauthorized", "No API key: send `Authorization: Bearer KEY` or `x-api-key: KEY`.")
        digest = _digest(key.encode("latin-1"))  # as HTTP headers are decoded
        if any([hmac.compare_digest(digest, known) for known in self._digests]):  # noqa: C419 - always all of them
            return None
        return VivaceError("unauthorized", "The API key is not one of this server's keys.")


def presented_key(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or None


def _digest(key: bytes) -> bytes:
    """Equal lengths, so that comparing takes the same time for every key."""
    return hashlib.sha256(key).digest()
