"""What was typed into the REPL, kept for the next time in a private file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vivace.cli.terminal import note

LINES = 1000


def history_file() -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "vivace" / "chat_history"


@contextmanager
def history(path: Path) -> Iterator[None]:
    """Line editing with the lines of `path`, which get this session's lines at the end. Mode 0600: they are prompts."""
    try:
        import readline
    except ImportError:  # a Python built without it
        yield
        return
    readline.set_auto_history(True)
    for line in _read(path):
        readline.add_history(line)
    try:
        yield
    finally:
        count = readline.get_current_history_length()
        lines = (readline.get_history_item(number) for number in range(1, count + 1))
        _write(path, [line for line in lines if line][-LINES:])


def _read(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        note(f"The history cannot be read: {error}")
        return []


def _write(path: Path, lines: list[str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        note(f"The history cannot be kept: {error}")
