"""One model on its way from a MODEL string to a running engine, and what can be said about it meanwhile."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vivace.chat.facts import Checkpoint, CheckpointError
from vivace.errors import VivaceError
from vivace.fleet.client import SHUTTING_DOWN, EngineClient
from vivace.fleet.discovery import DiscoveryError, ModelSource, locate
from vivace.fleet.download import DownloadError, DownloadProgress, download_in_child
from vivace.fleet.supervisor import EngineState, EngineUnavailable, Supervisor
from vivace.fleet.vitals import Limits
from vivace.protocol import Cache, Load
from vivace.settings import cache_folder

if TYPE_CHECKING:
    from vivace.chat.checkpoint import ChatModel
    from vivace.settings import Settings

logger = logging.getLogger("vivace.fleet")

ModelState = Literal["downloading", "loading", "ready", "restarting", "failed", "stopped"]
LoadChat = Callable[[Path, "Settings"], "ChatModel"]

MAX_WAITERS = 1024  # requests that wait for one model; each holds its parsed body
_RETRY_AFTER_S = 2.0
LOAD_AGAIN_AFTER_S = 30.0  # a request for a model that failed to load tries again if the last try is so long ago

_STATES: dict[EngineState, ModelState] = {
    "starting": "loading",
    "loading": "loading",
    "ready": "ready",
    "restarting": "restarting",
    "failed": "failed",
    "stopped": "stopped",
}


@dataclass(frozen=True)
class ModelCard:
    """What clients may know about a model.

    Attributes:
        created: Unix time of its files; of the server's start while they are not here.
        context_length: tokens of prompt and output together; None until its config has been read.
        fraction: of the download, or of the weights in memory, 0 to 1.
        message: what it does or why it failed; "" if there is nothing to say.
        aliases: other names that requests can use.
    """

    id: str
    created: int
    context_length: int | None
    state: ModelState
    fraction: float
    message: str
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class Resident:
    """A model that can answer now."""

    id: str
    chat: "ChatModel"
    engine: EngineClient
    context: int
    card: ModelCard


@dataclass(frozen=True)
class Stage:
    """How far bring-up is. Once there is a supervisor, its status says more."""

    state: ModelState
    fraction: float = 0.0
    message: str = ""


def load_chat(directory: Path, settings: "Settings") -> "ChatModel":
    """The text side of a checkpoint: tokenizer, template, dialects.

    Raises:
        CheckpointError: something in the directory is missing or makes no sense.
    """
    from vivace.chat.checkpoint import ChatModel  # in the loading thread, so that the port opens before

    return ChatModel.load(directory, tool_dialect=settings.tool_dialect, reasoning_dialect=settings.reasoning_dialect)


class Model:
    """One model: found, downloaded if need be, loaded on both sides, and supervised. Event loop's thread only."""

    def __init__(
        self, settings: "Settings", engine_command: Sequence[str], load_chat: LoadChat, aliases: Sequence[str] = ()
    ) -> None:
        self._settings = settings
        self._engine_command = engine_command
        self._load_chat = load_chat
        self._source, self._stage = _found(settings.model)
        self.id = settings.served_name or self._source.id
        self.names = tuple(dict.fromkeys([*aliases, self._source.id, *self._source.names]))
        self._created = int(time.time())
        self._context: int | None = None
        self._chat: ChatModel | None = None
        self._supervisor: Supervisor | None = None
        self._settled = asyncio.Event()  # there is an engine under supervision and a chat side, or a failure
        self._task: asyncio.Task[None] | None = None
        self._waiters = 0
        self._begun_at = time.monotonic()

    def start(self) -> None:
        """Begin in the background, or begin again after a failure."""
        if self._task is not None and (not self._task.done() or self.stage.state != "failed"):
            return
        self._settled.clear()
        self._begun_at = time.monotonic()
        self._supervisor = self._chat = None  # a supervisor that gave up holds nothing
        self._source, self._stage = _found(self._settings.model)
        self._task = asyncio.create_task(self._bring_up(), name=f"bring up {self.id}")

    @property
    def stage(self) -> Stage:
        if self._supervisor is None or self._stage.state == "failed":
            return self._stage
        status = self._supervisor.status
        if status.state == "ready" and self._chat is None:
            return Stage("loading", 1.0, "reading the tokenizer")
        return Stage(_STATES[status.state], status.fraction, status.message)

    def card(self) -> ModelCard:
        stage = self.stage
        aliases = tuple(name for name in self.names if name != self.id)
        return ModelCard(self.id, self._created, self._context, stage.state, stage.fraction, stage.message, aliases)

    async def resident(self) -> Resident:
        """Wait until it can answer, for `load_timeout_s` at most.

        Raises:
            VivaceError: it failed to load, the wait is over, or too many wait already.
        """
        if self._waiters >= MAX_WAITERS:
            raise self._not_yet(f"{MAX_WAITERS} requests wait for the model {self.id!r} already: try again later.")
        self._waiters += 1
        try:
            async with asyncio.timeout(self._settings.load_timeout_s):
                return await self._resident()
        except TimeoutError:
            stage = self.stage
            raise self._not_yet(
                f"The model {self.id!r} is still {stage.state} ({stage.fraction:.0%}) after this request waited for "
                f"{self._settings.load_timeout_s:g} s: try again later."
            ) from None
        finally:
            self._waiters -= 1

    async def stop(self, drain_s: float) -> None:
        """End bring-up or the engine; running answers may finish for `drain_s`."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._supervisor is not None:
            await self._supervisor.stop(drain_s)

    def kill(self) -> None:
        """End the engine at once."""
        if self._task is not None:
            self._task.cancel()
        if self._supervisor is not None:
            self._supervisor.kill()

    async def _resident(self) -> Resident:
        if self.stage.state == "failed" and time.monotonic() - self._begun_at > LOAD_AGAIN_AFTER_S:
            self.start()
        await self._settled.wait()
        if self._supervisor is None or self._chat is None or self._context is None:
            raise self._failure()
        try:
            engine = await self._supervisor.connected()
        except EngineUnavailable:
            raise self._failure() from None
        return Resident(self.id, self._chat, engine, self._context, self.card())

    async def _bring_up(self) -> None:
        try:
            await self._load(await self._directory())
        except (DiscoveryError, DownloadError, CheckpointError) as error:
            await self._fail(str(error))
        except asyncio.CancelledError:
            self._stage = Stage("stopped", message=SHUTTING_DOWN)
            raise
        except Exception as error:
            logger.exception("model %s cannot be loaded", self.id)
            await self._fail(f"an unexpected error ({type(error).__name__}); the server's log has more")
        finally:
            self._settled.set()

    async def _directory(self) -> Path:
        if self._stage.state == "failed":
            raise DiscoveryError(self._stage.message)
        if self._source.directory is not None:
            return self._source.directory
        assert self._source.hub_id is not None
        logger.info("model %s is downloaded", self.id)
        self._stage = Stage("downloading")
        return await download_in_child(self._source.hub_id, self._on_download)

    async def _load(self, directory: Path) -> None:
        """Both sides at the same time: the weights in the engine process, the tokenizer here."""
        self._stage = Stage("loading")
        self._created = int((directory / "config.json").stat().st_mtime)
        checkpoint = await asyncio.to_thread(Checkpoint.read, directory)
        self._context = context_of(checkpoint, self._settings)
        if self._context < (self._settings.context or 0):
            logger.warning("the context is %d tokens, the model's, and not %d", self._context, self._settings.context)
        supervisor = Supervisor(
            self.id, load_message(checkpoint, self._settings, self.id), limits_of(self._settings), self._engine_command
        )
        self._supervisor = supervisor
        supervisor.start()
        self._chat = await asyncio.to_thread(self._load_chat, directory, self._settings)

    async def _fail(self, message: str) -> None:
        logger.error("model %s failed: %s", self.id, message)
        self._stage = Stage("failed", message=message)
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            await supervisor.stop(0)

    def _on_download(self, progress: DownloadProgress) -> None:
        message = f"{progress.done / 1e9:.2f} of {progress.total / 1e9:.2f} GB"
        self._stage = Stage("downloading", progress.fraction, message)

    def _failure(self) -> VivaceError:
        stage = self.stage
        if stage.state == "stopped":
            return self._not_yet(SHUTTING_DOWN)
        message = f"The model {self.id!r} could not be loaded: {stage.message}"
        return VivaceError("engine_failed", message, code="model_load_failed")

    def _not_yet(self, message: str) -> VivaceError:
        return VivaceError("overloaded", message, code="model_loading", retry_after_s=_RETRY_AFTER_S)


def context_of(checkpoint: Checkpoint, settings: "Settings") -> int:
    """Tokens of prompt and output together: what was asked for, within what the model can."""
    return min(settings.context or checkpoint.context_length, checkpoint.context_length)


def load_message(checkpoint: Checkpoint, settings: "Settings", label: str = "") -> Load:
    """`label`: the model's name in lists of what the cache folder holds."""
    return Load(
        model=str(checkpoint.path),
        context=context_of(checkpoint, settings),
        max_batch=settings.max_batch,
        max_waiting=settings.max_waiting,
        prefill_chunk=settings.prefill_chunk,
        prefill_budget_ms=settings.prefill_budget_ms,
        threads=settings.threads,
        activations=settings.activations,
        cpu_level=settings.cpu_level,
        dtype=settings.dtype,
        log_level=settings.log_level,
        cache=cache_of(settings, label),
    )


def cache_of(settings: "Settings", label: str) -> Cache:
    """Where the model's prefixes are kept."""
    ssd = not settings.no_ssd_cache
    return Cache(
        ram_bytes=None if settings.cache_ram_gb is None else int(settings.cache_ram_gb * 1e9),
        ssd_folder=str(cache_folder(settings).absolute()) if ssd else "",
        ssd_bytes=int(settings.cache_ssd_gb * 1e9) if ssd else 0,
        codec=settings.kv_codec,
        label=label,
    )


def limits_of(settings: "Settings") -> Limits:
    return Limits(
        stall_timeout=settings.stall_timeout_s,
        load_timeout=settings.load_timeout_s,
        ping_interval=min(1.0, settings.stall_timeout_s / 4),
    )


def _found(model: str) -> tuple[ModelSource, Stage]:
    """What MODEL names; if that is nothing, a name to show for it and the failure."""
    try:
        return locate(model), Stage("loading")
    except DiscoveryError as error:
        name = Path(model).name or model
        return ModelSource("directory", name, None, names=(model,)), Stage("failed", message=str(error))
