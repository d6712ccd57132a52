"""The thinking budget: reasoning ends when it is used up, whatever the model would rather say."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from vivace.protocol import Thinking


class ThinkingBudget:
    """How much of its reasoning one sequence has left. Several blocks of reasoning share one budget."""

    def __init__(self, thinking: Thinking) -> None:
        self._thinking = thinking
        self._left = thinking.budget
        self._last: deque[int] = deque(maxlen=max(len(thinking.closer), len(thinking.opener)))
        self._behind: tuple[int, ...] = ()  # what is still to follow a closer that came at the limit
        self._inside = thinking.open
        self._cut = False  # a block has ended at the limit

    @property
    def forced(self) -> int | None:
        """The token that must come next: of the closer, if the budget is spent, or of what follows it."""
        if self._behind:
            return self._behind[0]
        if not self._inside or self._left > 0:
            return None
        closer = self._thinking.closer
        return closer[self._begun(closer)]

    def consume(self, token: int) -> None:
        """Move past a token of the output."""
        self._last.append(token)
        if self._behind:
            # Where a grammar wants something else there, it leads.
            self._behind = self._behind[1:] if token == self._behind[0] else ()
        if self._ends_with(self._thinking.closer):
            self._close()
        elif self._ends_with(self._thinking.opener):
            self._inside = True
        elif self._inside:
            self._left -= 1

    def restrict(self, words: NDArray[np.int32]) -> None:
        """Leave only the forced token of a mask of allowed ones (see `Matcher.fill`), if there is one.

        A grammar that does not allow the closer yet, in the middle of a character, is waited for.
        """
        if self.forced is None:
            return
        word, bit = divmod(self.forced, 32)
        allowed = words[word : word + 1].view(np.uint32) & np.uint32(1 << bit)
        if allowed[0]:
            words.fill(0)
            words[word : word + 1] = allowed.view(np.int32)

    def _close(self) -> None:
        if self._inside and self._left <= 0:
            self._behind = self._thinking.resume + (self._thinking.answer if self._cut else ())
            self._cut = True
        self._inside = False

    def _ends_with(self, marker: tuple[int, ...]) -> bool:
        return bool(marker) and tuple(self._last)[-len(marker) :] == marker

    def _begun(self, marker: tuple[int, ...]) -> int:
        """With how many of the marker's tokens, not all of them, the output ends."""
        last = tuple(self._last)
        return next((n for n in range(len(marker) - 1, 0, -1) if last[-n:] == marker[:n]), 0)
