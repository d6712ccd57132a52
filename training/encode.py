"""From a Sample to token ids and loss weights, through the chat template that the server uses."""

import json
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Template
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.sample import JSON, Sample
from vivace.assets import embedded_model_path


def _tojson(value: Any, **options: Any) -> str:
    """As transformers renders templates: not escaped for HTML."""
    return json.dumps(value, ensure_ascii=False, **options)


@cache
def _template() -> Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = _tojson
    return environment.from_string((embedded_model_path() / "chat_template.jinja").read_text(encoding="utf-8"))


def render(
    messages: list[JSON], tools: list[JSON] | None = None, add_generation_prompt: bool = False, **options: Any
) -> str:
    """The conversation as one text; `options` reach the template as they are."""
    return _template().render(messages=messages, tools=tools, add_generation_prompt=add_generation_prompt, **options)


def render_prompt(sample: Sample) -> str:
    """Everything before the last assistant message, ready for generation."""
    thinking = bool(sample.think)
    return render(sample.messages[:-1], sample.tools, add_generation_prompt=True, enable_thinking=thinking)


class Encoder:
    """Ids and loss weights of a conversation: 1 on what the assistant has to produce, else `prompt_weight`."""

    def __init__(self, tokenizer: Tokenizer, prompt_weight: float = 0.0) -> None:
        self.tokenizer = tokenizer
        self.prompt_weight = prompt_weight
        self._start, self._end = tokenizer.token_to_id("<|im_start|>"), tokenizer.token_to_id("<|im_end|>")
        self._think = tokenizer.token_to_id("<think>")
        self._role = tokenizer.encode("assistant\n").ids
        self._blank = tokenizer.encode("\n\n").ids[0]

    def encode(self, sample: Sample) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """(ids int32 [T], weights float32 [T])"""
        ids = np.array(self.tokenizer.encode(render(sample.messages, sample.tools)).ids, dtype=np.int32)
        weights = np.full(len(ids), self.prompt_weight, dtype=np.float32)
        for start in np.flatnonzero(ids == self._start):
            body = int(start) + 1 + len(self._role)
            if np.array_equal(ids[start + 1 : body], self._role):
                trained = self._trained_from(ids, body, bool(sample.think))
                if trained is not None:
                    weights[trained : body + int(np.argmax(ids[body:] == self._end)) + 1] = 1.0
        return ids, weights

    def _trained_from(self, ids: NDArray[np.int32], body: int, think: bool) -> int | None:
        """The first trained token of an assistant's turn, behind what the generation prompt holds already."""
        if ids[body] != self._think:
            return None if think else body  # an earlier turn of a reasoning conversation does not show its reasoning
        empty = ids[body + 1] == self._blank  # "<think>\n\n</think>\n\n" and not "<think>\n"
        return body + (4 if empty else 2)

    def prompt(self, sample: Sample) -> list[int]:
        """Token ids of `render_prompt`."""
        ids: list[int] = self.tokenizer.encode(render_prompt(sample)).ids
        return ids
