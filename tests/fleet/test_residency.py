"""From a MODEL string to answers: the embedded model's text side with scripted engines behind it."""

import asyncio
import logging
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from vivace.assets import embedded_model_path
from vivace.errors import VivaceError
from vivace.fleet import Fleet, ModelCard, model
from vivace.fleet.model import MAX_WAITERS, limits_of
from vivace.protocol import Failed, Finished
from vivace.settings import Settings

from .builders import alive, answer, scripted, starts, until
from .fake_hub import FakeHub, serving


@asynccontextmanager
async def started(behaviour: str, folder: Path, **settings: Any) -> AsyncIterator[Fleet]:
    fleet = Fleet(Settings(**settings), engine_command=scripted(behaviour, folder))
    await fleet.start()
    try:
        yield fleet
    finally:
        fleet.kill()
        await fleet.stop(0)
        assert not any(alive(pid) for pid in starts(folder))


def card(fleet: Fleet) -> ModelCard:
    (only,) = fleet.cards()
    return only


async def refusal(fleet: Fleet, name: str = "default") -> VivaceError:
    with pytest.raises(VivaceError) as caught:
        await asyncio.wait_for(fleet.resident(name), 10)
    return caught.value


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of the embedded checkpoint under a name of its own."""
    return shutil.copytree(embedded_model_path(), tmp_path / "my-model")


async def test_the_embedded_model_becomes_resident(tmp_path: Path) -> None:
    begun = time.monotonic()
    async with started("normal", tmp_path) as fleet:
        assert time.monotonic() - begun < 0.5
        assert (card(fleet).id, card(fleet).state) == ("vivace-mini", "loading")
        resident = await fleet.resident("vivace-mini")
        assert resident.context == resident.card.context_length == 32768
        assert resident.chat.checkpoint.model_type == "qwen3_5"
        assert isinstance((await answer(resident.engine))[-1], Finished)
        assert (card(fleet).state, card(fleet).fraction) == ("ready", 1.0)


async def test_every_name_of_a_directory_leads_to_it(tmp_path: Path, checkpoint: Path) -> None:
    async with started("normal", tmp_path, model=str(checkpoint), served_name="assistant") as fleet:
        for name in ("assistant", "default", "my-model", str(checkpoint)):
            assert (await fleet.resident(name)).id == "assistant"
        assert card(fleet).id == "assistant"
        assert set(card(fleet).aliases) == {"default", "my-model", str(checkpoint)}
        assert card(fleet).created == int((checkpoint / "config.json").stat().st_mtime)


async def test_an_unknown_name_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    async with started("hangs-loading", tmp_path) as fleet:
        error = await refusal(fleet, "gpt-9")
    assert (error.kind, error.code, error.param) == ("not_found", "model_not_found", "model")
    assert error.message == "There is no model 'gpt-9'. There is: vivace-mini."


async def test_the_context_can_be_shortened_but_not_stretched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with started("normal", tmp_path, context=512) as fleet:
        assert (await fleet.resident("default")).context == 512
    async with started("normal", tmp_path, context=10**9) as fleet:
        assert (await fleet.resident("default")).context == 32768
    assert "the context is 32768 tokens, the model's, and not 1000000000" in caplog.text


async def test_requests_wait_while_it_loads_but_not_for_ever(tmp_path: Path) -> None:
    async with started("hangs-loading", tmp_path, load_timeout_s=0.4) as fleet:
        error = await refusal(fleet)
    assert (error.kind, error.code) == ("overloaded", "model_loading")
    assert error.retry_after_s
    assert "still loading (0%) after this request waited for 0.4 s" in error.message


async def test_more_than_so_many_do_not_wait(tmp_path: Path) -> None:
    async with started("hangs-loading", tmp_path) as fleet:
        waiting = [asyncio.create_task(fleet.resident("default")) for _ in range(MAX_WAITERS)]
        await asyncio.sleep(0)
        error = await refusal(fleet)
        assert (error.kind, "requests wait" in error.message) == ("overloaded", True)
        waiting.pop().cancel()
        await asyncio.sleep(0)
        fleet.kill()
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        assert {str(error) for error in errors} == {"The server is shutting down."}


async def test_an_engine_that_cannot_load_fails_requests_at_once_until_asked_again(tmp_path: Path) -> None:
    async with started("once-fails-loading", tmp_path) as fleet:
        error = await refusal(fleet)
        assert (error.kind, error.code) == ("engine_failed", "model_load_failed")
        assert error.message.endswith("needs more memory than there is.")
        assert (await refusal(fleet)).message == error.message
        assert card(fleet).state == "failed"
        fleet.retry("default")
        assert card(fleet).state == "loading"
        assert isinstance((await answer((await fleet.resident("default")).engine))[-1], Finished)


async def test_a_request_some_time_after_a_failed_load_loads_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started("once-fails-loading", tmp_path) as fleet:
        await refusal(fleet)
        monkeypatch.setattr(model, "LOAD_AGAIN_AFTER_S", 0.0)
        assert isinstance((await answer((await fleet.resident("default")).engine))[-1], Finished)


async def test_a_model_that_is_not_there_is_a_failure_and_not_a_crash(tmp_path: Path) -> None:
    async with started("normal", tmp_path, model="./nothing/here") as fleet:
        assert (card(fleet).id, card(fleet).state) == ("here", "failed")
        assert "There is no model './nothing/here'" in (await refusal(fleet, "here")).message
    assert starts(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("tokenizer.json", "{}", "tokenizer.json cannot be read"),
        ("tokenizer_config.json", "[", "tokenizer_config.json cannot be read as JSON"),
    ],
)
async def test_a_broken_text_side_fails_the_model_and_ends_its_engine(
    tmp_path: Path, checkpoint: Path, file: str, content: str, reason: str
) -> None:
    (checkpoint / file).write_text(content)
    async with started("normal", tmp_path, model=str(checkpoint)) as fleet:
        assert reason in (await refusal(fleet)).message
        await until(lambda: not any(alive(pid) for pid in starts(tmp_path)))
        assert card(fleet).state == "failed"


async def test_an_unknown_dialect_is_a_failure_that_lists_those_that_there_are(tmp_path: Path) -> None:
    async with started("normal", tmp_path, tool_dialect="klingon") as fleet:
        assert "tool_dialect 'klingon' is not known. There are:" in (await refusal(fleet)).message


async def test_a_killed_engine_comes_back_under_the_same_name(tmp_path: Path) -> None:
    async with started("normal", tmp_path) as fleet:
        resident = await fleet.resident("default")
        running = asyncio.create_task(answer(resident.engine, max_tokens=10_000))
        await until(lambda: resident.engine.open_requests)
        os.kill(starts(tmp_path)[0], signal.SIGKILL)
        assert isinstance((await running)[-1], Failed)
        await until(lambda: card(fleet).state == "restarting")
        again = await fleet.resident("default")
        assert isinstance((await answer(again.engine))[-1], Finished)


async def test_stopping_drains_and_can_be_asked_twice(tmp_path: Path) -> None:
    async with started("normal", tmp_path) as fleet:
        resident = await fleet.resident("default")
        running = asyncio.create_task(answer(resident.engine, max_tokens=15))
        await until(lambda: resident.engine.open_requests)
        first = asyncio.create_task(fleet.stop(5))
        await asyncio.sleep(0)
        await fleet.stop(5)
        assert first.done()
        assert isinstance((await running)[-1], Finished)
        assert card(fleet).state == "stopped"
        assert (await refusal(fleet)).kind == "overloaded"


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.2])
async def test_stopping_while_it_loads_leaves_nothing(tmp_path: Path, after_s: float) -> None:
    async with started("hangs-loading", tmp_path) as fleet:
        await asyncio.sleep(after_s)
        await asyncio.wait_for(fleet.stop(30), 4)
        assert card(fleet).state == "stopped"


async def test_a_hub_id_is_downloaded_then_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    files = {file.name: file.read_bytes() for file in embedded_model_path().iterdir()}
    with serving(FakeHub(files)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        async with started("normal", tmp_path, model="org/name") as fleet:
            await until(lambda: card(fleet).state == "downloading" and card(fleet).fraction > 0)
            hub.gate.set()
            assert (await fleet.resident("org/name")).id == "org/name"
            assert (await fleet.resident("name")).card.state == "ready"


async def test_a_hub_id_without_a_network_is_a_failure_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    async with started("normal", tmp_path, model="org/nowhere") as fleet:
        message = (await refusal(fleet)).message
    assert message.startswith("The model 'org/nowhere' could not be loaded: 'org/nowhere' is not in")
    assert "the hub cannot be reached" in message
    assert not any(record.exc_info for record in caplog.records)
    assert [r.levelno for r in caplog.records if r.name == "vivace.fleet"][-1] == logging.ERROR


@pytest.mark.parametrize(("stall_s", "interval"), [(120, 1.0), (2, 0.5)])
def test_pings_are_frequent_enough_for_the_stall_timeout(stall_s: float, interval: float) -> None:
    assert limits_of(Settings(stall_timeout_s=stall_s)).ping_interval == interval
