"""A checkpoint from the Hugging Face hub into the local hub cache, with progress, and one sentence when it fails.

Files that arrived stay; asking again continues with the missing ones. The server downloads in a child process, because
a thread that waits for a network cannot be cancelled.
"""

import asyncio
import errno
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vivace.fleet.discovery import DiscoveryError, checked, usable

PATTERNS = ("*.json", "*.jinja", "model*.safetensors", "tokenizer.model", "*.txt")
_SUBFOLDERS = "*/*"  # duplicates for other runtimes (onnx/, original/)
_HUB_ANSWERS_S = 10.0
_POLL_S = 0.25
_CHILD = "from vivace.fleet.download import main; main()"

OnProgress = Callable[["DownloadProgress"], None]


class DownloadError(Exception):
    """The model cannot be had from the hub. The message is one sentence that says why and what to do."""


@dataclass(frozen=True)
class DownloadProgress:
    """Bytes on this disk, of all that the checkpoint needs."""

    done: int
    total: int

    @property
    def fraction(self) -> float:
        return min(1.0, self.done / self.total) if self.total else 0.0


def download(
    hub_id: str,
    on_progress: OnProgress | None = None,
    *,
    hub_cache: Path | None = None,
    endpoint: str | None = None,
) -> Path:
    """Fetch what is missing of `hub_id` and return the directory of the complete checkpoint. Blocks.

    Args:
        on_progress: called a few times a second from another thread.
        hub_cache: another place than HF_HOME and its defaults say.
        endpoint: another hub than HF_ENDPOINT and its default say.

    Raises:
        DownloadError: offline, not found, gated, no room on the disk, or not in a format that Vivace reads.
    """
    from huggingface_hub import HfApi, constants, snapshot_download  # 0.2 s that only downloads pay

    cache = Path(hub_cache or constants.HF_HUB_CACHE)
    blobs = cache / f"models--{hub_id.replace('/', '--')}" / "blobs"
    with _explained(hub_id, cache):
        info = HfApi(endpoint=endpoint).model_info(hub_id, files_metadata=True, timeout=_HUB_ANSWERS_S)
        files = {file.rfilename: file.size or 0 for file in info.siblings or [] if "/" not in file.rfilename}
        total = sum(size for name, size in files.items() if any(Path(name).match(pattern) for pattern in PATTERNS))
        _refuse_unusable(hub_id, list(files))
        _refuse_without_room(hub_id, total, blobs, cache)
        with _reporting(on_progress, blobs, total):
            directory = snapshot_download(
                hub_id,
                cache_dir=cache,
                endpoint=endpoint,
                allow_patterns=list(PATTERNS),
                ignore_patterns=[_SUBFOLDERS],
                tqdm_class=_silent_bar(),
            )
        return checked(Path(directory))


async def download_in_child(hub_id: str, on_progress: OnProgress) -> Path:
    """`download` in a child process, which cancelling this coroutine ends at once.

    Raises:
        DownloadError: as `download`.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", _CHILD, hub_id),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None
    try:
        async for line in child.stdout:
            match json.loads(line):
                case {"done": int(done), "total": int(total)}:
                    on_progress(DownloadProgress(done, total))
                case {"directory": str(directory)}:
                    return Path(directory)
                case {"error": str(message)}:
                    raise DownloadError(message)
        raise DownloadError(f"The download of {hub_id!r} ended without a result (exit status {await child.wait()}).")
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


def _refuse_unusable(hub_id: str, filenames: list[str]) -> None:
    reason = usable(filenames)
    if reason:
        raise DownloadError(f"The hub's {hub_id!r} cannot be served: {reason}.")


def _refuse_without_room(hub_id: str, total: int, blobs: Path, cache: Path) -> None:
    needed = total - _nbytes(blobs, frozenset(blobs.glob("*.incomplete")))
    there = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise DownloadError(
            f"{hub_id!r} needs {needed / 1e9:.1f} GB more on the disk of {cache}; {_gb(free)} are free."
        )


def _gb(nbytes: int) -> str:
    return f"{nbytes / 1e9:.1f} GB"


@contextmanager
def _reporting(on_progress: OnProgress | None, blobs: Path, total: int) -> Iterator[None]:
    """Report the growth of the cache: the one measure that plain HTTP, Xet and resumed files have in common."""
    if on_progress is None:
        yield
        return
    leftovers = frozenset(blobs.glob("*.incomplete"))  # of killed downloads, never continued
    done = threading.Event()

    def poll() -> None:
        while not done.wait(_POLL_S):
            on_progress(DownloadProgress(min(_nbytes(blobs, leftovers), total), total))

    poller = threading.Thread(target=poll, name="download-progress", daemon=True)
    poller.start()
    try:
        yield
        on_progress(DownloadProgress(total, total))
    finally:
        done.set()
        poller.join()


def _nbytes(folder: Path, without: frozenset[Path]) -> int:
    total = 0
    for file in folder.glob("*"):
        try:
            total += file.stat().st_size if file not in without else 0
        except FileNotFoundError:  # moved into place since it was listed
            continue
    return total


def _silent_bar() -> type[Any]:
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})

    return Silent


@contextmanager
def _explained(hub_id: str, cache: Path) -> Iterator[None]:
    """Turn what the hub's library raises into DownloadError."""
    from huggingface_hub.errors import HTTPError, XetDownloadError

    try:
        yield
    except DiscoveryError as error:
        raise DownloadError(str(error)) from error
    except (HTTPError, XetDownloadError, OSError, ValueError) as error:
        raise DownloadError(_explain(error, hub_id, cache)) from error


def _explain(error: Exception, hub_id: str, cache: Path) -> str:
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{hub_id}"
    # The first class that fits: subclasses before their bases.
    sentences: tuple[tuple[type[Exception], str], ...] = (
        (errors.HFValidationError, f"{hub_id!r} cannot be a hub id (org/name) and no directory of that name is here."),
        (errors.OfflineModeIsEnabled, f"{hub_id!r} is not in {cache}, and HF_HUB_OFFLINE forbids to download it."),
        (errors.GatedRepoError, f"{hub_id!r} is gated: accept its terms at {page}, then `hf auth login` or HF_TOKEN."),
        (
            errors.RepositoryNotFoundError,
            f"The hub has no model {hub_id!r} (and no directory of that name is here); a private one needs HF_TOKEN.",
        ),
        (errors.HfHubHTTPError, f"The hub refused {hub_id!r}: {_first_line(error)}."),
        (
            errors.LocalEntryNotFoundError,
            f"{hub_id!r} is not complete in {cache}, and the hub cannot be reached: check the network, or name a local "
            "directory.",
        ),
        (
            errors.HTTPError,
            f"{hub_id!r} is not in {cache}, and the hub cannot be reached ({_first_line(error)}): check the network, "
            "or name a local directory.",
        ),
    )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk of {cache} became full while {hub_id!r} was downloaded; what arrived is kept."
    fallback = f"The download of {hub_id!r} into {cache} failed: {_first_line(error)}."
    return next((sentence for kind, sentence in sentences if isinstance(error, kind)), fallback)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _print_line(message: dict[str, Any]) -> None:
    try:
        print(json.dumps(message), flush=True)
    except BrokenPipeError:  # the gateway is gone; this may be the reporting thread, so end the whole process
        os._exit(1)


def main() -> None:
    """The child process: downloads the one argument and prints progress and result as JSON lines."""
    try:
        directory = download(sys.argv[1], lambda at: _print_line({"done": at.done, "total": at.total}))
    except DownloadError as error:
        _print_line({"error": str(error)})
    else:
        _print_line({"directory": str(directory)})
