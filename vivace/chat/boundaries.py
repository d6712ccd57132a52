"""Where the next prompt will part from this one: the places at which a recurrent state is worth keeping.

A template is never parsed: it renders the conversation as it may go on, and the common prefix tells. Such places are

- the end of system prompt and tools, which every conversation with them shares;
- the end of the last user messages, where an answer is asked for again;
- where the next user message makes a difference: with it, many templates leave out the reasoning of the turns before;
- in front of the generation prompt, which is not what the answer looks like once it is history.

A place that is wrong costs a useless snapshot, never a wrong answer: that is the engine's to compare.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from vivace.chat.bounded import BoundedCache
from vivace.chat.conversation import JSON
from vivace.chat.rendering import Rendering, common_prefix
from vivace.chat.segments import Encoded
from vivace.chat.template import opening
from vivace.errors import VivaceError

USER_MESSAGES = 4
APART = 32  # tokens: what lies closer is computed again in less time than a snapshot takes
_HEADS = 4_000_000  # characters
_SUFFIXES = 64
_NONCHARACTERS = [chr(c) for c in range(0xFDEF, 0xFDCF, -1)]  # never in real text; the guard takes them from below
Boundary = tuple[int, int]  # a character of the prompt, and how many the supposed next prompt shares
_CALL = {"id": "a00000001", "type": "function", "function": {"name": "f", "arguments": {"a": "b"}}}
_LAST: dict[str, list[JSON]] = {
    "user": [{"role": "user", "content": "q"}],
    "assistant": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
    "tool": [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "", "tool_calls": [_CALL]},
        {"role": "tool", "content": "r", "tool_call_id": "a00000001", "name": "f"},
    ],
}


class Boundaries:
    """Finds them for the conversations of one model, and remembers what they have in common. Thread-safe."""

    def __init__(self) -> None:
        self._heads: BoundedCache[str] = BoundedCache(_HEADS)
        self._suffixes: BoundedCache[_Suffix] = BoundedCache(_SUFFIXES)

    def find(self, prompt: str, rendering: Rendering) -> list[Boundary]:
        """In no order. `prompt` is the rendering's text."""
        head, generation = self._head(prompt, rendering), self._generation(prompt, rendering)
        found = [(head, head), (generation, len(prompt)), *_user_turns(prompt, rendering)]
        return [(at, shared) for at, shared in found if 0 < at < len(prompt)]

    def _head(self, prompt: str, rendering: Rendering) -> int:
        """End of what comes before the first user message."""
        first, second = (opening(rendering.conversation, rendering.template.system, c) for c in _NONCHARACTERS[:2])
        key = rendering.key(first, rendering.tools)
        known = self._heads.get(key)
        if known is None or not prompt.startswith(known):  # templates may write the date
            one, other = _text_or_nothing(rendering, first), _text_or_nothing(rendering, second)
            known = one[: common_prefix(one, other)]
            self._heads.put(key, known, len(known) + len(key))
        return common_prefix(known, prompt)

    def _generation(self, prompt: str, rendering: Rendering) -> int:
        """Where the generation prompt begins. It is known from a short conversation that ends in the same role."""
        role = rendering.messages[-1]["role"] if rendering.messages else ""
        key = rendering.key(role)
        probe = self._suffixes.get(key)
        if probe is None:
            probe = _suffix(rendering, _LAST.get(role, []))
            self._suffixes.put(key, probe, 1)
        if probe.known and prompt.endswith(probe.text):
            return len(prompt) - len(probe.text)
        return common_prefix(prompt, _text_or_nothing(rendering, rendering.messages, generation=False))


def positions(encoded: Encoded, boundaries: Iterable[Boundary]) -> tuple[int, ...]:
    """Token positions of the boundaries, ascending, at least APART tokens from each other and the start.

    Of two that are close the first stays: it is a common prefix wherever the second is one.
    """
    kept: list[int] = []
    for position in sorted({encoded.settled(at, shared) for at, shared in boundaries}):
        if (kept[-1] if kept else 0) + APART <= position < len(encoded.ids):
            kept.append(position)
    return tuple(kept)


@dataclass(frozen=True)
class _Suffix:
    """The generation prompt, which may be empty. Not known: the template refuses the short conversation."""

    text: str
    known: bool


def _suffix(rendering: Rendering, messages: list[JSON]) -> _Suffix:
    bare = replace(rendering, messages=messages, tools=None)
    without, whole = (_text_or_nothing(bare, messages, generation=generation) for generation in (False, True))
    known = bool(without) and whole.startswith(without)
    return _Suffix(whole[len(without) :] if known else "", known)


def _user_turns(prompt: str, rendering: Rendering) -> list[Boundary]:
    """Where the prompt with a next user message differs, and the ends of the last user messages before that."""
    marks = [c for c in _NONCHARACTERS if c not in prompt and c != rendering.guard][:2]
    if len(marks) < 2:
        return []
    mark, dummy = marks
    answer: list[JSON] = [{"role": "assistant", "content": dummy}] if _is_open(rendering.messages) else []
    next_turn = [*_marked(rendering.messages, mark), *answer, {"role": "user", "content": dummy}]
    parts = _text_or_nothing(rendering, next_turn).split(mark)
    shared = common_prefix(prompt, "".join(parts))
    ends: list[int] = []
    for part in parts[:-1]:
        ends.append((ends[-1] if ends else 0) + len(part))
    return [(at, shared) for at in (*ends, shared) if at <= shared]


def _is_open(messages: list[JSON]) -> bool:
    return not messages or messages[-1]["role"] != "assistant"


def _marked(messages: list[JSON], mark: str) -> list[JSON]:
    """With `mark` at the end of the last user messages, in front of white space that templates may cut off."""
    marked = list(messages)
    users = [i for i, message in enumerate(messages) if message["role"] == "user"]
    for i in users[-USER_MESSAGES:]:
        content = messages[i]["content"]
        end = len(content.rstrip())
        marked[i] = {**messages[i], "content": content[:end] + mark + content[end:]}
    return marked


def _text_or_nothing(rendering: Rendering, messages: list[JSON], **options: Any) -> str:
    """A template may refuse a conversation that is only supposed."""
    try:
        return rendering.text(messages, **options)
    except VivaceError:
        return ""
