"""Grammar constraints (llguidance): which tokens may come next, and forced endings.

Compiling can take a second for a large schema, so it happens on a worker thread while the prompt is prefilled, and only
once, since agents send the same tools every turn. Masks are computed on the host while the forward runs.
"""

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import llguidance
import numpy as np
from numpy.typing import NDArray

from vivace.protocol import Grammar

COMPILED = 64  # grammars that are kept for the next request


class GrammarError(Exception):
    """The grammar cannot be compiled, or the output has left it; the message is llguidance's."""


class Matcher:
    """The constraint of one sequence.

    With `after`, everything is free until that token has been seen; the grammar begins with the next one.
    """

    def __init__(self, matcher: llguidance.LLMatcher, after: int | None) -> None:
        self._matcher = matcher
        self._after = after

    @property
    def active(self) -> bool:
        return self._after is None

    @property
    def complete(self) -> bool:
        """Nothing but the end may follow."""
        return self.active and bool(self._matcher.is_stopped())

    def consume(self, token: int) -> None:
        """Move past a generated token.

        Raises:
            GrammarError: the token is not allowed here.
        """
        if not self.active:
            if token == self._after:
                self._after = None
            return
        if not self._matcher.consume_token(token):
            raise GrammarError(_first_line(self._matcher) or f"token {token} is outside the grammar")

    def forced(self) -> list[int]:
        """The tokens that can only follow, as the tokenizer writes them behind the present output.

        They are what masks would force one by one, and end before a token that free text behind them could change.
        Empty for a tokenizer of which llguidance does not know that it is canonical.
        """
        return self._matcher.compute_ff_tokens() if self.active else []

    def fill(self, words: NDArray[np.int32]) -> None:
        """Write the mask of allowed tokens, bit i of word w for token 32 w + i; `words` is int32 `[ceil(V / 32)]`."""
        if not self.active:
            words.fill(-1)
            return
        self._matcher.unsafe_compute_mask_ptr(words.ctypes.data, words.nbytes)
        if self._matcher.is_error():
            raise GrammarError(_first_line(self._matcher))


def _first_line(matcher: llguidance.LLMatcher) -> str:
    """llguidance appends its whole state and the grammar to an error; a person needs the first line."""
    return str(matcher.get_error()).split("\n", 1)[0]


class GrammarCompiler:
    """Compiles grammars for one tokenizer, off the engine thread, and keeps those that were used last."""

    def __init__(self, model_path: Path, vocab_size: int) -> None:
        self._path = model_path / "tokenizer.json"
        self._vocab_size = vocab_size
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="grammar")
        self._tokenizers: dict[tuple[int, ...], llguidance.LLTokenizer] = {}
        self._compiled: OrderedDict[tuple[str, tuple[int, ...]], llguidance.LLMatcher] = OrderedDict()

    def submit(self, grammar: Grammar, stop_ids: tuple[int, ...] = ()) -> "Future[Matcher]":
        """A complete output may be followed by one of `stop_ids` only.

        The future raises GrammarError for a grammar that does not compile.
        """
        return self._pool.submit(self._compile, grammar, stop_ids)

    def _compile(self, grammar: Grammar, stop_ids: tuple[int, ...]) -> Matcher:
        key = (grammar.source, stop_ids)
        if key not in self._compiled:
            self._compiled[key] = self._new(grammar.source, stop_ids)
        self._compiled.move_to_end(key)
        while len(self._compiled) > COMPILED:
            self._compiled.popitem(last=False)
        return Matcher(self._compiled[key].deep_copy(), grammar.after)

    def _new(self, source: str, stop_ids: tuple[int, ...]) -> llguidance.LLMatcher:
        """At its beginning, with the first mask computed: that builds automata, which copies take along."""
        matcher = llguidance.LLMatcher(self._tokenizer(stop_ids), source, log_level=0)
        if not matcher.is_error():
            matcher.compute_bitmask()
        if matcher.is_error():
            raise GrammarError(_first_line(matcher))
        return matcher

    def _tokenizer(self, stop_ids: tuple[int, ...]) -> llguidance.LLTokenizer:
        """Read once, on the one worker; all requests of a model have the same stop ids."""
        if stop_ids not in self._tokenizers:
            self._tokenizers = {stop_ids: self._read_tokenizer(stop_ids)}
        return self._tokenizers[stop_ids]

    def _read_tokenizer(self, stop_ids: tuple[int, ...]) -> llguidance.LLTokenizer:
        if not self._path.exists():
            raise GrammarError(f"{self._path.name} is missing: grammars need the fast tokenizer")
        try:
            return llguidance.LLTokenizer(str(self._path), n_vocab=self._vocab_size, eos_token=list(stop_ids) or None)
        except ValueError as error:
            raise GrammarError(f"grammars cannot use this model's tokenizer: {error}") from error
