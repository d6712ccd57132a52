"""mlx-lm as pip installs it: its own continuous batching, MLX's own kernels.

python -m benchmarks._run_mlx_lm CHECKPOINT
"""

import sys
import time
from pathlib import Path

import mlx.core as mx
from mlx_lm.generate import BatchGenerator
from mlx_lm.utils import load_model

from benchmarks._child import serve


class MlxLm:
    def __init__(self, path: Path) -> None:
        self._model, _ = load_model(path)

    def begin(self, prompts: list[list[int]], tokens: int) -> float:
        self._generator = BatchGenerator(self._model, max_tokens=tokens)
        began = time.perf_counter()
        waiting = set(self._generator.insert(prompts))
        while waiting:
            waiting -= {response.uid for response in self._generator.next_generated()}
        return time.perf_counter() - began

    def decode(self, tokens: int) -> float:
        """The step that was begun meanwhile comes first and does not count."""
        self._generator.next_generated()
        began = time.perf_counter()
        count = sum(len(self._generator.next_generated()) for _ in range(tokens))
        took = time.perf_counter() - began
        mx.synchronize(self._generator.stream)
        return count / took

    def end(self) -> None:
        self._generator.close()
        del self._generator


if __name__ == "__main__":
    serve(lambda: MlxLm(Path(sys.argv[1])))
