"""The command line: one file per verb, imported when its verb is called and not before.

`vivace --help` has to answer in under 0.3 s, so this file and what it imports stay free of pydantic, FastAPI,
tokenizers and MLX.
"""

import importlib
import inspect
import io
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from vivace.cli.errors import CliError
from vivace.errors import VivaceError

VERBS = {
    "serve": "Serve a model on OpenAI's API.",
    "chat": "Talk to a model in the terminal, or ask one question.",
    "info": "Show what a model is and how much memory it takes.",
    "doctor": "Check this machine and this installation.",
    "cache": "See, check and clear the prompts that are kept, and why one was not found.",
    "parse": "Run a dialect on text from stdin.",
    "config": "Show each setting, its value and where it came from.",
    "version": "Show the versions of Vivace and of what it runs on.",
}


_HELP = {"help_option_names": ["-h", "--help"]}


def _load(verb: str) -> Any:
    """The real command of `vivace/cli/<verb>.py`: its `command`, or all of its `commands`."""
    module = importlib.import_module(f"vivace.cli.{verb}")
    entries = getattr(module, "commands", None)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    for name, entry in (entries or {verb: module.command}).items():
        app.command(name, help=_unwrapped(inspect.getdoc(entry) or ""), context_settings=_HELP)(entry)
    if entries:
        app.callback(help=_unwrapped(module.__doc__ or ""), no_args_is_help=True)(lambda: None)
    return typer.main.get_command(app)


def _unwrapped(text: str) -> str:
    """A docstring without the line breaks of its source: the terminal's width decides."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


class _Verb(TyperCommand):
    """Knows its name and one line of help; turns into the real command when it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return _load(str(self.name)).make_context(info_name, args, parent, **extra)


root = TyperGroup(
    name="vivace",
    help="Vivace serves open models on your own machine. `vivace serve` starts; `vivace VERB --help` tells more.",
    commands={verb: _Verb(name=verb, help=line) for verb, line in VERBS.items()},
    no_args_is_help=True,
    context_settings=_HELP,
)


def main() -> None:
    """Run the verb on the command line. What was foreseeable ends in one sentence and an exit code of 1 or 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a model may write what the terminal's encoding lacks
    try:
        arguments = ["version", *sys.argv[2:]] if sys.argv[1:2] == ["--version"] else sys.argv[1:]
        root(args=arguments, prog_name="vivace")
    except CliError as error:
        _end(error.message, error.exit_code)
    except VivaceError as error:
        _end(error.message, 1)


def _end(message: str, exit_code: int) -> None:
    print(f"vivace: {message}", file=sys.stderr)
    sys.exit(exit_code)
