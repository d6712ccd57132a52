"""Servers that take turns with the same prompts, so that neither profits from a cache or a quiet moment."""

import asyncio
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks._client import Answer, ServerFailedError, ask_all, request_body
from benchmarks._prompts import Prompts
from benchmarks._servers import Running, StartError, serving

_WARM_UP_PROMPT, _WARM_UP_TOKENS, _WARM_UP_S = 32, 4, 180.0


@dataclass(frozen=True)
class Case:
    """`prompt` and `tokens`: tokens in and out of each of the `streams` that run at the same time."""

    model: str
    prompt: int
    streams: int
    tokens: int


@dataclass(frozen=True)
class Rules:
    """How often each server has its turn, seconds for one turn, and seconds after which no further round begins."""

    repeat: int
    limit_s: float
    case_limit_s: float


@dataclass
class Entrant:
    """One server in one case.

    Attributes:
        turns: the answers of each turn that was completed.
        note: why it is out of the race, if it is.
    """

    name: str
    case: Case
    turns: list[list[Answer]] = field(default_factory=list)
    note: str | None = None
    peak_bytes: int = 0
    _server: Running | None = None
    _exit: ExitStack = field(default_factory=ExitStack)

    def start(self, path: Path, warm_up: dict[str, Any]) -> None:
        try:
            self._server = self._exit.enter_context(serving(self.name, path))
        except StartError as error:
            print(error, file=sys.stderr)
            self.note = "did not start"
            return
        self._ask([warm_up], _WARM_UP_S)

    def turn(self, bodies: list[dict[str, Any]], limit_s: float) -> None:
        answers = self._ask(bodies, limit_s)
        fewest = min((answer.tokens for answer in answers), default=self.case.tokens)
        if fewest < self.case.tokens:
            self._leave(f"made {fewest} of {self.case.tokens} tokens")
        elif answers:
            self.turns.append(answers)

    def stop(self) -> None:
        if self._server is not None:
            self.peak_bytes = self._server.peak_bytes
            self._server = None
        self._exit.close()

    def _ask(self, bodies: list[dict[str, Any]], limit_s: float) -> list[Answer]:
        if self._server is None:
            return []
        try:
            return asyncio.run(ask_all(self._server.url, bodies, limit_s))
        except TimeoutError:
            self._leave(f"did not finish in {limit_s:g} s")
        except ServerFailedError as error:
            self._leave(f"failed: {error}")
        return []

    def _leave(self, note: str) -> None:
        """And stop at once: abandoned work would go on at the other server's cost."""
        self.note = note
        self.stop()


def race(case: Case, path: Path, prompts: Prompts, names: list[str], rules: Rules) -> list[Entrant]:
    """Start the servers anew and let them take turns; each round has prompts of its own."""
    entrants = [Entrant(name, case) for name in names]
    try:
        for entrant in entrants:
            entrant.start(path, request_body(prompts.make(_WARM_UP_PROMPT), _WARM_UP_TOKENS, prompts.logit_bias))
        began = time.monotonic()
        for _ in range(rules.repeat):
            bodies = _bodies(case, prompts)
            for entrant in entrants:
                entrant.turn(bodies, rules.limit_s)
            if time.monotonic() - began > rules.case_limit_s:
                break
    finally:
        for entrant in entrants:
            entrant.stop()
    return entrants


def _bodies(case: Case, prompts: Prompts) -> list[dict[str, Any]]:
    texts = [prompts.make(case.prompt) for _ in range(case.streams)]
    return [request_body(text, case.tokens, prompts.logit_bias) for text in texts]
