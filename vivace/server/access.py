"""Outermost around every request: its id, its log line, and the net under unexpected exceptions."""

import logging
import re
import secrets
import time
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vivace.server.errors import error_response, internal_error

log = logging.getLogger("vivace.server")

_SANE_ID = re.compile(r"[\w.:\-]{1,128}", re.ASCII)
LONGEST_REASON = 300  # characters of an error in the log
LONGEST_RELAXED = 512  # characters of the `x-vivace-relaxed` header
QUIET_PATHS = frozenset({"/health", "/ready"})  # polled every second by some; logged at debug


def request_id(scope: Scope) -> str:
    """The id in the `x-request-id` header of the reply and in the log."""
    return str(scope["state"]["request_id"])


def note_tokens(scope: Scope, completion_tokens: int) -> None:
    """For the log line: how long the answer was."""
    scope["state"]["tokens"] = completion_tokens


def note_error(scope: Scope, message: str) -> None:
    """For the log line: why the request was refused, or its answer cut short."""
    scope["state"]["error"] = message


def note_relaxed(scope: Scope, notes: Sequence[str]) -> None:
    """For the `x-vivace-relaxed` header of the reply and for the log: which wishes of the request are not held."""
    if notes:
        scope["state"]["relaxed"] = _joined([_one_line(note) for note in notes], LONGEST_RELAXED)
        log.warning("%s: relaxed: %s", request_id(scope), scope["state"]["relaxed"])


class Access:
    """Middleware. `scope["state"]` gets `request_id`; whoever answers may note tokens, an error, or what is relaxed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await _Exchange(scope, send).run(self.app, receive)


class _Exchange:
    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self._send = send
        self.status: int | None = None
        given = Headers(scope=scope).get("x-request-id", "")
        self.id = given if _SANE_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = self.id

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        began = time.perf_counter()
        try:
            await app(self.scope, receive, self.send)
        except ClientDisconnect:
            self.scope["state"]["left"] = True
        except Exception:
            log.exception("request %s failed", self.id)
            if self.status is None:
                await error_response(internal_error(self.id))(self.scope, receive, self.send)
        finally:
            self._log_line(time.perf_counter() - began)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self.id
            if "relaxed" in self.scope["state"]:
                headers["x-vivace-relaxed"] = self.scope["state"]["relaxed"]
        await self._send(message)

    def _log_line(self, seconds: float) -> None:
        scope, state = self.scope, self.scope["state"]
        error = f": {_one_line(state['error'])[:LONGEST_REASON]}" if "error" in state else ""
        level = logging.DEBUG if scope["path"] in QUIET_PATHS else logging.WARNING if error else logging.INFO
        tokens = f" {state['tokens']} tokens" if "tokens" in state else ""
        left = " client left" if state.get("left") else ""
        status = self.status or "-"
        path = _one_line(scope["path"])
        log.log(level, "%s %s %s %.0f ms%s%s%s", scope["method"], path, status, seconds * 1e3, tokens, left, error)


def _joined(notes: list[str], longest: int) -> str:
    """As many of the notes as there is room for, and how many more there are; the first one is cut if it must be."""
    text = notes[0][: longest - 16]
    for count, note in enumerate(notes[1:], start=1):
        if len(text) + len(note) > longest - 16:
            return f"{text}; {len(notes) - count} more"
        text = f"{text}; {note}"
    return text


def _one_line(text: str) -> str:
    """No line breaks and no control characters from clients."""
    return text.encode("unicode_escape").decode()
