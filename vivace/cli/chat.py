"""`vivace chat`: which model, which question, which server; then one answer or a conversation."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, TextIO

import typer

from vivace.cli import repl
from vivace.cli.client import Client, local_url
from vivace.cli.errors import USAGE, CliError
from vivace.cli.history import history, history_file
from vivace.cli.hosted import hosted
from vivace.cli.models import fetched, locate
from vivace.cli.options import load
from vivace.cli.session import Session
from vivace.cli.terminal import note

STDIN = "-"


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL] [QUESTION]", help="a model, a question, or both; - reads stdin into the question"
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="the model; all other words are the question")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="a running server (default: the one on the settings' port, if any)")
    ] = None,
    api_key: Annotated[str | None, typer.Option(help="key for that server (default: the settings' first)")] = None,
    system: Annotated[str | None, typer.Option(help="system prompt")] = None,
    think: Annotated[
        bool | None, typer.Option("--think/--no-think", help="whether the model shall think first")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="longest answer, in tokens")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2, help="0 always takes the likeliest token")] = None,
    seed: Annotated[int | None, typer.Option(help="the same seed gives the same answer")] = None,
    keep_history: Annotated[
        bool, typer.Option("--history/--no-history", help="keep what is typed for the next time")
    ] = True,
) -> None:
    """Talk to a model in the terminal, or ask one question.

    The first word is MODEL if it is the embedded model's name, a directory, or has a slash in it (org/name);
    otherwise all words are the question. Without a question, stdin is the question if it is a pipe or a file.

    A running server answers if there is one at --url, or on the settings' port when it has the model; otherwise a
    server is started on a free port and ended afterwards. Only the answer goes to stdout when that is no terminal.
    """
    named, rest = split_words(words or [], model, names_a_model)
    question = question_of(rest, sys.stdin)
    sampling = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
    with _server(named, url, api_key) as (client, served):
        session = Session(client, served, system, think, {key: v for key, v in sampling.items() if v is not None})
        if question is not None:
            _ask_once(session, question)
        else:
            _converse(session, keep_history)


def names_a_model(word: str) -> bool:
    """The embedded model's name, a directory, or one word with a slash in it (a path or a hub id)."""
    from vivace.fleet.discovery import EMBEDDED

    return word == EMBEDDED or Path(word).is_dir() or ("/" in word and not any(map(str.isspace, word)))


def split_words(words: list[str], model: str | None, is_model: Callable[[str], bool]) -> tuple[str | None, list[str]]:
    """(MODEL, words of the question) of what stands on the command line."""
    if model is None and words and is_model(words[0]):
        return words[0], words[1:]
    return model, words


def question_of(words: list[str], stdin: TextIO) -> str | None:
    """The words, - being stdin; without words a stdin that is no terminal; None asks for a conversation.

    Raises:
        CliError: stdin was to be the question and is empty.
    """
    if not words and stdin.isatty():
        return None
    question = " ".join(stdin.read().strip() if word == STDIN else word for word in words or [STDIN]).strip()
    if not question:
        raise CliError("There is no question: stdin is empty.", USAGE)
    return question


@contextmanager
def _server(named: str | None, url: str | None, api_key: str | None) -> Iterator[tuple[Client, str]]:
    """A client, and the id of the model to ask there."""
    settings = load({"model": named} if named else {}).settings
    key = api_key or next(iter(settings.api_key), None)
    if url:
        with closing(Client(url, key)) as client:
            yield client, named or _first(client.models(), url)
        return
    with closing(Client(local_url(settings), key)) as client:
        served = _served(client, named)
        if served:
            yield client, served
            return
    fetched(settings.model)
    note(f"(starting {settings.model}; it ends with this chat)")
    with hosted(settings) as client:
        yield client, _first(client.models(), client.url)


def _served(client: Client, named: str | None) -> str | None:
    """The id under which a running server has the model, or its first one if none is named; None: no such server."""
    if not client.alive():
        return None
    try:
        offered = client.models()
    except CliError as error:
        note(f"({client.url} is not used: {error.message})")
        return None
    if named is None:
        return next(iter(offered), None)
    source = locate(named)
    return next((name for name in (source.id, named, *source.names) if name in offered), None)


def _first(offered: list[str], url: str) -> str:
    if not offered:
        raise CliError(f"{url} offers no model.")
    return offered[0]


def _ask_once(session: Session, question: str) -> None:
    if not session.ask(question):
        raise typer.Exit(130)


def _converse(session: Session, keep_history: bool) -> None:
    with history(history_file()) if keep_history else nullcontext():
        repl.run(session)
