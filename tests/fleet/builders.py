"""What the tests of the fleet share: supervised scripted engines and tiny checkpoints."""

import asyncio
import json
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from vivace.fleet.client import Answer, EngineClient
from vivace.fleet.supervisor import Supervisor
from vivace.fleet.vitals import Limits
from vivace.protocol import Generate, Load

SCRIPTED_ENGINE = Path(__file__).parent / "scripted_engine.py"
QUICK = Limits(stall_timeout=0.6, load_timeout=0.6, ping_interval=0.05, healthy=60.0, max_load_tries=2)


def scripted(behaviour: str, folder: Path) -> tuple[str, ...]:
    """The command of a scripted engine; `starts(folder)` tells which processes it became."""
    return (sys.executable, str(SCRIPTED_ENGINE), behaviour, str(folder / "starts"))


def starts(folder: Path) -> list[int]:
    """Process ids of all engines started so far, oldest first."""
    file = folder / "starts"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


@asynccontextmanager
async def supervised(behaviour: str, folder: Path, limits: Limits = QUICK) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor("m", Load("m", 100), limits, scripted(behaviour, folder))
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.kill()
        await supervisor.stop(0)
        assert not any(alive(pid) for pid in starts(folder))


async def answer(client: EngineClient, id_: str = "a", max_tokens: int = 3) -> list[Answer]:
    return [message async for message in client.generate(Generate(id_, [1, 2], max_tokens))]


def alive(pid: int) -> bool:
    """Whether the process runs; one that waits to be reaped by whoever adopted it does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        await asyncio.sleep(0.01)


def write_safetensors(path: Path, nbytes: int = 8) -> None:
    header = json.dumps({"w": {"dtype": "U8", "shape": [nbytes], "data_offsets": [0, nbytes]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(nbytes))


def write_checkpoint(directory: Path, **config: Any) -> Path:
    """A complete checkpoint of one tiny tensor."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps({"model_type": "qwen3"} | config))
    (directory / "tokenizer.json").write_text("{}")
    write_safetensors(directory / "model.safetensors")
    return directory
