"""Prompts, turns and tables of the serving benchmark."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import vivace.assets
from benchmarks import _race, overhead, serving
from benchmarks._client import Answer
from benchmarks._prompts import Prompts
from benchmarks._race import Case, Entrant, Rules, race

MINI = Path(vivace.assets.__file__).parent / "vivace-mini"


@pytest.fixture(scope="module")
def prompts() -> Prompts:
    return Prompts(MINI)


@pytest.mark.parametrize("tokens", [16, 32, 1024])
def test_a_prompt_has_exactly_its_tokens(prompts: Prompts, tokens: int) -> None:
    assert len(prompts.prepare(prompts.make(tokens)).token_ids) == tokens


def test_no_prompt_comes_twice(prompts: Prompts) -> None:
    assert len({prompts.make(32) for _ in range(50)}) == 50


def test_a_prompt_shorter_than_the_template_is_refused(prompts: Prompts) -> None:
    with pytest.raises(ValueError, match="has 4 tokens: the shortest"):
        prompts.make(4)


def test_the_bias_leaves_words_and_no_token_that_ends_an_answer(prompts: Prompts) -> None:
    prepared = prompts.prepare("Hi")
    assert len(prompts.logit_bias) > 20
    assert not set(prompts.logit_bias) & set(prepared.stop_ids)
    assert prepared.sampling(0).logit_bias == prompts.logit_bias


class Servers:
    """Stands in for real ones: per name what each call of `ask_all` answers, and which of them were ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: list[Any]) -> None:
        self.answers = {name: iter([[answer()], *given]) for name, given in answers.items()}  # the warm-up first
        self.asked: list[tuple[str, int]] = []
        self.ended: list[str] = []
        monkeypatch.setattr(_race, "serving", self.serving)
        monkeypatch.setattr(_race, "ask_all", self.ask_all)

    @contextmanager
    def serving(self, name: str, _: Path) -> Iterator[Any]:
        yield type("Running", (), {"url": name, "peak_bytes": 300 * 2**20})()
        self.ended.append(name)

    async def ask_all(self, url: str, bodies: list[dict[str, Any]], _: float) -> list[Answer]:
        self.asked.append((url, len(bodies)))
        given = next(self.answers[url])
        if isinstance(given, Exception):
            raise given
        return list(given)


def answer(first_s: float = 1.0, end_s: float = 4.0, tokens: int = 4) -> Answer:
    return Answer(first_s, end_s, 32, tokens)


CASE = Case("vivace-mini", 32, 2, 4)


def run(prompts: Prompts, repeat: int = 2) -> list[Entrant]:
    return race(CASE, MINI, prompts, ["vivace", "mlx_lm"], Rules(repeat, 1.0, 60.0))


def test_servers_take_turns(prompts: Prompts, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = [[answer(), answer()]] * 2
    servers = Servers(monkeypatch, vivace=turns, mlx_lm=turns)
    entrants = run(prompts)
    assert servers.asked == [("vivace", 1), ("mlx_lm", 1), *[("vivace", 2), ("mlx_lm", 2)] * 2]
    assert [len(entrant.turns) for entrant in entrants] == [2, 2]


@pytest.mark.parametrize(
    ("given", "note"),
    [
        (TimeoutError(), "did not finish in 1 s"),
        (_race.ServerFailedError("500: no"), "failed: 500: no"),
        ([answer(), answer(tokens=3)], "made 3 of 4 tokens"),
    ],
)
def test_who_fails_is_ended_at_once_and_says_why(
    prompts: Prompts, monkeypatch: pytest.MonkeyPatch, given: Any, note: str
) -> None:
    turn = [answer(), answer()]
    servers = Servers(monkeypatch, vivace=[turn, turn], mlx_lm=[given])
    ours, theirs = run(prompts)
    assert servers.ended == ["mlx_lm", "vivace"]
    assert (ours.note, len(ours.turns)) == (None, 2)
    assert (theirs.note, theirs.turns) == (note, [])
    assert serving.row_of(theirs) == {
        "model": "vivace-mini",
        "prompt": 32,
        "streams": 2,
        "server": "mlx_lm",
        "ttft_s": None,
        "stream_tokens_per_s": None,
        "total_tokens_per_s": None,
        "peak_mib": 300,
        "prompt_tokens": None,
        "turns": None,
        "note": note,
    }


def test_a_row_has_medians_over_streams_and_turns() -> None:
    turns = [[answer(1.0, 4.0), answer(2.0, 8.0)], [answer(3.0, 12.0), answer(4.0, 16.0)]]
    row = serving.row_of(Entrant("vivace", CASE, turns, peak_bytes=300 * 2**20))
    assert row["ttft_s"] == 2.5
    assert row["stream_tokens_per_s"] == 0.4  # 1, 2, 3 and 4 s per token
    assert row["total_tokens_per_s"] == 0.75  # 8 tokens in 8 s, and in 16 s
    assert row["turns"] == 2


def test_the_table_says_how_many_times_better_and_why_not() -> None:
    ours = {"model": "m", "prompt": 32, "streams": 1, "server": "vivace", "ttft_s": 0.5, "total_tokens_per_s": 60}
    theirs = ours | {"server": "mlx_lm", "ttft_s": 5.0, "total_tokens_per_s": 6}
    lost = theirs | {"streams": 4, "ttft_s": None, "total_tokens_per_s": None, "note": "did not finish in 90 s"}
    first, second = serving.side_by_side([ours, theirs, ours | {"streams": 4}, lost])
    assert first["TTFT, s"] == "0.5 / 5 (10.0 ×)"
    assert first["tokens/s in total"] == "60 / 6 (10.0 ×)"
    assert second["tokens/s in total"] == "60 / -"
    assert second["notes"] == "mlx_lm.server did not finish in 90 s"


def test_overhead_compares_within_turns() -> None:
    turns = [overhead.Turn(alone, alone * 1.1, alone * 1.05, 0.001) for alone in (0.01, 0.04, 0.02)]
    options = type("Options", (), {"prompt": 32, "tokens": 64})()
    row = overhead.row_of("m", options, turns)
    assert (row["overhead, %"], row["quartiles, %"]) == (10.0, "10.0 to 10.0")
    assert (row["alone, ms"], row["client, ms"], row["gateway, ms"]) == (20.0, 22.0, 1.0)
