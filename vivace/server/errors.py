"""The one table from kinds of error to HTTP, and OpenAI's error body."""

from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from vivace.errors import Kind, VivaceError


@dataclass(frozen=True)
class Shape:
    """What a kind of error looks like on OpenAI's wire. `code` is used where the error itself names none."""

    status: int
    type: str
    code: str | None = None


SHAPES: dict[Kind, Shape] = {
    "invalid_request": Shape(400, "invalid_request_error"),
    "unauthorized": Shape(401, "invalid_request_error", "invalid_api_key"),
    "not_found": Shape(404, "invalid_request_error", "not_found"),
    "method_not_allowed": Shape(405, "invalid_request_error", "method_not_allowed"),
    "too_large": Shape(413, "invalid_request_error", "request_too_large"),
    "prompt_too_long": Shape(400, "invalid_request_error", "context_length_exceeded"),
    "rate_limited": Shape(429, "rate_limit_error", "rate_limit_exceeded"),
    "overloaded": Shape(503, "overloaded_error", "overloaded"),
    "engine_failed": Shape(503, "server_error", "engine_failed"),
    "internal": Shape(500, "server_error", "internal_error"),
}
RETRY_AFTER_S: dict[Kind, float] = {"overloaded": 1.0, "engine_failed": 2.0, "rate_limited": 1.0}


def internal_error(request_id: str) -> VivaceError:
    """What a client is told about a bug of ours: where to look, and nothing of the inside."""
    return VivaceError("internal", f"An unexpected error; the server's log has it under request id {request_id}.")


def error_object(error: VivaceError) -> dict[str, object]:
    """OpenAI's `{"error": {message, type, param, code}}`."""
    shape = SHAPES[error.kind]
    fields = {"message": error.message, "type": shape.type, "param": error.param, "code": error.code or shape.code}
    return {"error": fields}


def error_headers(error: VivaceError) -> dict[str, str]:
    retry_after_s = error.retry_after_s or RETRY_AFTER_S.get(error.kind)
    headers = {"retry-after": str(max(1, round(retry_after_s)))} if retry_after_s else {}
    if error.kind == "unauthorized":
        headers["www-authenticate"] = "Bearer"
    if error.kind == "too_large":  # what is left of the body is not worth reading
        headers["connection"] = "close"
    return headers


def error_response(error: VivaceError) -> Response:
    body = msgspec.json.encode(error_object(error))
    status = SHAPES[error.kind].status
    return Response(body, status, headers=error_headers(error), media_type="application/json")
