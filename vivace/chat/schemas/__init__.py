"""JSON schemas as clients send them: what makes one invalid, and how llguidance can hold as much of it as possible."""

from vivace.chat.schemas.check import fault
from vivace.chat.schemas.closing import closed
from vivace.chat.schemas.fragment import fragment, origin, place
from vivace.chat.schemas.hold import Held, hold
from vivace.chat.schemas.probe import SINGLE_SPACES

__all__ = ["SINGLE_SPACES", "Held", "closed", "fault", "fragment", "hold", "origin", "place"]
