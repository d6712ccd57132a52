"""What was typed is kept, in a file for its owner alone."""

import stat
from pathlib import Path

import pytest

from vivace.cli.history import LINES, history, history_file

readline = pytest.importorskip("readline")


@pytest.fixture(autouse=True)
def nothing_typed_yet() -> None:
    readline.clear_history()


def test_lines_come_back_the_next_time(tmp_path: Path) -> None:
    file = tmp_path / "state" / "chat_history"
    with history(file):
        readline.add_history("grüße")
    readline.clear_history()
    with history(file):
        assert readline.get_history_item(1) == "grüße"


def test_the_file_is_private_even_if_it_was_not(tmp_path: Path) -> None:
    file = tmp_path / "chat_history"
    file.touch(mode=0o644)
    with history(file):
        readline.add_history("a secret")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_does_not_grow_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "chat_history"
    with history(file):
        for number in range(LINES + 10):
            readline.add_history(f"line {number}")
    kept = file.read_text().splitlines()
    assert (len(kept), kept[-1]) == (LINES, f"line {LINES + 9}")


def test_a_place_that_cannot_be_written_costs_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    with history(tmp_path / "file" / "chat_history"):
        readline.add_history("a line")
    assert "The history cannot be kept" in capsys.readouterr().err


def test_it_lies_in_the_users_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert history_file() == tmp_path / "vivace" / "chat_history"
