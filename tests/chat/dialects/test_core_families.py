"""Special cases of families whose rule is in test_families.py: what models of theirs write besides."""

import json

import pytest

from tests.chat.builders import run
from tests.chat.dialects.families import parser, pieces, plain
from vivace.chat.dialects.parse import fold
from vivace.chat.events import ToolCallFinished, ToolCallStarted

PARIS = ("get_weather", {"city": "Paris"})
ROME = ("get_weather", {"city": "Rome", "days": 3})
PING = ("ping", {})
CALL, ARGS, ID = "⟦[TOOL_CALLS]⟧", "⟦[ARGS]⟧", "⟦[CALL_ID]⟧"
OPEN, CLOSE, QUOTE = "⟦<|tool_call>⟧", "⟦<tool_call|>⟧", '⟦<|"|>⟧'

# family, output, calls
VECTORS = [
    ("mistral", f'{CALL}get_weather{{"city": "Paris"}}', [PARIS]),
    ("mistral", f'{CALL}get_weather{ID}abcdefgh0{ARGS}{{"city": "Paris"}}', [PARIS]),
    ("mistral", f'{CALL} [{{"name": "get_weather", "arguments": {{"city": "Paris"}}}}]', [PARIS]),
    ("mistral_v11", f'{CALL}get_weather{ARGS}{{"city": "Paris"}}{CALL}ping{ID}abcdefgh1{ARGS}{{}}', [PARIS, PING]),
    ("mistral_v3", f'{CALL}[{{"name": "ping", "arguments": {{}}, "id": "abcdefgh0"}}]', [PING]),
    ("mistral_v3", f"{CALL}ping{ARGS}{{}}", [PING]),
    ("gemma4", f"{OPEN}call:typed{{a:[1,None,{QUOTE}x{QUOTE}],b:true,o:{{k:{QUOTE}v{QUOTE}}},z:None}}{CLOSE}", [
        ("typed", {"a": [1, None, "x"], "b": True, "o": {"k": "v"}, "z": None})
    ]),
    ("gemma4", f"{OPEN}ping{{}}{CLOSE}", [PING]),
    ("gemma4", f'{OPEN}call:get_weather{{city:"Paris"}}{CLOSE}', [PARIS]),
    ("gemma4", f'{OPEN}call:get_weather{{"city": "Paris"}}{CLOSE}', [PARIS]),
    ("gemma4", f"{OPEN}call:get_weather{{city:{QUOTE}Paris{QUOTE}}}", [PARIS]),
    ("granite", '<tool_call>[{"name": "ping", "arguments": {}}]</tool_call>', [PING]),
    ("granite", '<function_call> {"name": "ping", "arguments": {}}\n<function_call> '
        '{"name": "get_weather", "arguments": {"city": "Paris"}}', [PING, PARIS]),
    ("lfm2", """⟦<|tool_call_start|>⟧[get_weather(city="Rome", days=3)]⟦<|tool_call_end|>⟧""", [ROME]),
    ("lfm2", "⟦<|tool_call_start|>⟧[typed(a=[1, null, true], b=True, z=None)]⟦<|tool_call_end|>⟧", [
        ("typed", {"a": [1, None, True], "b": True, "z": None})
    ]),
    ("kimi_k2", "⟦<|tool_call_begin|>⟧functions.ping:0⟦<|tool_call_argument_begin|>⟧{}⟦<|tool_call_end|>⟧", [PING]),
]  # fmt: skip


@pytest.mark.parametrize(("family", "rendered", "calls"), VECTORS)
@pytest.mark.parametrize("as_tokens", [False, True])
@pytest.mark.parametrize("size", [1, 1000])
def test_what_models_write(family, rendered, calls, as_tokens, size):
    fed = pieces(rendered, size) if as_tokens else pieces(plain(rendered), size)
    tokens = frozenset(p.text for p in fed if p.marker)
    answer = fold(run(fed, parser(family, as_tokens=as_tokens, tokens=tokens)))
    assert [(c["name"], json.loads(c["arguments"])) for c in answer["tool_calls"]] == calls
    assert answer["content"] is None


@pytest.mark.parametrize(
    ("family", "rendered", "call_id"),
    [
        ("mistral_v11", f"{CALL}ping{ID}abcDEF012{ARGS}{{}}", "abcDEF012"),
        ("mistral_v3", f'{CALL}[{{"name": "ping", "arguments": {{}}, "id": "abcDEF012"}}]', None),
        ("mistral_v3", f'{CALL}[{{"id": "abcDEF012", "name": "ping", "arguments": {{}}}}]', "abcDEF012"),
        ("kimi_k2", "⟦<|tool_call_begin|>⟧functions.ping:7⟦<|tool_call_argument_begin|>⟧{}", "functions.ping:7"),
    ],
)
def test_ids_that_the_model_writes_before_its_arguments_are_kept(family, rendered, call_id):
    answer = parser(family)
    events = [e for p in pieces(plain(rendered), 3) for e in answer.feed(p)] + answer.finish()
    (started,) = [e for e in events if isinstance(e, ToolCallStarted)]
    assert (started.id == call_id) if call_id else (len(started.id) == 9 and started.id.isalnum())


def test_an_unclosed_call_is_marked_as_mended():
    events = run(pieces(f"{OPEN}call:get_weather{{city:{QUOTE}Paris{QUOTE}}}"), parser("gemma4", as_tokens=True))
    (finished,) = [e for e in events if isinstance(e, ToolCallFinished)]
    assert finished.repaired
