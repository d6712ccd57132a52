"""One conversation with one template, to be rendered again with something changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vivace.chat.conversation import JSON, Conversation
from vivace.chat.template import ChatTemplate


@dataclass(frozen=True)
class Rendering:
    """`messages` and `tools` are those that the template is given, with the guard in them where there is one."""

    conversation: Conversation
    template: ChatTemplate
    messages: list[JSON]
    tools: list[JSON] | None
    kwargs: Mapping[str, Any]
    guard: str

    def text(self, messages: list[JSON] | None = None, *, generation: bool = True) -> str:
        """What the model is shown, without the guard.

        Raises:
            VivaceError: the template refuses the conversation.
        """
        return self.clean(self.guarded(self.messages if messages is None else messages, generation=generation))

    def guarded(self, messages: list[JSON], *, generation: bool = True) -> str:
        return self.template.render(messages, self.tools, self.kwargs, generation=generation)

    def clean(self, text: str) -> str:
        return text.replace(self.guard, "") if self.guard else text

    def key(self, *parts: Any) -> str:
        """Equal for equal parts, with the same template and variables."""
        return json.dumps([id(self.template), self.kwargs, *parts], sort_keys=True)


def common_prefix(a: str, b: str) -> int:
    """Characters that both begin with."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
