"""One settings model: flags over VIVACE_* variables over vivace.toml over defaults."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything that can be set. The description is what `vivace config` and the flags' help show."""

    model_config = SettingsConfigDict(env_prefix="VIVACE_", extra="forbid", validate_default=True)

    model: str = Field("vivace-mini", description="embedded model, a local directory, or a hub id")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 picks a free one")
    api_key: list[str] = Field(default_factory=list, description="keys that clients must send; none: no key is needed")
    served_name: str | None = Field(None, description="model id that clients see")
    context: int | None = Field(None, ge=16, description="tokens of prompt and output together; the model's own by default")
    max_batch: int = Field(0, ge=0, description="sequences decoded together; 0: by device")
    max_waiting: int = Field(256, ge=0, description="sequences queued behind them; beyond it clients get 503")
    prefill_chunk: int = Field(0, ge=0, description="tokens prefilled in one go; 0: by device")
    prefill_budget_ms: float = Field(50.0, gt=0, description="time of one prefill chunk while others decode")
    dtype: str = Field("auto", description="float32, bfloat16, float16 or auto")
    tool_dialect: str = Field("auto", description="how tool calls are written; auto reads the checkpoint")
    reasoning_dialect: str = Field("auto", description="how reasoning is written; auto reads the checkpoint")
    body_limit_mb: float = Field(32.0, gt=0, description="largest request body")
    drain_s: float = Field(30.0, ge=0, description="how long running answers may finish after SIGTERM")
    load_timeout_s: float = Field(600.0, gt=0, description="how long a request waits for its model to load")
    stall_timeout_s: float = Field(120.0, gt=0, description="an engine without progress for so long is restarted")
    send_timeout_s: float = Field(60.0, gt=0, description="a client that reads nothing for so long is dropped")
    log_level: str = Field("info", description="debug, info, warning or error")
    cache_dir: Path | None = Field(None, description="where Vivace keeps files; the user's cache folder by default")
