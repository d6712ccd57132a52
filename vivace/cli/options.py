"""Flags made from the settings model: names, help and defaults have one home, `vivace/settings.py`."""

import inspect
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from vivace import settings as settings_module
from vivace.cli.errors import FAILED, USAGE, CliError
from vivace.settings import Loaded, Settings, SettingsError, flag_name


def load(flags: dict[str, Any] | None = None) -> Loaded:
    """The settings in force; what the user has to correct ends the program with a sentence.

    Raises:
        CliError: a setting cannot be used; exit code 2 if it came from the command line.
    """
    try:
        return settings_module.load(flags)
    except SettingsError as error:
        raise CliError(error.message, USAGE if error.from_flag else FAILED) from None


def with_settings(run: Callable[[Loaded], None]) -> Callable[..., None]:
    """`run` as a command that takes a flag for every setting.

    The flags are text: converting and checking is the settings model's, so that a bad value reads the same wherever
    it came from.
    """

    def command(**flags: Any) -> None:
        run(load({key: value for key, value in flags.items() if value is not None and value != []}))

    command.__doc__ = run.__doc__
    parameters = [_parameter(key) for key in Settings.model_fields]
    # Typer reads both: the signature for the order and defaults, the annotations for the declarations.
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


_METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT", list: "TEXT"}


def _parameter(key: str) -> inspect.Parameter:
    given_as: Any = {list: list[str], bool: bool}.get(_kind(key), str)
    return inspect.Parameter(
        key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[given_as | None, _declaration(key)]
    )


def _declaration(key: str) -> Any:
    """The flag of a setting, or the positional argument for the model."""
    field = Settings.model_fields[key]
    default = field.get_default(call_default_factory=True)
    shown = "" if default in (None, [], False) else f" (default: {default})"
    text = f"{field.description}{shown}"
    if key == "model":
        return typer.Argument(help=text, metavar="MODEL")
    if _kind(key) is bool:
        return typer.Option(flag_name(key), help=text)
    return typer.Option(flag_name(key), help=text, metavar=_metavar(key))


def _metavar(key: str) -> str:
    kind = _kind(key)
    return "|".join(get_args(Settings.model_fields[key].annotation)) if kind is Literal else _METAVARS[kind]


def _kind(key: str) -> Any:
    """int, float, bool, str, list or Literal: the type of a setting without its None and its parameters."""
    annotation = Settings.model_fields[key].annotation
    if get_origin(annotation) is UnionType:
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    return get_origin(annotation) or annotation
