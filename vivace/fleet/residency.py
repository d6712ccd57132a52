"""Which models can be named, and making the one that a request names resident."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vivace.errors import VivaceError
from vivace.fleet.model import LoadChat, Model, ModelCard, Resident, load_chat
from vivace.fleet.supervisor import ENGINE_COMMAND

if TYPE_CHECKING:
    from vivace.settings import Settings

__all__ = ["Fleet", "ModelCard", "Resident"]

DEFAULT = "default"  # the alias of the model that the server was started with


class Fleet:
    """All models of one server. Its methods belong to the event loop's thread.

    Args:
        engine_command: starts an engine process; the number of its socket is appended.
        load_chat: makes the text side of a model, in a thread.
    """

    def __init__(
        self,
        settings: "Settings",
        *,
        engine_command: Sequence[str] = ENGINE_COMMAND,
        load_chat: LoadChat = load_chat,
    ) -> None:
        first = Model(settings, engine_command, load_chat, aliases=(DEFAULT,))
        self._models = {first.id: first}
        self._stopping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to find, download and load; returns at once. `cards` and `resident` tell what becomes of it."""
        for model in self._models.values():
            model.start()

    def cards(self) -> list[ModelCard]:
        return [model.card() for model in self._models.values()]

    async def resident(self, name: str) -> Resident:
        """The model of this name, as soon as it can answer.

        Raises:
            VivaceError: there is no such model; it failed to load; or it is still loading after `load_timeout_s`.
        """
        return await self._named(name).resident()

    def retry(self, name: str) -> None:
        """Load a model again whose loading failed. Nothing happens to one in another state.

        Raises:
            VivaceError: there is no such model.
        """
        self._named(name).start()

    async def stop(self, drain_s: float) -> None:
        """End everything; running answers may finish for `drain_s`. Asked twice, the first time counts."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(drain_s))
        await asyncio.shield(self._stopping)

    def kill(self) -> None:
        """End every engine at once. `stop` afterwards reaps them."""
        for model in self._models.values():
            model.kill()

    async def _stop(self, drain_s: float) -> None:
        await asyncio.gather(*(model.stop(drain_s) for model in self._models.values()))

    def _named(self, name: str) -> Model:
        for model in self._models.values():
            if name == model.id or name in model.names:
                return model
        known = ", ".join(self._models)
        raise VivaceError(
            "not_found", f"There is no model {name!r}. There is: {known}.", param="model", code="model_not_found"
        )
