"""A Hugging Face hub on a free local port that serves the files it is given, slowly, badly or not at all."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "c" * 40
CHUNK = 1 << 16


@dataclass
class FakeHub:
    """`error`: (status, X-Error-Code) of every answer. `files_error`: the same for files only."""

    files: dict[str, bytes]
    error: tuple[int, str] | None = None
    files_error: tuple[int, str] | None = None
    drop_after: dict[str, int] = field(default_factory=dict)  # the connection breaks once after so many bytes
    gate: threading.Event = field(default_factory=threading.Event)  # files wait for it half-way
    requests: list[str] = field(default_factory=list)
    endpoint: str = ""

    def gets_of(self, filename: str) -> int:
        return sum(1 for line in self.requests if line.startswith("GET ") and line.endswith(f"/{filename}"))


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        hub.gate.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: Any) -> None:
        self.hub.requests.append(f"{self.command} {self.path.partition('?')[0]}")

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        is_file = "/resolve/" in path
        error = self.hub.error or (self.hub.files_error if is_file else None)
        if error:
            self._send(error[0], b"{}", {"X-Error-Code": error[1]}, with_body)
        elif is_file:
            self._file(path.partition(f"/resolve/{COMMIT}/")[2], with_body)
        elif "/tree/" in path:
            self._json(
                [{"type": "file", "path": n, "size": len(b), "oid": _etag(b)} for n, b in self.hub.files.items()]
            )
        else:
            siblings = [{"rfilename": name, "size": len(body)} for name, body in self.hub.files.items()]
            self._json({"id": "org/name", "sha": COMMIT, "siblings": siblings})

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"}, True)

    def _file(self, name: str, with_body: bool) -> None:
        body = self.hub.files[name]
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {"ETag": f'"{_etag(body)}"', "X-Repo-Commit": COMMIT}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        stop = self.hub.drop_after.pop(name, None) if with_body else None
        self._send(206 if start else 200, body[start:], headers, with_body, stop)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], with_body: bool, stop: int | None = None
    ) -> None:
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        if not with_body:
            return
        with suppress(BrokenPipeError, ConnectionResetError):  # a client that was cancelled
            self._body(body, stop)

    def _body(self, body: bytes, stop: int | None) -> None:
        half = len(body) // 2 if len(body) > CHUNK else len(body)
        self.wfile.write(body[: half if stop is None else stop])
        self.wfile.flush()
        if stop is not None:
            self.close_connection = True
        elif half < len(body):
            self.hub.gate.wait(20)
            self.wfile.write(body[half:])


def _etag(body: bytes) -> str:
    return sha1(body).hexdigest()
