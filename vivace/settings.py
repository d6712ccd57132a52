"""One settings model: flags over VIVACE_* variables over vivace.toml over defaults.

`load` is the only way in that looks at the outside; a `Settings(...)` made in code holds what it was given and nothing
else, whatever the environment says. docs/settings.md is this page for users.
"""

import difflib
import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

FILE_NAME = "vivace.toml"
ENV_PREFIX = "VIVACE_"


class Settings(BaseSettings):
    """Everything that can be set. The description is what `vivace config` and the flags' help show."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    model: str = Field(
        default="vivace-mini", min_length=1, description="embedded model, a local directory, or a hub id"
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    api_key: Annotated[list[Annotated[str, Field(min_length=1)]], NoDecode] = Field(
        default_factory=list, description="keys that clients must send; none: no key is needed"
    )
    served_name: str | None = Field(default=None, description="model id that clients see")
    context: int | None = Field(
        default=None, ge=16, description="tokens of prompt and output together; the model's own by default"
    )
    max_batch: int = Field(default=0, ge=0, description="sequences decoded together; 0: by device")
    max_waiting: int = Field(default=256, ge=0, description="sequences queued behind them; beyond it clients get 503")
    prefill_chunk: int = Field(default=0, ge=0, description="tokens prefilled in one go; 0: by device")
    prefill_budget_ms: float = Field(default=50.0, gt=0, description="time of one prefill chunk while others decode")
    threads: int = Field(default=0, ge=0, description="CPU threads of matrix products; 0: by cores")
    activations: Literal["int8", "float32"] = Field(
        default="int8", description="what quantized weights are multiplied with on a CPU: int8 or float32"
    )
    cpu_level: Literal["auto", "vnni", "avx512", "avx2", "dotprod", "portable", "off"] = Field(
        default="auto", description="instruction set of the CPU kernels; auto: the best; off: without them"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="float32, bfloat16, float16 or auto"
    )
    tool_dialect: str = Field(default="auto", description="how tool calls are written; auto reads the checkpoint")
    reasoning_dialect: str = Field(default="auto", description="how reasoning is written; auto reads the checkpoint")
    cache_ram_gb: float | None = Field(
        default=None, ge=0, description="memory for prompts that may come again; all that is free by default; 0: none"
    )
    cache_ssd_gb: float = Field(default=32.0, ge=0, description="disk for them, over all models that use the folder")
    cache_dir: str | None = Field(
        default=None, description="folder for them on disk; the user's cache folder by default"
    )
    no_ssd_cache: bool = Field(default=False, description="keep prompts in memory only")
    kv_codec: Literal["plain", "q8", "k8v4", "v4", "v3", "v2"] = Field(
        default="plain", description="how stored keys and values are encoded; all but plain lose some precision"
    )
    body_limit_mb: float = Field(default=32.0, gt=0, description="largest request body")
    drain_s: float = Field(default=30.0, ge=0, description="how long running answers may finish after SIGTERM")
    load_timeout_s: float = Field(default=600.0, gt=0, description="how long a request waits for its model to load")
    stall_timeout_s: float = Field(
        default=120.0, gt=0, description="an engine without progress for so long is restarted"
    )
    send_timeout_s: float = Field(default=60.0, gt=0, description="a client that reads nothing for so long is dropped")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )

    @field_validator("api_key", mode="before")
    @classmethod
    def _split_commas(cls, value: Any) -> Any:
        return [key.strip() for key in value.split(",")] if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


SECRET = frozenset({"api_key"})


class SettingsError(Exception):
    """A setting that cannot be used: one sentence that names where it stands and its key.

    Attributes:
        from_flag: it came from the command line, so it is a usage error.
    """

    def __init__(self, message: str, *, from_flag: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.from_flag = from_flag


@dataclass(frozen=True)
class Loaded:
    """`sources`: for each setting a flag, a variable, a file's path, or "default"."""

    settings: Settings
    sources: dict[str, str]


@dataclass(frozen=True)
class _Layer:
    """The values that one place gives; `where(key)` says where the user finds one of them."""

    where: Callable[[str], str]
    values: Mapping[str, Any]
    from_flag: bool = False

    def unknown(self, key: str) -> SettingsError:
        close = difflib.get_close_matches(key, Settings.model_fields, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "; `vivace config` lists them all."
        return SettingsError(f"{self.where(key)}: there is no setting {key!r}{hint}", from_flag=self.from_flag)


def flag_name(key: str) -> str:
    """How a setting is written on the command line; the model is the one positional argument."""
    return "MODEL" if key == "model" else "--" + key.replace("_", "-")


def env_name(key: str) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + key.upper()


def cache_folder(settings: Settings) -> Path:
    """Where prompts are kept on disk."""
    if settings.cache_dir:
        return Path(settings.cache_dir).expanduser()
    default = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or default) / "vivace" / "prefixes"


def config_file() -> Path | None:
    """./vivace.toml, else the one in the user's configuration folder, else None."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return next((path for path in (Path(FILE_NAME), home / "vivace" / FILE_NAME) if path.is_file()), None)


def load(flags: Mapping[str, Any] | None = None) -> Loaded:
    """The settings in force: `flags` (only those given; strings are converted), environment, file, defaults.

    Raises:
        SettingsError: a key is unknown, a value is out of range or of the wrong type, or the file is no TOML.
    """
    layers = [_Layer(flag_name, flags or {}, from_flag=True), _environment(), *_file()]
    values: dict[str, Any] = {}
    origin: dict[str, _Layer] = {}
    for layer in layers:
        for key, value in layer.values.items():
            if key not in Settings.model_fields:
                raise layer.unknown(key)
            if key not in values:
                values[key], origin[key] = value, layer
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise _explained(error, origin) from None
    sources = {key: origin[key].where(key) if key in origin else "default" for key in Settings.model_fields}
    return Loaded(settings, sources)


def _environment() -> _Layer:
    named = {
        name.lower().removeprefix(ENV_PREFIX.lower()): value
        for name, value in os.environ.items()
        if name.startswith(ENV_PREFIX) and value
    }
    return _Layer(env_name, {**named, **EnvSettingsSource(Settings)()})


def _file() -> list[_Layer]:
    path = config_file()
    if path is None:
        return []
    try:
        values = TomlConfigSettingsSource(Settings, toml_file=path)()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from None
    return [_Layer(lambda key: f"{path} {key}", values)]


def _explained(error: ValidationError, origin: Mapping[str, _Layer]) -> SettingsError:
    """The first complaint in a sentence. A secret's value is never repeated."""
    first = error.errors()[0]
    key = str(first["loc"][0])
    layer = origin[key]
    reason = first["msg"][0].lower() + first["msg"][1:]
    given = "" if key in SECRET else f" (it is {first['input']!r})"
    return SettingsError(f"{layer.where(key)}: {reason}{given}.", from_flag=layer.from_flag)
