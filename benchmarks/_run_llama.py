"""llama.cpp through its C API, with one context for all streams, as llama-server has it for its slots.

    python -m benchmarks._run_llama MODEL.gguf THREADS FLASH

Runs in llama.cpp's Python. FLASH: 1 for flash attention, 0 without. Everything else is llama.cpp's default, which is
also what suits it: weights rearranged for the processor, f16 keys and values, batches of 512, a part of the cache for
each stream. The next token is numpy's argmax, quicker than any of llama.cpp's samplers.
"""

import sys
import time

import llama_cpp as llama
import numpy as np

from benchmarks._child import serve

_BATCH = 512

Row = tuple[int, int, int, bool]  # token, position, stream, and whether its logits are wanted


class LlamaCpp:
    def __init__(self, path: str, threads: int, flash: bool) -> None:
        llama.llama_backend_init()
        self._model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        if not self._model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        self._vocab_size = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self._model))
        self._threads, self._flash = threads, flash
        self._batch = llama.llama_batch_init(_BATCH, 0, 1)
        self._context = None
        self._size = (0, 0)
        self._next: list[int] = []
        self._position = 0

    def begin(self, prompts: list[list[int]], tokens: int) -> float:
        self._make_room(len(prompts), len(prompts[0]) + tokens)
        began = time.perf_counter()
        last = len(prompts[0]) - 1
        rows = [
            (token, i, stream, i == last) for stream, prompt in enumerate(prompts) for i, token in enumerate(prompt)
        ]
        self._next = self._run(rows)
        self._position = last + 1
        return time.perf_counter() - began

    def decode(self, tokens: int) -> float:
        began = time.perf_counter()
        for _ in range(tokens):
            self._next = self._run([(token, self._position, stream, True) for stream, token in enumerate(self._next)])
            self._position += 1
        return tokens * len(self._next) / (time.perf_counter() - began)

    def end(self) -> None:
        llama.llama_memory_clear(llama.llama_get_memory(self._context), True)

    def _make_room(self, streams: int, tokens: int) -> None:
        """A context for so many streams of so many tokens, unless that of last time will do."""
        if self._size == (streams, tokens):
            return
        if self._context:
            llama.llama_free(self._context)
        params = llama.llama_context_default_params()
        params.n_ctx, params.n_seq_max = streams * -(-tokens // 256) * 256, streams
        params.n_batch = params.n_ubatch = _BATCH
        params.n_threads = params.n_threads_batch = self._threads
        params.flash_attn_type = int(self._flash)
        self._context = llama.llama_init_from_model(self._model, params)
        if not self._context:
            raise RuntimeError("llama.cpp has no memory for the context")
        self._size = (streams, tokens)

    def _run(self, rows: list[Row]) -> list[int]:
        """The tokens that follow those rows whose logits are wanted."""
        found = []
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            self._fill(part)
            if llama.llama_decode(self._context, self._batch):
                raise RuntimeError("llama_decode failed")
            found += [self._argmax(i) for i, row in enumerate(part) if row[3]]
        return found

    def _fill(self, rows: list[Row]) -> None:
        batch = self._batch
        batch.n_tokens = len(rows)
        for i, (token, position, stream, wanted) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, wanted
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, stream

    def _argmax(self, row: int) -> int:
        logits = llama.llama_get_logits_ith(self._context, row)
        return int(np.ctypeslib.as_array(logits, (self._vocab_size,)).argmax())


if __name__ == "__main__":
    serve(lambda: LlamaCpp(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1"))
