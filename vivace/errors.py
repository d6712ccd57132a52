"""Errors that a client caused or has to be told about.

They are raised where the fact is known and translated once, by the wire, into the error shape of the client's API
(`server/errors.py` holds the table of HTTP statuses).
"""

from typing import Literal

Kind = Literal[
    "invalid_request",  # a field is wrong; `param` says which
    "unauthorized",
    "not_found",
    "method_not_allowed",
    "too_large",  # the body, before it was parsed
    "prompt_too_long",  # more tokens than the model's context
    "rate_limited",
    "overloaded",  # the queue is full, or the model is still loading: try again
    "engine_failed",  # the engine died or stalled under this request
    "internal",  # a bug of ours; the log has it
]


class VivaceError(Exception):
    """What happened, what the limit was, what to change.

    Attributes:
        kind: the class of error, which decides status and type on every wire.
        message: one or two sentences for the person who will read them.
        param: dotted path of the offending field (`messages.0.content`), if there is one.
        code: a stable machine-readable word, e.g. `context_length_exceeded`.
        retry_after_s: when trying again makes sense.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s


def invalid(message: str, param: str | None = None, code: str | None = None) -> VivaceError:
    """A 400: the request itself has to change."""
    return VivaceError("invalid_request", message, param=param, code=code)
