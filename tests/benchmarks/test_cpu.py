"""Cases, turns and tables of the CPU benchmark, with rivals that need no model."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import _turns, cpu
from benchmarks._beside import rows_of, side_by_side
from benchmarks._models import name_and_bits
from benchmarks._rivals import Rival, RivalError
from benchmarks._turns import Case, Figures, Rules, is_behind, take_turns

MODEL = "qwen3-0.6b-4bit"
CASE = Case("qwen3-0.6b", 4, 2, False, 32, 2)
RULES = Rules(rounds=2, bursts=2, tokens=8, limit_s=1.0, case_limit_s=60.0)


def options(*arguments: str) -> Any:
    return cpu._parser().parse_args([*arguments])


def test_a_model_s_name_ends_with_its_bits() -> None:
    assert [name_and_bits(model) for model in (MODEL, "vivace-mini")] == [("qwen3-0.6b", 4), ("vivace-mini", 8)]


def test_cases_differ_from_the_plain_one_in_one_respect() -> None:
    given = options("--prompts", "32", "512", "4096", "--streams", "1", "8", "--threads", "2", "1")
    found = {(c.threads, c.busy, c.prompt, c.streams) for c in cpu.cases_of(cpu.MODELS[0], given)}
    plain = {(2, False, prompt, 1) for prompt in (32, 512, 4096)}
    others = {(threads, threads == 2, prompt, 1) for threads in (1, 2) for prompt in (32, 512)}
    assert found == plain | others | {(2, False, 32, 8)}


def test_other_models_than_the_first_are_not_tried_with_fewer_threads_or_busy() -> None:
    cases = cpu.cases_of(cpu.MODELS[1], options("--threads", "2", "1"))
    assert {(case.threads, case.busy) for case in cases} == {(2, False)}


def test_what_is_asked_for_alone_is_measured() -> None:
    given = options("--prompts", "4096", "--streams", "8", "--threads", "1", "--machines", "busy")
    assert cpu.cases_of(cpu.MODELS[5], given) == [Case("vivace-mini", 8, 1, True, 4096, 8)]


def test_all_combinations_on_request() -> None:
    given = options("--full", "--streams", "1", "8", "--threads", "2", "1")
    assert len(cpu.cases_of(cpu.MODELS[1], given)) == 2 * 2 * 3 * 2


class Scripted(Rival):
    """Answers with given figures, and notes when it was asked for what."""

    def __init__(self, name: str, log: list[tuple[str, str]], took: float = 1.0, speed: float = 10.0) -> None:
        self.name, self.patience, self.log = name, None, log
        self.took, self.speed = took, speed
        self.fails: str | None = None

    def begin(self, prompts: list[list[int]], tokens: int, limit_s: float) -> float:
        return self._note("begin", self.took)

    def decode(self, tokens: int, limit_s: float) -> float:
        return self._note("decode", self.speed)

    def end(self, limit_s: float) -> None:
        self._note("end", 0.0)

    def stop(self) -> None:
        self._note("stop", 0.0)

    def _note(self, verb: str, figure: float) -> float:
        self.log.append((self.name, verb))
        if verb == self.fails:
            raise RivalError("did not finish in 1 s")
        return figure


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    monkeypatch.setattr(_turns, "_PAUSE_S", 0.0)
    return []


def test_rivals_take_turns(log: list[tuple[str, str]]) -> None:
    rivals: list[Rival] = [Scripted("vivace", log), Scripted("llama.cpp", log, took=2.0, speed=5.0)]
    ours, theirs = take_turns(CASE, rivals, 100, RULES)
    in_turn = [(name, verb) for verb in ("begin", "decode", "decode", "end") for name in ("vivace", "llama.cpp")]
    assert log[6:] == in_turn * 2  # after the warm-up
    assert (ours.prefill, ours.decode) == ([64.0] * 2, [10.0] * 4)
    assert (theirs.prefill, theirs.decode) == ([32.0] * 2, [5.0] * 4)


def test_who_fails_leaves_and_the_others_go_on(log: list[tuple[str, str]]) -> None:
    lost = Scripted("llama.cpp", log)
    lost.fails = "decode"
    ours, theirs = take_turns(CASE, [Scripted("vivace", log), lost], 100, RULES)
    assert (len(ours.decode), ours.note) == (4, None)
    assert (theirs.decode, theirs.note) == ([], "did not finish in 1 s")
    assert [verb for name, verb in log if name == "llama.cpp"] == ["begin", "decode", "stop"]


def test_the_impatient_are_asked_for_little_and_once(log: list[tuple[str, str]]) -> None:
    stock = Scripted("mlx-lm", log, took=8.0)
    stock.patience = (4, 1, 1)
    _, figures = take_turns(CASE, [Scripted("vivace", log), stock], 100, RULES)
    assert [verb for name, verb in log if name == "mlx-lm"] == ["begin", "decode", "end"]
    assert figures.prefill == [1.0]  # four tokens of each of two streams


def test_only_settings_that_are_behind_in_both_are_given_up() -> None:
    best = [Figures("llama.cpp Q4_0", [100.0], [50.0]), Figures("llama.cpp Q4_K", [60.0], [60.0])]
    slow, other = Figures("llama.cpp Q8_0", [60.0], [50.0]), Figures("vivace", [1.0], [1.0])
    found = [*best, slow, other]
    assert [is_behind(figures, found) for figures in found] == [False, False, True, False]


def test_a_rival_is_a_process_that_is_asked_in_lines(tmp_path: Path) -> None:
    rival = Rival("mlx-lm", "_run_mlx_lm", tmp_path / "nothing")
    try:
        with pytest.raises(RivalError, match=r"ended: .*nothing"):
            rival.wait()
    finally:
        rival.stop()


def test_busy_processes_end() -> None:
    with _turns.busy_processes(1):
        pass


def test_ratios_are_those_of_the_same_turns() -> None:
    ours = Figures("vivace", [100.0, 10.0], [30.0, 3.0, 30.0])
    theirs = Figures("llama.cpp Q4_0", [50.0, 5.0], [10.0, 1.0, 20.0])
    first, second = rows_of(CASE, [ours, theirs])
    assert (first["decode_ratio"], second["decode_ratio"], second["prefill_ratio"]) == (1.0, 3.0, 2.0)
    assert (second["machine"], second["prefill_tokens_per_s"], second["turns"]) == ("quiet", 27.5, 2)


def test_the_table_compares_with_the_best_settings() -> None:
    figures = [
        Figures("vivace", [300.0], [90.0]),
        Figures("llama.cpp Q4_0, flash attention", [200.0], [30.0]),
        Figures("llama.cpp Q4_K", [100.0], [45.0]),
        Figures("mlx-lm", [0.1], [0.1]),
        Figures("llama.cpp Q8_0", note="ended: killed"),
    ]
    (line,) = side_by_side(list(rows_of(CASE, figures)))
    assert line["prefill, tokens/s"] == "300 / 200 (1.50 ×)"
    assert line["llama.cpp's best at prefill"] == "Q4_0, flash attention"
    assert line["decode, tokens/s"] == "90 / 45 (2.00 ×)"
    assert line["llama.cpp's best at decode"] == "Q4_K"
    assert line["mlx-lm decode"] == "0.1 (900 ×)"
    assert line["notes"] == "llama.cpp Q8_0 ended: killed"


def test_the_table_does_without_llama_cpp() -> None:
    (line,) = side_by_side(list(rows_of(CASE, [Figures("vivace", [1234.0], [90.0])])))
    assert (line["prefill, tokens/s"], line["mlx-lm decode"]) == ("1234 / - (-)", "")
