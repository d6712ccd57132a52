"""Conversations become prompts: rendered, guarded, with what the model said put back, tokenized."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from vivace.chat.boundaries import Boundaries, positions
from vivace.chat.conversation import Conversation, Options, Tool
from vivace.chat.facts import Checkpoint
from vivace.chat.guard import MarkerGuard
from vivace.chat.rendering import Rendering
from vivace.chat.replay import Replay, Replayed, replayed_text, segments, with_reasoning
from vivace.chat.segments import Encoded, Segmenter
from vivace.chat.template import ChatTemplate, template_kwargs, template_messages, template_tools
from vivace.chat.turns import Origin, Recorder, Turn, Turns
from vivace.errors import invalid


@dataclass(frozen=True)
class Prompt:
    """`guarded`: as the template wrote it, with the guard in what clients wrote like a marker."""

    guarded: str
    text: str
    token_ids: list[int]
    boundaries: tuple[int, ...]
    origin: Origin


class PromptWriter:
    """Template and tokenizer of one checkpoint. `kept`: markers that an assistant's turn may contain. Thread-safe."""

    def __init__(self, checkpoint: Checkpoint, tokenizer: Tokenizer, kept: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        written = (checkpoint.chat_template, checkpoint.tool_template, *checkpoint.special_tokens.values())
        self._segmenter = Segmenter(tokenizer, "\n".join(filter(None, written)))
        self._guard = MarkerGuard(tokenizer, checkpoint.tool_template or checkpoint.chat_template or "", kept)
        self._template = _template(checkpoint, checkpoint.chat_template)
        self._tool_template = _template(checkpoint, checkpoint.tool_template) or self._template
        self._boundaries = Boundaries()
        self._turns = Turns()
        self._replay = Replay([text for i in checkpoint.stop_ids if (text := tokenizer.id_to_token(i))])

    def write(self, conversation: Conversation, tools: tuple[Tool, ...], options: Options) -> Prompt:
        """
        Raises:
            VivaceError: the template refuses the conversation, or a text is no Unicode.
        """
        turns = self._turns.known(conversation.messages, options.cache_salt)
        prompt, rendering, replayed = self._with_turns(conversation, turns, tools, options)
        put_back = {span.index: span.turn for span in replayed.spans}
        if _reasoning_shown(prompt, conversation, turns, put_back):
            prompt, rendering, replayed = self._with_turns(conversation, put_back, tools, options)
        text = rendering.clean(prompt)
        pieces = self._guard.pieces(prompt, rendering.guard)
        encoded = Encoded(text, segments(text, pieces, replayed.spans, self._segmenter))
        return Prompt(
            guarded=prompt,
            text=replayed_text(text, replayed.spans),
            token_ids=encoded.ids,
            boundaries=positions(encoded, self._boundaries.find(text, rendering)),
            origin=replayed.origin,
        )

    def record(self, origin: Origin) -> Recorder:
        """Listens to an answer to the prompt of this origin."""
        return Recorder(self._turns, origin, lambda ids: self._tokenizer.decode(ids, skip_special_tokens=False))

    def _with_turns(
        self, conversation: Conversation, turns: Mapping[int, Turn], tools: tuple[Tool, ...], options: Options
    ) -> tuple[str, Rendering, Replayed]:
        rendering = self._rendering(with_reasoning(conversation, turns), tools, options)
        prompt = rendering.guarded(rendering.messages)
        _check_unicode(prompt)
        return prompt, rendering, self._replay.find(rendering.clean(prompt), rendering, turns, options.cache_salt)

    def _rendering(self, conversation: Conversation, tools: tuple[Tool, ...], options: Options) -> Rendering:
        template = self._tool_template if tools else self._template
        if template is None:
            raise invalid("This model has no chat template: it completes text, but does not chat.", "model")
        messages = template_messages(conversation, template.system)
        messages, offered, guard = self._guard.protect(messages, template_tools(tools))
        return Rendering(conversation, template, messages, offered, template_kwargs(options), guard)


def _reasoning_shown(
    prompt: str, conversation: Conversation, turns: Mapping[int, Turn], put_back: Mapping[int, Turn]
) -> bool:
    """Whether reasoning that the client has left out is in the prompt without its turn being put back."""
    left_out = (turn for i, turn in turns.items() if i not in put_back and not conversation.messages[i].reasoning)
    return any(turn.calls and turn.reasoning.strip() and turn.reasoning.strip() in prompt for turn in left_out)


def _template(checkpoint: Checkpoint, source: str | None) -> ChatTemplate | None:
    return ChatTemplate(source, checkpoint.special_tokens) if source is not None else None


def _check_unicode(prompt: str) -> None:
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError as error:
        raise invalid(
            f"A text holds half a surrogate pair ({error.object[error.start]!r}): no valid Unicode."
        ) from error
