"""Messages with headers: reasoning, preambles, calls and the answer."""

import json

import pytest

from tests.chat.builders import run
from tests.chat.dialects.families import parser, pieces, plain
from vivace.chat.dialects import REASONING_DIALECTS
from vivace.chat.dialects.parse import fold, parse_text
from vivace.chat.events import ToolCallFinished

CH, MSG, START, CALL = "⟦<|channel|>⟧", "⟦<|message|>⟧", "⟦<|start|>⟧assistant", "⟦<|call|>⟧"
ARGS = '{"city": "Paris"}'
PARIS = [("get_weather", {"city": "Paris"})]
TO = "to=functions.get_weather"
THOUGHT = f"{CH}analysis{MSG}hm⟦<|end|>⟧{START}"

# opened by the prompt, text, reasoning, content, calls
VECTORS = [
    ("final", False, f"{THOUGHT}{CH}final{MSG}Yes.⟦<|return|>⟧", "hm", "Yes.", []),
    ("only final", False, f"{CH}final{MSG}Yes.", None, "Yes.", []),
    ("no header", False, "Yes, to be sure.", None, "Yes, to be sure.", []),
    ("opened by the prompt", True, f"hm⟦<|end|>⟧{START}{CH}final{MSG}Yes.", "hm", "Yes.", []),
    ("call", False, f"{THOUGHT}{CH}commentary {TO} ⟦<|constrain|>⟧json{MSG}{ARGS}{CALL}", "hm", None, PARIS),
    ("no constraint", False, f"{CH}commentary {TO}{MSG}{ARGS}{CALL}", None, None, PARIS),
    ("stop token left out", False, f"{CH}commentary {TO}{MSG}{ARGS}", None, None, PARIS),
    ("recipient first", False, f"{THOUGHT} {TO}{CH}commentary json{MSG}{ARGS}{CALL}", "hm", None, PARIS),
    ("recipient at the start", False, f" {TO}{CH}commentary{MSG}{ARGS}", None, None, PARIS),
    ("in the analysis channel", False, f"{CH}analysis {TO}{MSG}{ARGS}{CALL}", None, None, PARIS),
    (
        "preamble",
        False,
        f"{CH}commentary{MSG}I look.⟦<|end|>⟧{START}{CH}commentary {TO}{MSG}{ARGS}{CALL}",
        None,
        "I look.",
        PARIS,
    ),
    ("reasoning twice", False, f"{THOUGHT}{THOUGHT}{CH}final{MSG}Yes.", "hmhm", "Yes.", []),
]


@pytest.mark.parametrize(
    ("is_open", "text", "reasoning", "content", "calls"), [v[1:] for v in VECTORS], ids=[v[0] for v in VECTORS]
)
@pytest.mark.parametrize("as_tokens", [False, True])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_messages_come_apart(is_open, text, reasoning, content, calls, as_tokens, size):
    fed = pieces(text, size) if as_tokens else pieces(plain(text), size)
    tokens = frozenset(REASONING_DIALECTS["harmony"].markers) if as_tokens else frozenset()
    events = run(fed, parser("harmony", reasoning="harmony", is_open=is_open, tokens=tokens))
    answer = fold(events)
    assert (answer["reasoning_content"], answer["content"]) == (reasoning, content)
    assert [(c["name"], json.loads(c["arguments"])) for c in answer["tool_calls"]] == calls
    assert not [e for e in events if isinstance(e, ToolCallFinished) and e.repaired]


def test_a_broken_call_is_closed_by_its_token():
    text = f"{CH}commentary {TO}{MSG}" + '{"city": "Paris' + CALL
    (call,) = fold(run(pieces(text), parser("harmony", as_tokens=True, reasoning="harmony")))["tool_calls"]
    assert json.loads(call["arguments"]) == {"city": "Paris"}


def test_an_undeclared_recipient_stays_text():
    text = f"{CH}analysis to=python{MSG}print(1){CALL}"
    answer = fold(run(pieces(text), parser("harmony", as_tokens=True, reasoning="harmony")))
    assert answer["tool_calls"] == []
    assert "print(1)" in answer["content"]


def test_parse_text_reads_both_at_once():
    answer = parse_text("harmony", None, plain(VECTORS[0][2]))
    assert (answer["reasoning_content"], answer["content"]) == ("hm", "Yes.")
