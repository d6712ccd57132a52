"""The loop of `vivace chat`: a line is a message, a line that starts with / is for us."""

import sys
from collections.abc import Callable

from vivace.cli.errors import CliError
from vivace.cli.session import Session
from vivace.cli.terminal import bold_prompt, note

GREETING = "{model} at {url}. /help shows what else there is; Ctrl-C stops an answer, Ctrl-D ends."


def run(session: Session) -> None:
    """Read and answer until /exit or Ctrl-D. An error ends the answer, not the loop."""
    note(GREETING.format(model=session.model, url=session.client.url))
    while True:
        try:
            _handle(session, input(bold_prompt("> ")).strip())
        except KeyboardInterrupt:
            print()
            note("(Ctrl-D or /exit ends)")
        except EOFError:
            print()
            return
        except CliError as error:
            print(f"vivace: {error.message}", file=sys.stderr)


def _handle(session: Session, line: str) -> None:
    if not line:
        return
    if not line.startswith("/"):
        session.ask(line)
        return
    name, _, argument = line.partition(" ")
    if name not in COMMANDS:
        raise CliError(f"There is no {name}; /help shows what there is.")
    COMMANDS[name][1](session, argument.strip())


def _help(session: Session, argument: str) -> None:
    for name, (usage, _) in COMMANDS.items():
        note(f"  {name:<9}{usage}")


def _clear(session: Session, argument: str) -> None:
    session.turns.clear()
    note("(a new conversation)")


def _system(session: Session, argument: str) -> None:
    if argument:
        session.system = None if argument == "off" else argument
    note(f"system: {session.system or '(none)'}")


_THINKING = {"on": True, "off": False, "auto": None}


def _think(session: Session, argument: str) -> None:
    if argument:
        if argument not in _THINKING:
            raise CliError(f"/think takes {', '.join(_THINKING)}; not {argument!r}.")
        session.thinking = _THINKING[argument]
    note(f"think: {next(word for word, value in _THINKING.items() if value is session.thinking)}")


def _model(session: Session, argument: str) -> None:
    offered = session.client.models()
    if argument:
        if argument not in offered:
            raise CliError(f"There is no model {argument!r} there; there is {', '.join(offered)}.")
        session.model = argument
    for name in offered:
        note(f"{'*' if name == session.model else ' '} {name}")


def _stats(session: Session, argument: str) -> None:
    if session.last is None:
        note("(nothing was answered yet)")
        return
    usage, timings = session.last.usage, session.last.timings
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens", 0)
    note(f"prompt: {usage.get('prompt_tokens', 0)} tokens, {cached} of them cached")
    note(f"answer: {usage.get('completion_tokens', 0)} tokens, {reasoning} of them thinking")
    note(f"first piece after {session.first_s:.2f} s")
    for name, value in timings.items():
        note(f"{name}: {value:g}")


def _exit(session: Session, argument: str) -> None:
    raise EOFError


COMMANDS: dict[str, tuple[str, Callable[[Session, str], None]]] = {
    "/help": ("this list", _help),
    "/clear": ("forget the conversation, keep the system prompt", _clear),
    "/system": ("show or set the system prompt: /system TEXT, /system off", _system),
    "/think": ("whether the model shall think first: /think on, off or auto", _think),
    "/model": ("show the server's models or take another: /model NAME", _model),
    "/stats": ("tokens and times of the last answer", _stats),
    "/exit": ("leave", _exit),
}
