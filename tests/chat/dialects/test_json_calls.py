"""What only some families, or only careless models, write."""

import json

import pytest

from tests.chat.builders import run
from tests.chat.dialects.families import parser
from vivace.chat.dialects.base import Piece
from vivace.chat.dialects.parse import fold
from vivace.chat.events import ToolCallFinished, ToolCallStarted

OPEN, CLOSE = "<tool_call>\n", "\n</tool_call>"
PARIS = [("get_weather", {"city": "Paris"})]

# family, text, calls, content, repaired
VECTORS = [
    ("hermes", OPEN + '{"arguments": {"city": "Paris"}, "name": "get_weather"}' + CLOSE, PARIS, None, False),
    ("hermes", OPEN + '{"name": "get_weather", "parameters": {"city": "Paris"}}' + CLOSE, PARIS, None, False),
    ("hermes", OPEN + '{"function": {"name": "get_weather", "args": {"city": "Paris"}}}' + CLOSE, PARIS, None, False),
    ("hermes", OPEN + '{"name": "ping"}' + CLOSE, [("ping", {})], None, False),
    ("hermes", OPEN + '{"name": "ping", "arguments": null}' + CLOSE, [("ping", {})], None, False),
    ("hermes", OPEN + '{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}' + CLOSE, PARIS, None, True),
    ("hermes", OPEN + '{"name": "get_weather", "arguments": {"city": "Paris"}' + CLOSE, PARIS, None, True),
    ("hermes", OPEN + '{"name": "get_weather", "arguments": {"city": "Paris' + CLOSE.strip(), PARIS, None, True),
    ("hermes", OPEN + '{"name": "get_weather", "arguments": {"city": "Paris"}}}' + CLOSE, PARIS, None, True),
    ("hermes", OPEN + '{"name": "get_weather", "arguments": {"city": "Paris"}}', PARIS, None, True),
    ("hermes", OPEN + '[{"name": "get_weather", "arguments": {"city": "Paris"}}]' + CLOSE, PARIS, None, False),
    ("hermes", OPEN + '{"name": "get_wea', [], OPEN + '{"name": "get_wea', False),
    ("granite", '<tool_call>[{"name": "get_weather", "arguments": {"city": "Paris"}}]</tool_call>', PARIS, None, False),
    ("llama3", '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}', PARIS, None, False),
    ("llama3", '<function=get_weather>{"city": "Paris"}</function>', PARIS, None, False),
    ("llama3", '{"name": "get_weather"}', [], '{"name": "get_weather"}', False),
    ("llama3", '{"a": 1}', [], '{"a": 1}', False),
    ("llama3", '[get_weather(city="Paris")]', PARIS, None, False),
    ("llama4", 'See [get_weather(city="Paris")]', [], 'See [get_weather(city="Paris")]', False),
    ("lfm2", '<|tool_call_start|>[get_weather("Paris")]<|tool_call_end|>', PARIS, None, True),
    ("lfm2", """<|tool_call_start|>[get_weather(city='it's "é"', days=3)]<|tool_call_end|>""",
     [("get_weather", {"city": 'it\'s "é"', "days": 3})], None, True),
    ("mistral", '[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Paris"}}]', PARIS, None, False),
]  # fmt: skip


@pytest.mark.parametrize(("family", "text", "calls", "content", "repaired"), VECTORS)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_variants(family, text, calls, content, repaired, size):
    events = run([text[at : at + size] for at in range(0, len(text), size)], parser(family))
    answer = fold(events)
    assert [(c["name"], json.loads(c["arguments"])) for c in answer["tool_calls"]] == calls
    assert answer["content"] == content
    assert any(e.repaired for e in events if isinstance(e, ToolCallFinished)) is repaired


def started(family: str, text: str) -> list[ToolCallStarted]:
    return [e for e in parser(family).feed(Piece(text)) if isinstance(e, ToolCallStarted)]


def test_ids_are_those_of_the_family():
    kimi = "<|tool_call_begin|>functions.get_weather:3<|tool_call_argument_begin|>{}<|tool_call_end|>"
    (call,) = started("kimi_k2", "<|tool_calls_section_begin|>" + kimi)
    assert (call.id, call.name) == ("functions.get_weather:3", "get_weather")
    (call,) = started("mistral", "[TOOL_CALLS]get_weather[ARGS]{")
    assert len(call.id) == 9
    assert call.id.isalnum()
