"""`vivace serve`: the gateway, and a curl line to try once it listens."""

import ipaddress
import sys
from importlib import metadata

import vivace
from vivace.cli.errors import CliError
from vivace.cli.models import fetched
from vivace.cli.options import with_settings
from vivace.settings import Loaded, Settings, flag_name

_TRY = """\
Vivace {version} serves {model} at {url}/v1 (documentation: {url}/docs). Try:

curl {url}/v1/chat/completions {auth}-H 'Content-Type: application/json' -d '{body}'
"""
_BODY = '{{"model": "{model}", "messages": [{{"role": "user", "content": "Who are you?"}}]}}'


def run(loaded: Loaded) -> None:
    """Serve a model on OpenAI's API.

    MODEL is the embedded model, a local directory, or a hub id. Each flag can also be set as a VIVACE_* variable or in
    vivace.toml; `vivace config` shows what is in force.
    """
    sys.exit(serve(loaded.settings))


def serve(settings: Settings) -> int:
    """Serve until a signal; the exit code of the process. A hub id is downloaded before the port is opened.

    Raises:
        CliError: MODEL names nothing that can be served, a dialect is not known, or MLX is not installed.
    """
    from vivace.server.run import run as run_server

    _check_runtime()
    _check_dialects(settings)
    source, _ = fetched(settings.model)
    model = settings.served_name or source.id

    def on_listening(url: str) -> None:
        print(banner(url, model, bool(settings.api_key)), flush=True)
        if exposed(settings):
            print(
                f"WARNING: whoever reaches {settings.host} can use this server: it has no --api-key.", file=sys.stderr
            )

    return run_server(settings, on_listening)


def exposed(settings: Settings) -> bool:
    """Whether others than this machine's users can come in without a key."""
    try:
        local = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        local = settings.host == "localhost"
    return not local and not settings.api_key


def banner(url: str, model: str, needs_key: bool) -> str:
    """What to try. The key itself is not shown: terminals are recorded."""
    auth = "-H 'Authorization: Bearer YOUR_KEY' " if needs_key else ""
    return _TRY.format(version=vivace.__version__, model=model, url=url, auth=auth, body=_BODY.format(model=model))


def _check_runtime() -> None:
    """The plain install has no MLX on Linux: it takes one of the extras."""
    try:
        metadata.version("mlx")
    except metadata.PackageNotFoundError:
        raise CliError(
            "MLX is not installed: pip install -c constraints.txt -e '.[cpu]', or '.[cuda]' for NVIDIA GPUs."
        ) from None


def _check_dialects(settings: Settings) -> None:
    from vivace.chat.dialects import REASONING_DIALECTS, TOOL_DIALECTS

    for key, known in (("tool_dialect", TOOL_DIALECTS), ("reasoning_dialect", REASONING_DIALECTS)):
        name = getattr(settings, key)
        if name != "auto" and name not in known:
            raise CliError(
                f"{flag_name(key)}: there is no dialect {name!r}; there are auto, {', '.join(sorted(known))}."
            )


command = with_settings(run)
