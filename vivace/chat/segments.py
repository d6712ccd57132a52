"""Tokenizes a prompt in segments, so that text which came before in the conversation is looked up, not computed.

A tokenizer first cuts a text at its added tokens, as they stand in it letter by letter, and treats what lies between
each for itself: normalizer, pre-tokenizer and merges never look across. So a text may be cut in front of such a token
and the pieces tokenized alone, with the ids of the whole. We cut at the tokens that the chat template writes, if

- they are matched before normalization (`normalized` is false), and match wherever their letters stand: no
  `single_word`, and no `lstrip`, which reaches in front of them;
- no other added token can be found over the cut: none contains them or ends with their beginning.

Since a segment begins with its token, what follows it is never the start of a text, where some tokenizers put a space.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tokenizers import AddedToken, Tokenizer

from vivace.chat.bounded import BoundedCache

_CACHED_CHARACTERS = 16_000_000  # about as many bytes of text, and 8 bytes for each of its tokens
_NEAR = 64  # characters: a few tokens are not worth a look into the segment
_WINDOW = 512  # characters
_WORD_END = re.compile(r".*\S(?=\s)", re.DOTALL)


@dataclass(frozen=True)
class Segment:
    """Tokens of a text of `length` characters. `starts`: the character that each begins with, or empty: unknown."""

    length: int
    ids: Sequence[int]
    starts: Sequence[int]

    @property
    def lead(self) -> int:
        """Characters of the first token, or a few more."""
        return self.starts[1] if len(self.starts) > 1 else self.length

    def tokens_before(self, at: int) -> int:
        """How many tokens end at or before the character `at`, or one less."""
        index = bisect_left(self.starts, at)
        exact = index < len(self.starts) and self.starts[index] == at
        return index if exact else max(0, index - 1)


class Encoded:
    """The tokens of a prompt, and where its characters are among them.

    `text` is what the segments' lengths count in.
    """

    def __init__(self, text: str, segments: Sequence[Segment]) -> None:
        self.ids: list[int] = []
        self._text = text
        self._segments = segments
        self._starts: list[int] = []  # of each segment in the text
        self._firsts: list[int] = []  # of each segment in the ids
        start = 0
        for segment in segments:
            self._starts.append(start)
            self._firsts.append(len(self.ids))
            self.ids.extend(segment.ids)
            start += segment.length

    def settled(self, at: int, shared: int) -> int:
        """The last token position before the character `at` that a text with the same first `shared` characters has
        too, whatever follows there.

        That is the beginning of a segment, if one is near and its token is shared, or else the end of a word: a
        tokenizer joins letters to words, and signs to the white space behind them, but no word to white space behind.
        """
        index = bisect_right(self._starts, at) - 1
        if index < 0:
            return 0
        start = self._starts[index]
        if start + self._segments[index].lead > shared:
            return self._word_end(index - 1, start) if index else 0
        return self._firsts[index] if at - start <= _NEAR else self._word_end(index, at)

    def _word_end(self, index: int, at: int) -> int:
        """The same within one segment."""
        start = self._starts[index]
        window = max(start, at - _WINDOW)
        word = _WORD_END.match(self._text[window:at])
        return self._firsts[index] + (self._segments[index].tokens_before(window + word.end() - start) if word else 0)


class Segmenter:
    """Thread-safe. `template`: a text that holds the tokens to cut at; without any, every text is one segment."""

    def __init__(self, tokenizer: Tokenizer, template: str) -> None:
        self._tokenizer = tokenizer
        self._cache: BoundedCache[Segment] = BoundedCache(_CACHED_CHARACTERS)
        self.cuts: Collection[str] = _cuts(tokenizer.get_added_tokens_decoder().values(), template)
        self._cut = _any_of(self.cuts)
        if not self._cuts_are_harmless():
            self.cuts, self._cut = (), _any_of(())

    def encode(self, pieces: Sequence[str]) -> list[Segment]:
        """Segments of the pieces, each of which is a text for itself. No special tokens are added."""
        return [self._segment(text) for piece in pieces for text in self._split(piece)]

    def _split(self, text: str) -> list[str]:
        borders = [0, *(m.start() for m in self._cut.finditer(text) if m.start()), len(text)]
        return [text[a:b] for a, b in pairwise(borders)] if text else []

    def _segment(self, text: str) -> Segment:
        known = self._cache.get(text)
        if known is None:
            known = self._encoded(text)
            self._cache.put(text, known, len(text))
        return known

    def _encoded(self, text: str) -> Segment:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return Segment(len(text), array("I", encoding.ids), array("I", [start for start, _ in encoding.offsets]))

    def _cuts_are_harmless(self) -> bool:
        """A last look: the reasons above hold for the kinds of tokenizer that we know."""
        texts = (" a", "b \n", "é🙂", "\n\n  c", "1 2.", "")
        probe = "x".join(f"{text}{cut}{text}{cut}" for cut in self.cuts for text in texts)
        whole = self._tokenizer.encode(probe, add_special_tokens=False).ids
        return [i for text in self._split(probe) for i in self._encoded(text).ids] == whole


def _any_of(texts: Collection[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, texts)) or r"(?!)")


def _cuts(added: Collection[AddedToken], template: str) -> list[str]:
    matched_first = [token for token in added if not token.normalized and token.content]
    usable = [t.content for t in matched_first if t.content in template and not (t.lstrip or t.single_word)]
    everything = "\0".join(token.content for token in matched_first)
    endings = {token.content[i:] for token in matched_first for i in range(1, len(token.content))}
    return [text for text in usable if everything.count(text) == 1 and not _beginnings(text) & endings]


def _beginnings(text: str) -> set[str]:
    return {text[:i] for i in range(1, len(text))}
