"""Prompts of an exact number of tokens, never the same twice, and answers that never end early."""

import random
import re
from pathlib import Path

from vivace.chat.checkpoint import ChatModel, Prepared
from vivace.chat.conversation import Conversation, Message, Options

_BIAS = 100.0  # OpenAI's largest: nothing else can be drawn
_WORD = re.compile("Ġ[a-z]{3,}")  # a space and a word, in the alphabet of byte-level tokenizers


class Prompts:
    """Of one checkpoint with a byte-level tokenizer, reproducible by `seed`.

    Attributes:
        logit_bias: leaves only whole words to greedy decoding. So no answer ends before its last token, each token is
            text that a server can show at once, and none opens reasoning or a tool call.
    """

    def __init__(self, checkpoint: Path, seed: int = 0) -> None:
        self._chat = ChatModel.load(checkpoint)
        vocabulary = self._chat.tokenizer.get_vocab()
        words = sorted(word for word in vocabulary if _WORD.fullmatch(word))
        self._words = [word.removeprefix("Ġ") for word in words]
        self.logit_bias = {vocabulary[word]: _BIAS for word in words}
        self._random = random.Random(seed)

    def make(self, tokens: int) -> str:
        """A user's message that, with the template around it, has this many tokens.

        Raises:
            ValueError: the template alone has more.
        """
        text = self._random.choice(self._words)
        missing = tokens - len(self.prepare(text).token_ids)
        if missing < 0:
            raise ValueError(f"no prompt of this model has {tokens} tokens: the shortest has {tokens - missing}")
        return " ".join([text, *self._random.choices(self._words, k=missing)])

    def prepare(self, text: str) -> Prepared:
        """What the gateway makes of a request of `_client.request_body`."""
        options = Options(temperature=0.0, logit_bias=self.logit_bias)
        return self._chat.prepare(Conversation((Message("user", text),)), options)
