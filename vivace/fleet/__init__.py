"""Which models there are, where their files come from, and the engine process that serves each. Knows no mlx."""

from vivace.fleet.client import EngineClient
from vivace.fleet.residency import Fleet, ModelCard, Resident

__all__ = ["EngineClient", "Fleet", "ModelCard", "Resident"]
