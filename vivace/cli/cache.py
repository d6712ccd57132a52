"""What is kept of prompts, in memory and on disk: how much it is, whether it is sound, and why one was not found.

`list`, `clear` and `verify` work on the folder, whether a server runs or not. `stats` and `explain` ask the server at
--url, or the one on the settings' port.
"""

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from vivace.cli import cache_tables as tables
from vivace.cli.client import Client, local_url
from vivace.cli.errors import FAILED, USAGE, CliError
from vivace.cli.options import load
from vivace.cli.terminal import note, size
from vivace.engine.cache.ssd import manage
from vivace.settings import cache_folder

JSON = dict[str, Any]
Result = TypeVar("Result")
Url = Annotated[str | None, typer.Option(help="a running server (default: the one on the settings' port)")]
Key = Annotated[str | None, typer.Option(help="key for that server (default: the settings' first)")]
ModelId = Annotated[str | None, typer.Option("--model", "-m", help="one of the server's models (default: its first)")]
Folder = Annotated[Path | None, typer.Option("--cache-dir", help="the folder (default: the settings')")]
AsJson = Annotated[bool, typer.Option("--json", help="as JSON")]


def stats(url: Url = None, api_key: Key = None, model: ModelId = None, as_json: AsJson = False) -> None:
    """Show what the running server keeps, and how many prompt tokens it did not have to compute."""
    with _server(url, api_key) as client:
        reply = client.call("GET", "/v1/cache/stats", model=model)
    _show(reply, as_json, tables.print_stats)


def list_(cache_dir: Folder = None, as_json: AsJson = False) -> None:
    """Show which models' prompts lie in the folder: entries, size, last use."""
    folder = _folder(cache_dir)
    use = _on_disk(folder, lambda: manage.folder_use(folder))
    _show({"folder": str(folder), **asdict(use)}, as_json, tables.print_folder)


def clear(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="a name from `vivace cache list`, or how its id begins")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    cache_dir: Folder = None,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Forget the prompts of MODEL, or of all models: in the folder, and in the memory of the server that uses it.

    With --cache-dir only in that folder, with --url only of that server.
    """
    if model == "":
        raise CliError("MODEL is empty. Leave it out to forget the prompts of all models.", USAGE)
    if cache_dir is not None and url is not None:
        raise CliError("--cache-dir names a folder and --url a server: give one of them.", USAGE)
    folder = _folder(cache_dir)
    stored = _stored(folder, model) if url is None else {}
    with nullcontext() if cache_dir else _server(url, api_key, must=url is not None) as client:
        offered = _offered(client, {model, *stored.values()} if model else None)
        if model is not None and not offered and not stored:
            raise CliError(f"Nothing is kept of {model!r}. {_known(folder)}")
        if not yes:
            _confirm(f"Forget the prompts of {model or 'all models'}?")
        freed = sum(client.call("POST", "/v1/cache/clear", model=name)["freed_bytes"] for name in offered if client)
    freed += _on_disk(folder, lambda: sum(manage.clear(folder, fingerprint) for fingerprint in stored))
    if as_json:
        print(json.dumps({"freed_bytes": freed}))
    else:
        print(f"{size(freed)} freed")


def verify(cache_dir: Folder = None, as_json: AsJson = False) -> None:
    """Read all that lies in the folder and check it. The exit code is 1 if something is damaged.

    What is damaged is never used; `vivace cache clear` gets rid of it.
    """
    folder = _folder(cache_dir)
    found = _on_disk(folder, lambda: manage.verify(folder))
    _show(asdict(found), as_json, tables.print_verified)
    if found.damaged:
        raise typer.Exit(FAILED)


def explain(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="the JSON body of a chat request; - reads stdin")
    ] = None,
    request: Annotated[
        str | None, typer.Option(help="instead: a request that was made, by its answer's id or its x-request-id")
    ] = None,
    url: Url = None,
    api_key: Key = None,
    model: ModelId = None,
    as_json: AsJson = False,
) -> None:
    """Show how much of a prompt the running server has, where the rest parts from what it has, and why it ends there.

    With FILE the server looks what the request would find now and computes nothing. Without FILE it tells what a
    request that was made has found: the last one, or the one named by --request.
    """
    if file is not None and request is not None:
        raise CliError("FILE and --request exclude each other.", USAGE)
    body = None if file is None else _body(file, model)
    with _server(url, api_key) as client:
        if body is None:
            reply = client.call("GET", "/v1/cache/explain", model=model, request_id=request)
        else:
            reply = client.call("POST", "/v1/cache/explain", body=body)
    _show(reply, as_json, tables.print_explanation)


commands = {"stats": stats, "list": list_, "clear": clear, "verify": verify, "explain": explain}


@contextmanager
def _server(url: str | None, api_key: str | None, *, must: bool = True) -> Iterator[Any]:
    """A client of a server that answers; unless there `must` be one, None in its place."""
    settings = load().settings
    with closing(Client(url or local_url(settings), api_key or next(iter(settings.api_key), None))) as client:
        if client.alive():
            yield client
        elif must:
            hint = "`vivace serve` starts one; `vivace cache list` shows what lies on the disk."
            raise CliError(f"No server answers at {client.url}. {hint}")
        else:
            yield None


def _folder(given: Path | None) -> Path:
    return given.expanduser() if given else cache_folder(load().settings)


def _on_disk(folder: Path, work: Callable[[], Result]) -> Result:
    try:
        return work()
    except (OSError, sqlite3.Error) as error:
        raise CliError(f"{folder} cannot be read: {error}.") from None


def _stored(folder: Path, model: str | None) -> dict[str, str]:
    """Fingerprint → name of what is meant."""
    meant = None if model is None else _on_disk(folder, lambda: manage.fingerprint_of(folder, model))
    uses = _on_disk(folder, lambda: manage.list_models(folder))
    return {use.fingerprint: use.label for use in uses if meant is None or use.fingerprint in meant}


def _offered(client: Client | None, names: set[str] | None) -> list[str]:
    """Which models of a server are meant; all of them if none is named.

    Raises:
        CliError: the server will not say.
    """
    return [] if client is None else [name for name in client.models() if names is None or name in names]


def _known(folder: Path) -> str:
    labels = {use.label for use in _on_disk(folder, lambda: manage.list_models(folder))}
    return f"There is: {', '.join(sorted(labels))}." if labels else f"{folder} is empty."


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise CliError("Nobody is there to ask: --yes clears without asking.", USAGE)
    if not typer.confirm(question):
        note("(nothing is cleared)")
        raise typer.Exit(FAILED)


def _body(file: str, model: str | None) -> JSON:
    """
    Raises:
        CliError: there is no such file, or it is no JSON object.
    """
    try:
        body = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}.", USAGE) from None
    except ValueError as error:
        raise CliError(f"{file} is no JSON: {error}.", USAGE) from None
    if not isinstance(body, dict):
        raise CliError(f"{file} must hold a JSON object, the body of a chat request.", USAGE)
    return {**body, "model": model} if model else body


def _show(reply: JSON, as_json: bool, print_: Callable[[JSON], None]) -> None:
    if as_json:
        print(json.dumps(reply, indent=2, ensure_ascii=False))
    else:
        print_(reply)
