"""What `vivace serve` prints when it listens."""

import json
import re
import shlex

import pytest

from vivace.cli.serve import banner, exposed
from vivace.settings import Settings


def test_the_curl_line_is_a_valid_request() -> None:
    shown = banner("http://127.0.0.1:8000", "vivace-mini", needs_key=False)
    line = next(line for line in shown.splitlines() if line.startswith("curl "))
    words = shlex.split(line)
    assert words[1] == "http://127.0.0.1:8000/v1/chat/completions"
    body = json.loads(words[words.index("-d") + 1])
    assert body["model"] == "vivace-mini"
    assert body["messages"][0]["role"] == "user"
    assert not re.search("authorization", line, re.IGNORECASE)


@pytest.mark.parametrize("needs_key", [True, False])
def test_a_key_is_asked_for_where_one_is_needed(needs_key: bool) -> None:
    assert ("Authorization: Bearer YOUR_KEY" in banner("http://host:1", "m", needs_key)) is needs_key


@pytest.mark.parametrize(
    ("host", "keys", "expected"),
    [
        ("127.0.0.1", [], False),
        ("localhost", [], False),
        ("::1", [], False),
        ("0.0.0.0", [], True),
        ("192.168.1.5", [], True),
        ("my-machine", [], True),
        ("0.0.0.0", ["secret"], False),
    ],
)
def test_a_server_that_others_reach_without_a_key_is_warned_of(host: str, keys: list[str], expected: bool) -> None:
    assert exposed(Settings(host=host, api_key=keys)) is expected
