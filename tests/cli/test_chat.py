"""Which words are a model and which a question; sessions, commands of the REPL, and what the terminal shows."""

import io
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from vivace.chat.events import ReasoningDelta, TextDelta
from vivace.cli import repl
from vivace.cli.chat import names_a_model, question_of, split_words
from vivace.cli.client import Done, Piece
from vivace.cli.errors import CliError
from vivace.cli.session import Session, readable
from vivace.cli.terminal import AnswerPrinter


@pytest.mark.parametrize(
    ("words", "model", "expected"),
    [
        ([], None, (None, [])),
        (["hello"], None, (None, ["hello"])),
        (["What is 2/3?"], None, (None, ["What is 2/3?"])),
        (["vivace-mini"], None, ("vivace-mini", [])),
        (["org/name", "hello"], None, ("org/name", ["hello"])),
        (["hello", "org/name"], None, (None, ["hello", "org/name"])),
        (["folder", "hello"], None, ("folder", ["hello"])),
        (["and/or"], "org/name", ("org/name", ["and/or"])),
    ],
)
def test_the_first_word_is_the_model_if_it_looks_like_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], model: str | None, expected: Any
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert split_words(words, model, names_a_model) == expected


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("words", "stdin", "question"),
    [
        (["one", "two"], io.StringIO("never read"), "one two"),
        ([], io.StringIO("from a pipe\n"), "from a pipe"),
        (["Sum up:", "-"], io.StringIO("a text\n"), "Sum up: a text"),
        ([], Terminal(), None),
        (["hi"], Terminal(), "hi"),
    ],
)
def test_the_question(words: list[str], stdin: io.StringIO, question: str | None) -> None:
    assert question_of(words, stdin) == question


def test_an_empty_stdin_is_no_question() -> None:
    with pytest.raises(CliError) as caught:
        question_of([], io.StringIO(" \n"))
    assert caught.value.exit_code == 2


class FakeClient:
    """Answers with `pieces`; an exception among them is raised in its place."""

    url = "http://server"

    def __init__(self, *pieces: Piece | BaseException) -> None:
        self.pieces = pieces
        self.bodies: list[dict[str, Any]] = []

    def models(self) -> list[str]:
        return ["small", "large"]

    def answer(self, body: dict[str, Any]) -> Generator[Piece, None, None]:
        self.bodies.append(body)
        for piece in self.pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield piece


def session_with(*pieces: Piece | BaseException, **fields: Any) -> tuple[Session, FakeClient]:
    client = FakeClient(*pieces)
    return Session(client, "small", **fields), client  # type: ignore[arg-type]


def test_both_sides_are_kept_and_sent_again() -> None:
    session, client = session_with(ReasoningDelta("hm"), TextDelta("Hel"), TextDelta("lo."), Done("stop"))
    assert session.ask("Hi")
    session.ask("Again")
    assert client.bodies[1]["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Again"},
    ]


def test_system_prompt_thinking_and_sampling_are_part_of_the_request() -> None:
    session, client = session_with(Done("stop"), system="Be brief.", thinking=False, sampling={"seed": 1})
    session.ask("Hi")
    assert client.bodies[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (client.bodies[0]["enable_thinking"], client.bodies[0]["seed"]) == (False, 1)


def test_without_a_wish_the_template_decides_about_thinking() -> None:
    session, client = session_with(Done("stop"))
    session.ask("Hi")
    assert "enable_thinking" not in client.bodies[0]


def test_ctrl_c_keeps_what_was_said() -> None:
    session, _ = session_with(TextDelta("Hel"), KeyboardInterrupt())
    assert not session.ask("Hi")
    assert session.turns[-1] == {"role": "assistant", "content": "Hel"}


@pytest.mark.parametrize("end", [KeyboardInterrupt(), Done("stop")])
def test_a_question_without_an_answer_is_dropped(end: Any) -> None:
    session, _ = session_with(end)
    session.ask("Hi")
    assert session.turns == []


def test_an_error_is_passed_on_and_the_question_dropped() -> None:
    session, _ = session_with(CliError("the engine died"))
    with pytest.raises(CliError):
        session.ask("Hi")
    assert session.turns == []


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str | BaseException) -> None:
    waiting = iter([*lines, EOFError()])

    def fake_input(prompt: str) -> str:
        line = next(waiting)
        if isinstance(line, BaseException):
            raise line
        return line

    monkeypatch.setattr("builtins.input", fake_input)


def test_the_repl_answers_until_the_end_of_input(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    session, client = session_with(TextDelta("Hello."), Done("stop"))
    typed(monkeypatch, "Hi", "", KeyboardInterrupt(), "Again")
    repl.run(session)
    assert [body["messages"][-1]["content"] for body in client.bodies] == ["Hi", "Again"]
    assert capsys.readouterr().out.count("Hello.\n") == 2


def test_an_error_does_not_end_the_repl(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    session, client = session_with(CliError("the engine died"))
    typed(monkeypatch, "Hi", "/nonsense", "Again")
    repl.run(session)
    assert len(client.bodies) == 2
    shown = capsys.readouterr().err
    assert shown.count("vivace: the engine died") == 2
    assert "There is no /nonsense" in shown


COMMANDS = [
    ("/system Be brief.", "system", "Be brief."),
    ("/system off", "system", None),
    ("/think on", "thinking", True),
    ("/think off", "thinking", False),
    ("/think auto", "thinking", None),
    ("/think maybe", "thinking", None),
    ("/model large", "model", "large"),
    ("/model huge", "model", "small"),
]


@pytest.mark.parametrize(("line", "attribute", "value"), COMMANDS)
def test_commands_change_the_session(monkeypatch: pytest.MonkeyPatch, line: str, attribute: str, value: Any) -> None:
    session, client = session_with(Done("stop"))
    typed(monkeypatch, line)
    repl.run(session)
    assert getattr(session, attribute) == value
    assert client.bodies == []


def test_clear_forgets_and_exit_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    session, client = session_with(TextDelta("Hello."), Done("stop"))
    typed(monkeypatch, "Hi", "/clear", "/exit", "never asked")
    repl.run(session)
    assert session.turns == []
    assert len(client.bodies) == 1


def test_help_names_every_command(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    session, _ = session_with()
    typed(monkeypatch, "/help")
    repl.run(session)
    shown = capsys.readouterr().err
    assert all(name in shown for name in repl.COMMANDS)


def test_stats_are_of_the_last_answer(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}}
    session, _ = session_with(TextDelta("Hello."), Done("stop", usage, {"decode_s": 0.25}))
    typed(monkeypatch, "/stats", "Hi", "/stats")
    repl.run(session)
    shown = capsys.readouterr().err
    assert "nothing was answered yet" in shown
    assert "prompt: 7 tokens, 3 of them cached" in shown
    assert "decode_s: 0.25" in shown


def printed(out: io.StringIO, *deltas: ReasoningDelta | TextDelta) -> str:
    printer = AnswerPrinter(out)
    for delta in deltas:
        printer.show(delta)
    printer.finish()
    return out.getvalue()


def test_a_pipe_gets_the_answer_alone_and_as_it_is() -> None:
    shown = printed(io.StringIO(), ReasoningDelta("hm"), TextDelta("\n\x1b[31mred"), TextDelta("!"))
    assert shown == "\n\x1b[31mred!\n"


def test_a_terminal_gets_thinking_dimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = printed(Terminal(), ReasoningDelta("\nhm"), TextDelta("\n\nHello."))
    assert shown == "\x1b[2mhm\x1b[0m\n\nHello.\n"


def test_a_terminal_is_never_steered_by_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = printed(Terminal(), TextDelta("\x1b]0;title\x07a\x1b[2Jb\rc\td\x9b1m"))
    assert not set(shown) & {chr(code) for code in [*range(9), *range(11, 32), *range(127, 160)]}


def test_bytes_that_are_no_text_are_shown_as_such_and_not_a_traceback() -> None:
    piped = b"caf\xe9 or caf\xc3\xa9".decode("utf-8", "surrogateescape")
    assert readable(piped) == "caf\ufffd or caf\u00e9"
