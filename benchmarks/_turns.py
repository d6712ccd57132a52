"""Rivals take turns in a case: one prefills after the other, then they decode in short bursts, again and again."""

import contextlib
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks._rivals import Rival, RivalError

_PAUSE_S = 0.02  # until threads that spin have gone to sleep
_WARM_UP = (8, 2)  # tokens of the prompt, tokens to decode
_BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"  # ends with us, however we end
_BEHIND = 0.9  # of the best figure: settings that reach less of both figures are not tried again


@dataclass(frozen=True)
class Case:
    """`prompt`: tokens that each of the `streams` has before it decodes. `busy`: other programs compute, too."""

    model: str
    bits: int
    threads: int
    busy: bool
    prompt: int
    streams: int


@dataclass(frozen=True)
class Rules:
    """Rounds of prefill and, in each, bursts of so many tokens a stream; seconds of one answer, and those after which
    no further round begins."""

    rounds: int
    bursts: int
    tokens: int
    limit_s: float
    case_limit_s: float


@dataclass
class Figures:
    """Tokens/s that a rival reached, turn by turn; why it has left, if it has."""

    name: str
    prefill: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    note: str | None = None


def take_turns(case: Case, rivals: list[Rival], vocab: int, rules: Rules) -> list[Figures]:
    """The figures of each rival. Who fails is stopped, and its `Figures` say why."""
    figures = {rival: Figures(rival.name) for rival in rivals}
    racing = list(rivals)
    began = time.monotonic()
    with busy_processes(case.threads // 2 or 1 if case.busy else 0):
        _warm_up(case, racing, figures, rules)
        for turn in range(rules.rounds):
            prompts = [random.Random(f"{turn} {i}").choices(range(vocab), k=case.prompt) for i in range(case.streams)]
            _round(racing, figures, prompts, rules)
            racing = [r for r in racing if not r.patience and not is_behind(figures[r], list(figures.values()))]
            if time.monotonic() - began > rules.case_limit_s:
                break
    return list(figures.values())


def _warm_up(case: Case, racing: list[Rival], figures: dict[Rival, Figures], rules: Rules) -> None:
    prompt, tokens = _WARM_UP
    for rival in [rival for rival in racing if not rival.patience]:
        with _leaving(rival, racing, figures):
            rival.begin([list(range(1, prompt + 1))] * case.streams, 2 * tokens, rules.limit_s)
            rival.decode(tokens, rules.limit_s)
            rival.end(rules.limit_s)


def _round(racing: list[Rival], figures: dict[Rival, Figures], prompts: list[list[int]], rules: Rules) -> None:
    for rival in list(racing):
        most = rival.patience[0] if rival.patience else len(prompts[0])
        cut = [prompt[:most] for prompt in prompts]
        with _leaving(rival, racing, figures):
            wanted = rules.bursts * (rules.tokens + 1) + 1  # a burst may have to pass over one
            took = rival.begin(cut, wanted, rules.limit_s)
            figures[rival].prefill.append(sum(map(len, cut)) / took)
    for burst in range(rules.bursts):
        for rival in list(racing):
            _, tokens, bursts = rival.patience or (0, rules.tokens, rules.bursts)
            with _leaving(rival, racing, figures):
                if burst < bursts:
                    figures[rival].decode.append(rival.decode(tokens, rules.limit_s))
    for rival in list(racing):
        with _leaving(rival, racing, figures):
            rival.end(rules.limit_s)


@contextlib.contextmanager
def _leaving(rival: Rival, racing: list[Rival], figures: dict[Rival, Figures]) -> Iterator[None]:
    """Whoever fails leaves: work that was given up would go on at the others' cost."""
    try:
        yield
    except RivalError as error:
        figures[rival].note = str(error)
        rival.stop()
        racing.remove(rival)
    time.sleep(_PAUSE_S)


def is_behind(figures: Figures, others: list[Figures]) -> bool:
    """Whether these settings of a program are far from its best ones in prefill and in decoding."""
    program = figures.name.split()[0]
    same = [other for other in others if other.name.split()[0] == program and other.decode]
    if not figures.decode:
        return True
    return all(
        statistics.median(getattr(figures, kind))
        < _BEHIND * max(statistics.median(getattr(other, kind)) for other in same)
        for kind in ("prefill", "decode")
    )


@contextlib.contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """So many processes that compute without end."""
    processes = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
