"""From MODEL on the command line to a checkpoint on this disk."""

from dataclasses import replace
from pathlib import Path

from vivace.cli.errors import CliError
from vivace.fleet.discovery import DiscoveryError, ModelSource
from vivace.fleet.discovery import locate as find


def locate(model: str) -> ModelSource:
    """What MODEL names. Never touches the network.

    Raises:
        CliError: it names nothing that can be served; the sentence says what is missing.
    """
    try:
        return find(model)
    except DiscoveryError as error:
        raise CliError(str(error)) from None


def fetched(model: str) -> tuple[ModelSource, Path]:
    """What MODEL names and the directory of its complete checkpoint, downloaded with a progress bar if need be.

    Raises:
        CliError: as `locate`; or offline, gated, no room on the disk.
    """
    source = locate(model)
    if source.directory is None:
        source = replace(source, directory=_download(source.hub_id or model))
    assert source.directory is not None
    return source, source.directory


def _download(hub_id: str) -> Path:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from vivace.fleet.download import DownloadError, download

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(hub_id, total=None)
        try:
            return download(hub_id, lambda at: progress.update(task, completed=at.done, total=at.total))
        except DownloadError as error:
            raise CliError(str(error)) from None
