"""`vivace cache`: the folder without a server, and what a server answers."""

import io
import json
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Vivace
from tests.engine.cache.ssd.builders import MODEL, OTHER_MODEL, open_tier, record, store
from vivace.cli import cache
from vivace.cli.client import Client
from vivace.cli.errors import CliError

NOBODY = {"VIVACE_PORT": "9"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "prefixes"
    for model, label, n in ((MODEL, "qwen", 5), (OTHER_MODEL, "llama", 3)):
        tier = open_tier(folder, model, label=label)
        store(tier, map(record, range(n)))
        tier.close()
    return folder


def test_models_in_the_folder_are_listed(vivace: Vivace, folder: Path) -> None:
    shown = vivace("cache", "list", VIVACE_CACHE_DIR=str(folder))
    assert shown.exit_code == 0
    assert [line.split()[:3] for line in shown.out.splitlines()[1:3]] == [
        ["llama", "cdcdcdcd", "3"],
        ["qwen", "abababab", "5"],
    ]
    listed = json.loads(vivace("cache", "list", "--json", "--cache-dir", str(folder)).out)
    assert [model["label"] for model in listed["models"]] == ["llama", "qwen"]


def test_an_empty_folder_is_no_error(vivace: Vivace, tmp_path: Path) -> None:
    for verb in ("list", "verify"):
        assert vivace("cache", verb, VIVACE_CACHE_DIR=str(tmp_path / "nowhere")).exit_code == 0


def test_verifying_fails_if_something_is_damaged(vivace: Vivace, folder: Path) -> None:
    assert vivace("cache", "verify", "--cache-dir", str(folder)).out == "8 sound, 0 damaged\n"
    path = sorted((folder / "segments").iterdir())[0]
    path.write_bytes(path.read_bytes()[:-900])
    found = vivace("cache", "verify", "--cache-dir", str(folder))
    assert found.exit_code == 1
    assert f"damaged: {path}" in found.out
    assert json.loads(vivace("cache", "verify", "--json", "--cache-dir", str(folder)).out)["damaged"]


def test_a_model_is_cleared_without_a_server(vivace: Vivace, folder: Path) -> None:
    variables = {**NOBODY, "VIVACE_CACHE_DIR": str(folder)}
    assert vivace("cache", "clear", "qwen", "--yes", **variables).out.endswith("freed\n")
    listed = json.loads(vivace("cache", "list", "--json", **variables).out)
    assert {model["label"]: model["entries"] for model in listed["models"]} == {"llama": 3, "qwen": 0}
    assert json.loads(vivace("cache", "clear", "--yes", "--json", **variables).out)["freed_bytes"] > 3000


@pytest.mark.parametrize(
    ("arguments", "exit_code", "complaint"),
    [
        (("clear", "gemma", "--yes"), 1, "vivace: Nothing is kept of 'gemma'. There is: llama, qwen."),
        (("clear",), 2, "vivace: Nobody is there to ask: --yes clears without asking."),
        (("stats",), 1, "vivace: No server answers at http://127.0.0.1:9. `vivace serve` starts one"),
        (("explain",), 1, "vivace: No server answers at"),
        (("explain", "nothing.json"), 2, "vivace: nothing.json cannot be read: No such file"),
        (("explain", "-"), 2, "vivace: - is no JSON"),
        (("explain", "a", "--request", "b"), 2, "vivace: FILE and --request exclude each other."),
        (("explode",), 2, "No such command 'explode'"),
    ],
)
def test_what_is_wrong_is_said(
    vivace: Vivace, folder: Path, arguments: tuple[str, ...], exit_code: int, complaint: str
) -> None:
    outcome = vivace("cache", *arguments, stdin="{", VIVACE_CACHE_DIR=str(folder), **NOBODY)
    assert outcome.exit_code == exit_code
    assert complaint in outcome.err
    assert "Traceback" not in outcome.err


STATS = {
    "model": "m",
    "problem": "",
    "tokens": {"prompt": 2000, "cached": 1500},
    "ram": {"bytes": 5e6, "limit_bytes": 1e9, "conversations": 2, "blocks": 7, "snapshots": 3, "evicted": 0},
    "ssd": None,
}
EXPLAINED = {
    "model": "m",
    "prompt_tokens": 800,
    "cached_tokens": 640,
    "cached_from": {"running": 0, "idle": 600, "ram": 0, "ssd": 40},
    "agreed_tokens": 655,
    "reason": "diverged",
    "message": "640 of 800 prompt tokens are in the cache: it parts.",
    "text": {"before": "It is\n", "prompt": "Monday", "stored": "Sun\x1b[2Jday"},
    "tokens": {"before": [1], "prompt": [2], "stored": [3]},
}


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[httpx.Request]]:
    """serving(reply) -> the requests that a server got which answers all with it."""

    def serve(reply: Any) -> list[httpx.Request]:
        seen: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(
                200, json={"data": [{"id": "qwen"}, {"id": "m"}]} if "models" in str(request.url) else reply
            )

        @contextmanager
        def server(*_: Any, **__: Any) -> Any:
            yield Client("http://server", transport=httpx.MockTransport(handle))

        monkeypatch.setattr(cache, "_server", server)
        return seen

    return serve


def test_stats_in_words(serving: Any, capsys: pytest.CaptureFixture[str]) -> None:
    seen = serving(STATS)
    cache.stats(model="m")
    assert seen[0].url == "http://server/v1/cache/stats?model=m"
    shown = capsys.readouterr().out
    assert "2,000, of them 1,500 from the cache (75%)" in shown
    assert "5 MB of at most 1 GB now: 2 conversations, 7 blocks, 3 snapshots" in shown
    assert "none (--no-ssd-cache" in shown


def test_an_explanation_in_words(serving: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = serving(EXPLAINED)
    (tmp_path / "body.json").write_text('{"messages": []}')
    cache.explain(str(tmp_path / "body.json"), model="m")
    assert (seen[0].method, json.loads(seen[0].content)) == ("POST", {"messages": [], "model": "m"})
    shown = capsys.readouterr().out
    assert "640 of 800: 600 from a conversation in memory, 40 from the disk" in shown
    assert all(part in shown for part in ("parts at token   655", "“It is⏎”", "“Monday”", "“Sun[2Jday”"))


def test_the_explanation_of_a_request_that_was_made(serving: Any, capsys: pytest.CaptureFixture[str]) -> None:
    seen = serving(EXPLAINED)
    cache.explain(None, request="chatcmpl-1", as_json=True)
    assert seen[0].url == "http://server/v1/cache/explain?request_id=chatcmpl-1"
    assert json.loads(capsys.readouterr().out) == EXPLAINED


def test_a_server_that_runs_forgets_too(
    serving: Any, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = serving({"freed_bytes": 7})
    monkeypatch.setenv("VIVACE_CACHE_DIR", str(folder))
    cache.clear(MODEL[:6], yes=True, as_json=True)
    assert [str(request.url) for request in seen[1:]] == ["http://server/v1/cache/clear?model=qwen"]
    assert json.loads(capsys.readouterr().out)["freed_bytes"] > 5000


def test_a_body_from_stdin(monkeypatch: pytest.MonkeyPatch, serving: Any) -> None:
    seen = serving(EXPLAINED)
    monkeypatch.setattr("sys.stdin", io.StringIO('{"messages": [1]}'))
    cache.explain("-")
    assert json.loads(seen[0].content) == {"messages": [1]}
    monkeypatch.setattr("sys.stdin", io.StringIO("[]"))
    with pytest.raises(CliError, match="must hold a JSON object"):
        cache.explain("-")


def test_a_folder_that_is_named_is_all_that_is_cleared(serving: Any, folder: Path) -> None:
    seen = serving({"freed_bytes": 7})
    cache.clear(yes=True, cache_dir=folder, as_json=True)
    assert seen == []


@pytest.mark.parametrize("given", [{"model": ""}, {"cache_dir": Path("/x"), "url": "http://server"}])
def test_what_is_to_be_cleared_has_to_be_clear(serving: Any, given: Any) -> None:
    seen = serving({"freed_bytes": 7})
    with pytest.raises(CliError):
        cache.clear(**given, yes=True)
    assert seen == []
