"""What one request may cost before it is refused or dropped."""

from dataclasses import dataclass

from vivace.settings import Settings


@dataclass(frozen=True)
class Limits:
    """`silence_s`: how long a client may neither send the rest of its body nor read what it was sent."""

    body_bytes: int
    silence_s: float

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        return cls(body_bytes=int(settings.body_limit_mb * 2**20), silence_s=settings.send_timeout_s)
