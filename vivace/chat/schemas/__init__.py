"""JSON schemas as clients send them: what makes one invalid, and how llguidance can hold as much of it as possible."""

from vivace.chat.schemas.check import fault
from vivace.chat.schemas.fragment import fragment, origin, place
from vivace.chat.schemas.hold import Held, hold

__all__ = ["Held", "fault", "fragment", "hold", "origin", "place"]
