"""Prompts are not processed twice, seen from outside: usage, the cache's routes and `vivace cache`."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.server import Server, environment, serving
from tests.conformance.talk import JSON, body, user

NOTES = " ".join(f"Note {i}: the crate number {i * 37} holds tools and paper." for i in range(40))
SYSTEM = {"role": "system", "content": f"You help in an archive. {NOTES}"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def own(folder: Path) -> Iterator[Server]:
    with serving(folder) as server:
        yield server
        assert "Traceback" not in server.log()


def question(text: str, *more: JSON, **fields: Any) -> JSON:
    return body([SYSTEM, *user(text), *more], max_tokens=12, **fields)


def usage(server: Server, request: JSON, *, stream: bool = False) -> tuple[int, int]:
    """(prompt tokens, cached tokens) as the answer says."""
    if not stream:
        return _tokens(server.http.post("/v1/chat/completions", json=request).json()["usage"])
    streamed = {**request, "stream": True, "stream_options": {"include_usage": True}}
    lines = server.http.post("/v1/chat/completions", json=streamed).text.split("\n\n")
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    return _tokens(chunks[-1]["usage"])


def _tokens(usage: JSON) -> tuple[int, int]:
    return usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]


def cached_share(tokens: tuple[int, int]) -> float:
    return tokens[1] / tokens[0]


def clear(server: Server) -> int:
    freed: int = server.http.post("/v1/cache/clear").json()["freed_bytes"]
    return freed


@pytest.mark.parametrize("stream", [False, True])
def test_the_next_turn_finds_the_last_one(own: Server, stream: bool) -> None:
    clear(own)
    assert usage(own, question("Who wrote it?"), stream=stream)[1] == 0
    answer = {"role": "assistant", "content": "Morel did."}
    longer = question("Who wrote it?", answer, *user("And when?"))
    assert cached_share(usage(own, longer, stream=stream)) > 0.9


def test_explain_names_the_text_where_prompts_part(own: Server) -> None:
    clear(own)
    usage(own, question("Where is the red ladder?"))
    reply = own.http.post("/v1/chat/completions", json=question("Where is the blue ladder?"))
    told = own.http.get("/v1/cache/explain", params={"request_id": reply.json()["id"]}).json()
    assert (told["prompt_tokens"], told["cached_tokens"]) == _tokens(reply.json()["usage"])
    assert told["reason"] in ("diverged", "no_state")
    assert told["text"]["before"].rstrip().endswith("Where is the")
    assert "blue ladder" in told["text"]["prompt"]
    assert "red ladder" in told["text"]["stored"]
    assert sum(told["cached_from"].values()) == told["cached_tokens"]
    assert own.http.get("/v1/cache/explain").json() == told


def test_explain_says_if_nothing_was_there_or_another_salt(own: Server) -> None:
    clear(own)
    usage(own, question("Who keeps the keys?"))
    assert own.http.get("/v1/cache/explain").json()["reason"] == "never_stored"
    usage(own, question("Who keeps the keys?", cache_salt="tenant"))
    told = own.http.get("/v1/cache/explain").json()
    assert (told["reason"], told["cached_tokens"], told["text"]["stored"]) == ("other_salt", 0, "")


def test_an_unknown_request_is_not_found(own: Server) -> None:
    reply = own.http.get("/v1/cache/explain", params={"request_id": "chatcmpl-nothing"})
    assert reply.status_code == 404
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


def test_clearing_goes_by_the_model_in_the_body_too(own: Server) -> None:
    request = question("Who has the key?")
    usage(own, request)
    assert own.http.post("/v1/cache/clear", json={"model": "nobody"}).status_code == 404
    assert own.http.post("/v1/cache/clear", json={"model": 7}).status_code == 400
    assert own.http.post("/v1/cache/clear", content=b"{").status_code == 400
    assert usage(own, request)[1] > 0
    assert own.http.post("/v1/cache/clear", json={"model": "vivace-mini"}).json()["freed_bytes"] > 0
    assert usage(own, request)[1] == 0


def test_warm_then_ask_then_clear(own: Server) -> None:
    clear(own)
    request = question("What is in crate 74?")
    warmed = own.http.post("/v1/cache/warm", json=request).json()
    assert warmed["cached_tokens"] == 0
    asked = usage(own, request)
    assert asked[0] == warmed["prompt_tokens"]
    assert asked[1] >= asked[0] - 13  # the last few are computed anew
    assert own.http.post("/v1/cache/explain", json=request).json()["reason"] == "whole_prompt"
    stats = own.http.get("/v1/cache/stats").json()
    assert stats["tokens"]["cached"] >= asked[1]
    assert clear(own) > 0
    assert usage(own, request)[1] == 0


def run(folder: Path, server: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "vivace.cli", "cache", *arguments, "--url", server.url]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment(folder), timeout=60)


def test_the_command_line_asks_the_server(own: Server, folder: Path) -> None:
    clear(own)
    usage(own, question("Where is the green box?"))
    (folder / "request.json").write_text(json.dumps(question("Where is the black box?")))
    told = run(folder, own, "explain", "request.json")
    assert told.returncode == 0, told.stderr
    assert "Where is the" in told.stdout
    assert "black box" in told.stdout
    assert "green box" in told.stdout
    assert json.loads(run(folder, own, "stats", "--json").stdout)["model"] == "vivace-mini"


@pytest.mark.slow
def test_a_restart_keeps_what_was_computed(tmp_path: Path) -> None:
    request = question("Who swept the yard?")
    with serving(tmp_path) as server:
        first = usage(server, request)
        server.process.terminate()
        server.process.wait(60)
    with serving(tmp_path) as server:
        assert cached_share(usage(server, request)) > 0.9
        told = server.http.get("/v1/cache/explain").json()
    assert first[1] == 0
    assert told["cached_from"]["ssd"] == told["cached_tokens"]
