"""A checkpoint's way with text: conversations become token ids, token ids become events."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Tokenizer

from vivace import protocol
from vivace.chat.conversation import Conversation, Options, Tool
from vivace.chat.detokenizer import TokenTable
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS, choose
from vivace.chat.dialects.answer import AnswerParser
from vivace.chat.facts import Checkpoint, CheckpointError
from vivace.chat.grammar import GrammarBuilder, Start, check_schemas
from vivace.chat.prompts import PromptWriter
from vivace.chat.text_stream import TextStream
from vivace.chat.turns import Origin, Recorder
from vivace.errors import invalid

__all__ = ["ChatModel", "Checkpoint", "CheckpointError", "Prepared"]


@dataclass(frozen=True)
class Prepared:
    """A conversation ready for the engine.

    Attributes:
        text: the rendered prompt, `token_ids` its tokens.
        boundaries: token positions where the next prompt will probably part from this one (chat/boundaries.py).
        origin: what an answer to this prompt is remembered by.
        reasoning_open: the prompt ends inside reasoning.
        grammar: what constrains the output; `relaxed` says which wishes are not held.
        thinking: what limits the reasoning.
        stop_ids: tokens that end the answer; `stop`: strings that do.
        tools: those that the model was offered; `must_call`: the client has asked for a call.
    """

    text: str
    token_ids: list[int]
    boundaries: tuple[int, ...]
    origin: Origin
    reasoning_open: bool
    grammar: protocol.Grammar | None
    thinking: protocol.Thinking | None
    stop_ids: tuple[int, ...]
    stop: tuple[str, ...]
    tools: tuple[Tool, ...]
    relaxed: tuple[str, ...]
    neutral_sampling: protocol.Sampling
    must_call: bool = False

    def sampling(self, seed: int) -> protocol.Sampling:
        """How tokens are drawn, with this seed (any integer; its low 32 bits count)."""
        return msgspec.structs.replace(self.neutral_sampling, seed=seed % 2**32)


class ChatModel:
    """Template, tokenizer and dialects of one checkpoint. Thread-safe; `prepare` is pure CPU work.

    Attributes:
        tool_dialect, reasoning_dialect: names in the registries of chat/dialects.
        dialect_reasons: "tool" and "reasoning" → why each was chosen.
    """

    def __init__(self, checkpoint: Checkpoint, tokenizer: Tokenizer, tool_dialect: str, reasoning_dialect: str) -> None:
        self.checkpoint = replace(checkpoint, stop_ids=_stop_ids(checkpoint, tokenizer))
        self.tokenizer = tokenizer
        added = {token.content: i for i, token in tokenizer.get_added_tokens_decoder().items()}
        template_text = checkpoint.tool_template or checkpoint.chat_template
        choice = choose(template_text, added, checkpoint.model_type, tool_dialect, reasoning_dialect)
        self.dialect_reasons: Mapping[str, str] = choice.reasons
        self._tools = _known(TOOL_DIALECTS, choice.tool, "tool_dialect")
        self._reasoning = _known(REASONING_DIALECTS, choice.reasoning, "reasoning_dialect")
        self.tool_dialect, self.reasoning_dialect = self._tools.name, self._reasoning.name
        markers = {*self._tools.markers, *self._reasoning.markers}
        self._marker_ids = {text: i for text, i in added.items() if text in markers}
        self._table = TokenTable(tokenizer, frozenset(self._marker_ids))
        self._grammars = GrammarBuilder(
            self._tools, self._reasoning, self._marker_ids, set(added.values()) - set(self.checkpoint.stop_ids)
        )
        self._prompts = PromptWriter(self.checkpoint, tokenizer, kept=self._reasoning.markers)

    @classmethod
    def load(cls, path: Path, *, tool_dialect: str = "auto", reasoning_dialect: str = "auto") -> "ChatModel":
        """Reads everything but the weights.

        Raises:
            CheckpointError: a file is missing or makes no sense, or no dialect has the given name.
        """
        return cls(Checkpoint.read(path), read_tokenizer(path), tool_dialect, reasoning_dialect)

    def prepare(self, conversation: Conversation, options: Options) -> Prepared:
        """Renders and tokenizes a conversation and resolves how it is answered.

        Raises:
            VivaceError: the template refuses the conversation, a schema is invalid, a text is no Unicode.
        """
        try:
            return self._prepare(conversation, options)
        except RecursionError as error:
            raise invalid("The request is nested too deeply.") from error

    def _prepare(self, conversation: Conversation, options: Options) -> Prepared:
        check_schemas(conversation)
        tools = conversation.tools if conversation.tool_choice.mode != "none" else ()
        prompt = self._prompts.write(conversation, tools, options)
        start = self._start(prompt.guarded)
        grammar, relaxed = self._grammars.build(conversation, start)
        thinking, unlimited = self._thinking(options, start, bool(tools))
        return Prepared(
            text=prompt.text,
            token_ids=prompt.token_ids,
            boundaries=prompt.boundaries,
            origin=prompt.origin,
            reasoning_open=start.reasoning_open,
            grammar=grammar,
            thinking=thinking,
            stop_ids=self.checkpoint.stop_ids,
            stop=options.stop,
            tools=tools,
            relaxed=relaxed + unlimited,
            neutral_sampling=self._sampling(options),
            must_call=bool(tools) and conversation.tool_choice.mode in ("required", "named"),
        )

    def stream(self, prepared: Prepared) -> TextStream:
        """Turns one answer's tokens into events; one stream per choice."""
        tokens = frozenset(self._marker_ids)
        is_open, must_call = prepared.reasoning_open, prepared.must_call
        parser = AnswerParser(self._tools, self._reasoning, prepared.tools, is_open, tokens, must_call)
        return TextStream(self._table, parser, prepared.stop)

    def record(self, prepared: Prepared) -> Recorder:
        """Remembers one answer as it was generated, for the prompts that it will be part of; one per choice."""
        return self._prompts.record(prepared.origin)

    def _start(self, prompt: str) -> Start:
        closers = self._reasoning.closers
        is_open = self._reasoning.open_in(prompt)
        closed = prompt.rstrip().endswith(closers)
        return Start(is_open, bool(closers) and not is_open and not closed, self._reasoning.closer_in(prompt))

    def _thinking(
        self, options: Options, start: Start, may_call: bool
    ) -> tuple[protocol.Thinking | None, tuple[str, ...]]:
        """What ends reasoning at the budget, and a note where nothing can."""
        reasoning = self._reasoning
        if options.thinking_budget is None or not reasoning.closer:
            return None, ()
        opener, resume, answer = map(self._ids, (reasoning.opener, reasoning.resume, reasoning.answer_open))
        closer = self._ids(start.closer if start.reasoning_open else reasoning.closer)
        # Letters at its ends could become one token with what stands beside them: nobody would notice a closer.
        if not {closer[0], closer[-1]} <= set(self._marker_ids.values()):
            return None, ("the thinking budget is not kept: this vocabulary has no tokens that end reasoning",)
        if not may_call:
            resume, answer = resume + answer, ()
        return protocol.Thinking(options.thinking_budget, closer, opener, start.reasoning_open, resume, answer), ()

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _sampling(self, options: Options) -> protocol.Sampling:
        """The client's wish, else the checkpoint's default, else the neutral value."""
        for token in options.logit_bias:
            if not 0 <= token < self.checkpoint.vocab_size:
                limit = self.checkpoint.vocab_size - 1
                raise invalid(f"{token} is no token id of this model (0 to {limit}).", f"logit_bias.{token}")
        defaults = _sampling_defaults(self.checkpoint.generation_defaults)
        wished = {name: getattr(options, name) for name in protocol.Sampling.__struct_fields__ if name != "seed"}
        return protocol.Sampling(**defaults | {name: value for name, value in wished.items() if value is not None})


def _stop_ids(checkpoint: Checkpoint, tokenizer: Tokenizer) -> tuple[int, ...]:
    """With the token that the tokenizer itself names as the end, which some configurations leave out."""
    end = tokenizer.token_to_id(checkpoint.special_tokens.get("eos_token", ""))
    return tuple(dict.fromkeys([*checkpoint.stop_ids, *([] if end is None else [end])]))


def _sampling_defaults(generation: Mapping[str, Any]) -> dict[str, Any]:
    fields = {"temperature": float, "top_p": float, "top_k": int, "min_p": float, "repetition_penalty": float}
    defaults = {k: kind(generation[k]) for k, kind in fields.items() if isinstance(generation.get(k), int | float)}
    return defaults | ({"temperature": 0.0} if generation.get("do_sample") is False else {})


def read_tokenizer(path: Path) -> Tokenizer:
    """tokenizer.json as it is: transformers may rebuild its pre-tokenizer by model type, which changes the ids.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    file = path / "tokenizer.json"
    if not file.is_file():
        other = next((f.name for f in sorted(path.glob("*")) if f.name in ("tokenizer.model", "vocab.json")), None)
        found = f" There is only {other}." if other else ""
        raise CheckpointError(
            f"{file} is missing.{found} transformers writes it: "
            "AutoTokenizer.from_pretrained(directory).save_pretrained(directory)."
        )
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises nothing narrower
        raise CheckpointError(f"{file} cannot be read: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _known(registry: Mapping[str, Any], name: str, setting: str) -> Any:
    if name not in registry:
        raise CheckpointError(f"{setting} {name!r} is not known. There are: auto, {', '.join(sorted(registry))}.")
    return registry[name]
