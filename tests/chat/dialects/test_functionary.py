"""Messages whose first recipient stands in the prompt."""

import json

import pytest

from tests.chat.builders import run
from tests.chat.dialects.families import parser, pieces, plain
from vivace.chat.dialects.parse import fold

ARGS = '{"city": "Paris"}'
PARIS = ("get_weather", {"city": "Paris"})
PING = ("ping", {})
FROM, CONTENT = "⟦<|from|>⟧assistant\n⟦<|recipient|>⟧", "\n⟦<|content|>⟧"

# family (of calls and of answers), text, calls, content
VECTORS = [
    ("functionary_v32", "all\nHello all\nof you", [], "Hello all\nof you"),
    ("functionary_v32", f"get_weather\n{ARGS}", [PARIS], None),
    ("functionary_v32", f"all\nI look.>>>get_weather\n{ARGS}>>>ping\n{{}}", [PARIS, PING], "I look."),
    ("functionary_v32", "all\n>>> get_weather(1)\n>>> ping\n2", [], ">>> get_weather(1)\n>>> ping\n2"),
    ("functionary_v32", "all is well", [], "all is well"),
    ("functionary_v32", "ping is a tool", [], "ping is a tool"),
    ("functionary_v2", f"all{CONTENT}Hello all{CONTENT}", [], plain(f"Hello all{CONTENT}")),
    ("functionary_v2", f"get_weather{CONTENT}{ARGS}", [PARIS], None),
    ("functionary_v2", f"all{CONTENT}I look.{FROM}get_weather{CONTENT}{ARGS}", [PARIS], "I look."),
    ("functionary_v2", f"get_weather{CONTENT}{ARGS}\n{FROM}ping{CONTENT}{{}}", [PARIS, PING], None),
    ("functionary_v2", "all is well", [], "all is well"),
    ("functionary_v2", "al", [], "al"),
]


@pytest.mark.parametrize(("family", "text", "calls", "content"), VECTORS)
@pytest.mark.parametrize("as_tokens", [False, True])
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_recipients(family, text, calls, content, as_tokens, size):
    given = pieces(text, size) if as_tokens else pieces(plain(text), size)
    answer = fold(run(given, parser(family, as_tokens=as_tokens, reasoning=family)))
    assert [(c["name"], json.loads(c["arguments"])) for c in answer["tool_calls"]] == calls
    assert answer["content"] == content


def test_calls_of_the_versions_without_recipients():
    old = f"Hm.⟦<|reserved_special_token_249|>⟧get_weather\n{ARGS}⟦<|reserved_special_token_249|>⟧ping\n{{}}"
    assert [c["name"] for c in fold(run(pieces(old), parser("functionary_v25", as_tokens=True)))["tool_calls"]] == [
        "get_weather",
        "ping",
    ]
    tagged = fold(
        run([f"Hm. <function=get_weather>{ARGS}</function><function=ping>{{}}</function>"], parser("functionary_v31"))
    )
    assert ([c["name"] for c in tagged["tool_calls"]], tagged["content"]) == (["get_weather", "ping"], "Hm. ")
