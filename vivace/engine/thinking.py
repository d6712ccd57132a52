"""The thinking budget: reasoning ends when it is used up, whatever the model would rather say."""

import numpy as np
from numpy.typing import NDArray

from vivace.protocol import Thinking


class ThinkingBudget:
    """How much of its reasoning one sequence has left. Several blocks of reasoning share one budget."""

    def __init__(self, thinking: Thinking) -> None:
        self._thinking = thinking
        self._left = thinking.budget
        self._inside = thinking.open

    @property
    def spent(self) -> bool:
        """Inside reasoning, which must end now."""
        return self._inside and self._left <= 0

    def consume(self, token: int) -> None:
        """Move past a token of the output."""
        if token == self._thinking.closer:
            self._inside = False
        elif token == self._thinking.opener:
            self._inside = True
        elif self._inside:
            self._left -= 1

    def restrict(self, words: NDArray[np.int32]) -> None:
        """Leave only the closer of a mask of allowed tokens (see `Matcher.fill`), once the budget is spent.

        A grammar that does not allow it yet, in the middle of a character, is waited for.
        """
        word, bit = divmod(self._thinking.closer, 32)
        closer = words[word : word + 1].view(np.uint32) & np.uint32(1 << bit)
        if self.spent and closer[0]:
            words.fill(0)
            words[word : word + 1] = closer.view(np.int32)
