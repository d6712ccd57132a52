"""`vivace parse`: text on stdin, and cases one per line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chat.dialects.families import FAMILIES, plain
from tests.cli.conftest import Vivace
from vivace.chat.dialects import TOOL_DIALECTS
from vivace.cli.parse import answer_lines

TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"properties": {"n": {"type": "integer"}}}}}]
CALL = "<tool_call>\n<function=add>\n<parameter=n>\n42\n</parameter>\n</function>\n</tool_call>"


def case(**fields: object) -> str:
    return json.dumps(
        {"dialect": "qwen3_coder_xml", "tools": TOOLS, "thinking_in_prompt": False, "split": None} | fields
    )


@pytest.mark.parametrize("split", [None, 1, 7, [1, 2, 3]])
def test_a_case_whatever_the_split(capsys: pytest.CaptureFixture[str], split: object) -> None:
    assert answer_lines([case(text=f"<think>hm</think>Sure.{CALL}", split=split).encode()]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["reasoning_content"] == "hm"
    assert answer["content"].strip() == "Sure."
    assert [(call["name"], json.loads(call["arguments"])) for call in answer["tool_calls"]] == [("add", {"n": 42})]


GREET = [{"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("as_tokens", [False, True])
def test_every_family_and_its_aliases(capsys: pytest.CaptureFixture[str], family: str, as_tokens: bool) -> None:
    rendered = FAMILIES[family].render([("get_weather", {"city": "Paris"})])
    text = rendered if as_tokens else plain(rendered)
    names = (family, *TOOL_DIALECTS[family].aliases)
    lines = [case(dialect=name, tools=GREET, text=text, tokens=as_tokens, split=2).encode() for name in names]
    assert answer_lines(lines) == 0
    for line in capsys.readouterr().out.splitlines():
        answer = json.loads(line)
        assert (answer["content"], answer["reasoning_content"]) == (None, None)
        assert [(c["name"], json.loads(c["arguments"])) for c in answer["tool_calls"]] == [
            ("get_weather", {"city": "Paris"})
        ]


REASONS = [
    ("hermes", "<think>hm</think>Sure."),
    ("none", "<think>hm</think>Sure."),
    ("gemma4", "<|channel>thought\nhm\n<channel|>Sure."),
    ("gemma4", "<think>hm</think>Sure."),
    ("magistral", "[THINK]hm[/THINK]Sure."),
    ("gpt-oss", "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Sure."),
    ("think", "<think>hm</think>Sure."),
    ("ernie45", "<think>\nhm\n</think>\n\n<response>\nSure.\n</response>\n"),
    ("granite", "<think>hm</think><response>Sure.</response>"),
    ("granite", "Here is my thought process:\nhm\nHere is my response:\nSure."),
    ("command", "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Sure.<|END_RESPONSE|>"),
    ("cohere", "<|START_THINKING|>hm<|END_THINKING|><|START_TEXT|>Sure.<|END_TEXT|>"),
]


@pytest.mark.parametrize(("dialect", "text"), REASONS)
def test_reasoning_as_the_family_writes_it_or_as_most_do(
    capsys: pytest.CaptureFixture[str], dialect: str, text: str
) -> None:
    assert answer_lines([case(dialect=dialect, text=text, tools=None).encode()]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"content": "Sure.", "reasoning_content": "hm", "tool_calls": []}


def test_letters_that_spell_a_token_are_no_token(capsys: pytest.CaptureFixture[str]) -> None:
    text = "⟦<think>⟧a <think> b </think> c⟦</think>⟧Sure."
    assert answer_lines([case(text=text, tokens=True).encode()]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["reasoning_content"], answer["content"]) == ("a <think> b </think> c", "Sure.")


def test_thinking_that_the_prompt_opened(vivace: Vivace) -> None:
    answer = json.loads(vivace("parse", "--jsonl", stdin=case(text="hm</think>Sure.", thinking_in_prompt=True)).out)
    assert (answer["reasoning_content"], answer["content"].strip()) == ("hm", "Sure.")


BAD_LINES = [
    "{",
    "",
    "[]",
    '{"text": "x"}',
    '{"dialect": "klingon", "text": "x"}',
    case(text=1),
    case(text="x", split=0),
    case(text="x", split=True),
    case(text="x", tools=[1]),
    case(text="x", reasoning="hermes"),
    case(text="x", tokens=1),
    "[" * 100_000,
]


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_is_an_error_and_the_next_one_is_answered(capsys: pytest.CaptureFixture[str], line: str) -> None:
    assert answer_lines([f"{line}\n".encode(), case(text="Sure.").encode()]) == 1
    error, answer = map(json.loads, capsys.readouterr().out.splitlines())
    assert list(error) == ["error"]
    assert error["error"]
    assert answer["content"] == "Sure."


def test_bad_lines_show_in_the_exit_code_alone(vivace: Vivace) -> None:
    outcome = vivace("parse", "--jsonl", stdin="{\n")
    assert (outcome.exit_code, outcome.err) == (1, "")


def test_bytes_that_are_no_text_are_an_error(vivace: Vivace) -> None:
    outcome = vivace("parse", "--jsonl", stdin=b"\xff\n")
    assert list(json.loads(outcome.out)) == ["error"]


def test_lone_surrogates_survive(vivace: Vivace) -> None:
    answer = json.loads(vivace("parse", "--jsonl", stdin='{"dialect": "none", "text": "a\\ud800b"}').out)
    assert answer["content"] == "a\ud800b"


def test_each_line_is_answered_before_the_next_one_is_read(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "vivace.cli", "parse", "--jsonl"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
    ) as process:
        assert process.stdin
        assert process.stdout
        for text in ("one", "two"):
            process.stdin.write(case(text=text) + "\n")
            assert json.loads(process.stdout.readline())["content"] == text
        process.stdin.close()
        assert process.wait(10) == 0


def test_people_get_words(vivace: Vivace, tmp_path: Path) -> None:
    (tmp_path / "tools.json").write_text(json.dumps(TOOLS))
    arguments = ("parse", "--dialect", "qwen3_coder_xml", "--tools", "tools.json", "--split", "3")
    outcome = vivace(*arguments, stdin=f"<think>hm</think>Sure.\n{CALL}")
    assert outcome.exit_code == 0
    assert "reasoning_content: hm" in outcome.out
    assert "content: Sure." in outcome.out
    assert 'call: add({"n": 42})' in outcome.out


@pytest.mark.parametrize(
    ("arguments", "exit_code", "complaint"),
    [
        (("--dialect", "klingon"), 1, "no dialect is called 'klingon'"),
        (("--dialect", "none", "--split", "x"), 2, "--split takes a number"),
        (("--dialect", "none", "--split", "0"), 1, "a split is a positive number"),
        (("--dialect", "none", "--tools", "missing.json"), 1, "--tools: missing.json cannot be read"),
    ],
)
def test_mistakes_are_explained(vivace: Vivace, arguments: tuple[str, ...], exit_code: int, complaint: str) -> None:
    outcome = vivace("parse", *arguments, stdin="some text")
    assert (outcome.exit_code, "Traceback" in outcome.err) == (exit_code, False)
    assert complaint in outcome.err
