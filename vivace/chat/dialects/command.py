"""Command R7B, A and North (Cohere): a JSON list between two tokens. Command R and R+: one in a fence after `Action:`.

The ids that the model writes count from 0, so that they do not tell calls of two turns apart: they are not kept.

Source: chat templates of CohereLabs/c4ai-command-r7b-12-2024, c4ai-command-a-03-2025 and c4ai-command-r-plus-08-2024.
"""

from vivace.chat.dialects.framed import Frame, FramedDialect, FramedWay
from vivace.chat.dialects.json_calls import JsonCalls

_FORM = JsonCalls("tool_name", "parameters", index="tool_call_id", listed=True, spread=True)
_ACTION = JsonCalls("tool_name", "parameters", before=("```json", "\n"), listed=True, spread=True)
DIALECT = FramedDialect("command", (FramedWay(Frame("<|START_ACTION|>", "<|END_ACTION|>"), _FORM),), ("cohere",))
R = FramedDialect("command_r", (FramedWay(Frame("Action:", "```", newline="\n"), _ACTION),))
