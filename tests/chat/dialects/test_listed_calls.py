"""Phi-4, xLAM, Command, InternLM, Apertus, Jamba: their own variants, and what the vendors' templates allow."""

import json

import pytest

from tests.chat.builders import run
from tests.chat.dialects.families import parser, pieces, plain
from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS
from vivace.chat.dialects.answer import AnswerParser
from vivace.chat.dialects.parse import fold
from vivace.chat.events import TextDelta, ToolCallFinished

ARGS = '{"city": "Paris"}'
CALL = f'{{"name": "get_weather", "arguments": {ARGS}}}'
PARIS = ("get_weather", {"city": "Paris"})
PING = ("ping", {})
BOTH = f'[{CALL}, {{"name": "ping", "arguments": {{}}}}]'
ODD = """it's "é", isn't it"""

# family, reasoning dialect, text, calls, content, reasoning, repaired
VECTORS = [
    ("phi4", "none", f"⟦<|tool_call|>⟧{BOTH}⟦<|/tool_call|>⟧", [PARIS, PING], None, None, False),
    ("phi4", "none", f"functools{BOTH}", [PARIS, PING], None, None, False),
    ("phi4", "none", f"⟦<|tool_call|>⟧{CALL}", [PARIS], None, None, True),
    ("phi4_functools", "none", f" functools[{CALL}]", [PARIS], None, None, False),
    ("phi4_functools", "none", "functools.partial, functools[0]", [], "functools.partial, functools[0]", None, False),
    ("xlam", "none", BOTH, [PARIS, PING], None, None, False),
    ("xlam", "none", f"```json\n{BOTH}\n```", [PARIS, PING], None, None, False),
    ("xlam", "think", f"<think>hm</think>\n\n{BOTH}", [PARIS, PING], None, "hm", False),
    ("xlam", "none", f"Like so: {BOTH}", [], f"Like so: {BOTH}", None, False),
    ("xlam", "none", "[1, 2]", [], "[1, 2]", None, False),
    ("xlam", "none", '[{"name": "get_weather"}]', [], '[{"name": "get_weather"}]', None, False),
    (
        "command",
        "command",
        '⟦<|START_THINKING|>⟧I look.⟦<|END_THINKING|>⟧⟦<|START_ACTION|>⟧[\n    {"tool_call_id": "7", '
        f'"tool_name": "get_weather", "parameters": {ARGS}}}\n]⟦<|END_ACTION|>⟧',
        [PARIS],
        None,
        "I look.",
        False,
    ),
    (
        "command",
        "command_response",
        "⟦<|START_THINKING|>⟧hm⟦<|END_THINKING|>⟧⟦<|START_RESPONSE|>⟧Yes.<|END_RESPONSE|>",
        [],
        "Yes.",
        "hm",
        False,
    ),
    (
        "command_r",
        "none",
        'Action: ```json\n[\n    {\n        "tool_name": "get_weather",\n        "parameters": {\n'
        '            "city": "Paris"\n        }\n    }\n]\n```',
        [PARIS],
        None,
        None,
        False,
    ),
    ("command_r", "none", "Action: none taken. [sic]", [], "Action: none taken. [sic]", None, False),
    ("internlm", "none", f"Hm.⟦<|action_start|>⟧ ⟦<|plugin|>⟧\n{CALL}⟦<|action_end|>⟧", [PARIS], "Hm.", None, False),
    ("internlm", "none", f"⟦<|action_start|>⟧{CALL}⟦<|action_end|>⟧", [PARIS], None, None, False),
    (
        "internlm",
        "none",
        "<|action_start|><|interpreter|>\n```python\n1\n```<|action_end|>",
        [],
        "<|action_start|><|interpreter|>\n```python\n1\n```<|action_end|>",
        None,
        False,
    ),
    (
        "apertus",
        "apertus",
        f'⟦<|inner_prefix|>⟧hm⟦<|inner_suffix|>⟧⟦<|tools_prefix|>⟧[{{"get_weather": {ARGS}}}]⟦<|tools_suffix|>⟧',
        [PARIS],
        None,
        "hm",
        False,
    ),
    ("apertus", "none", f'<|tools_prefix|>{{"ping": {{}}, "get_weather": {ARGS}}}<|tools_suffix|>', [PING, PARIS], None,
     None, False),
    ("apertus", "none", f"<|tools_prefix|>[{CALL}]<|tools_suffix|>", [PARIS], None, None, False),
    ("jamba", "none", f" ⟦<tool_calls>⟧[\n    {CALL}\n]⟦</tool_calls>⟧", [PARIS], None, None, False),
    ("jamba", "none", f"⟦<tool_calls>⟧{CALL}⟦</tool_calls>⟧", [PARIS], None, None, False),
    ("exaone4", "none", f"⟦<tool_call>⟧\n{CALL}\n⟦</tool_call>⟧", [PARIS], None, None, False),
    ("smollm3", "none", '<code>\nget_weather(city="Paris")\nping()\n</code>', [PARIS, PING], None, None, False),
    ("smollm3", "none", "In HTML <code>\nping()\n</code>", [], "In HTML <code>\nping()\n</code>", None, False),
    (
        "olmo3",
        "none",
        "<function_calls>\ntyped(b=true, z=null)\ntyped(b=False, z=None)\n</function_calls>",
        [("typed", {"b": True, "z": None}), ("typed", {"b": False, "z": None})],
        None,
        None,
        False,
    ),
    (
        "olmo3",
        "none",
        f"<function_calls>\nget_weather(city='{ODD}')\n</function_calls>",
        [("get_weather", {"city": ODD})],
        None,
        None,
        True,
    ),
    ("olmo3", "none", "<function_calls>[ping()]</function_calls>", [PING], None, None, False),
    (
        "functiongemma",
        "none",
        "⟦<start_function_call>⟧call:typed{b:true,o:{k:⟦<escape>⟧v⟦<escape>⟧},z:None}⟦<end_function_call>⟧",
        [("typed", {"b": True, "o": {"k": "v"}, "z": None})],
        None,
        None,
        False,
    ),
    ("hermes", "response", "<think>hm</think>\n<response>Yes.</response>", [], "Yes.", "hm", False),
]  # fmt: skip


@pytest.mark.parametrize(("family", "reasoning", "text", "calls", "content", "thoughts", "repaired"), VECTORS)
@pytest.mark.parametrize("as_tokens", [False, True])
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_variants(family, reasoning, text, calls, content, thoughts, repaired, as_tokens, size):
    given = pieces(text, size) if as_tokens and "⟦" in text else pieces(plain(text), size)
    events = run(given, parser(family, as_tokens=as_tokens and "⟦" in text, reasoning=reasoning))
    answer = fold(events)
    assert [(c["name"], json.loads(c["arguments"])) for c in answer["tool_calls"]] == calls
    assert (answer["content"], answer["reasoning_content"]) == (content, thoughts)
    assert any(e.repaired for e in events if isinstance(e, ToolCallFinished)) is repaired


def test_the_end_of_an_answer_that_began_in_the_prompt_is_no_text():
    tokens = frozenset(["<|END_RESPONSE|>"])
    command = TOOL_DIALECTS["command"], REASONING_DIALECTS["command_response"]
    assert run(pieces("Yes.⟦<|END_RESPONSE|>⟧"), AnswerParser(*command, (), False, tokens)) == [TextDelta("Yes.")]
