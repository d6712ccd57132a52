"""When an engine counts as stuck, and what follows its death: pure decisions, the supervisor does the effects."""

from dataclasses import dataclass, replace

from vivace.protocol import Pong

FIRST_RESTART_S = 0.2  # the usual crash has one cause, and clients are waiting
MAX_RESTART_S = 30.0


@dataclass(frozen=True)
class Limits:
    """Seconds unless it says otherwise."""

    stall_timeout: float = 120.0  # without an answer, or busy without a step
    load_timeout: float = 600.0  # without any word while loading
    ping_interval: float = 1.0
    healthy: float = 60.0  # ready for so long, and earlier deaths are forgotten
    max_load_tries: int = 3  # deaths before Ready in a row


@dataclass(frozen=True)
class Vitals:
    """What watching one engine has shown. Only watched time counts, so a gateway that slept does not blame the engine.

    Attributes:
        silent_s: since anything arrived from it.
        stuck_s: for how long it has been busy with the same step.
        steps: its step counter when last seen.
    """

    loading: bool = True
    silent_s: float = 0.0
    stuck_s: float = 0.0
    steps: int = -1


def observe(vitals: Vitals, *, heard: bool, pong: Pong | None, loading: bool, elapsed_s: float) -> Vitals:
    """The vitals after `elapsed_s` of watching, in which something arrived or not; `pong` is the latest one."""
    seen = replace(vitals, loading=loading, silent_s=0.0 if heard else vitals.silent_s + elapsed_s)
    if pong is None:
        return seen
    moved = not pong.busy or pong.steps != vitals.steps
    return replace(seen, steps=pong.steps, stuck_s=0.0 if moved else vitals.stuck_s + elapsed_s)


def ailment(vitals: Vitals, limits: Limits) -> str | None:
    """Why the engine has to be killed, or None while it is well."""
    if vitals.loading:
        if vitals.silent_s > limits.load_timeout:
            return f"gave no sign of loading for {limits.load_timeout:g} s"
        return None
    if vitals.silent_s > limits.stall_timeout:
        return f"did not answer for {limits.stall_timeout:g} s"
    if vitals.stuck_s > limits.stall_timeout:
        return f"made no progress for {limits.stall_timeout:g} s"
    return None


@dataclass(frozen=True)
class Death:
    """How one life of an engine process ended.

    Attributes:
        reason: what happened to it, as in "the engine ...".
        ready_s: for how long it served; None: it never became ready.
        load_failed: it said itself that the model cannot be loaded, and why.
    """

    reason: str
    ready_s: float | None
    load_failed: str | None = None


@dataclass(frozen=True)
class Record:
    """What is remembered over the lives of an engine: deaths in a row, and those of them before Ready."""

    deaths: int = 0
    load_deaths: int = 0


@dataclass(frozen=True)
class Restart:
    delay_s: float


@dataclass(frozen=True)
class GiveUp:
    message: str


def after_death(record: Record, death: Death, limits: Limits) -> tuple[Record, Restart | GiveUp]:
    """Restart with backoff; give up when loading cannot succeed."""
    if death.load_failed is not None:
        return record, GiveUp(death.load_failed)
    if death.ready_s is None:
        record = Record(record.deaths + 1, record.load_deaths + 1)
        if record.load_deaths >= limits.max_load_tries:
            return record, GiveUp(f"The engine {death.reason} while loading, {record.load_deaths} times in a row.")
    else:
        record = Record(1 if death.ready_s >= limits.healthy else record.deaths + 1, 0)
    return record, Restart(restart_delay(record.deaths))


def restart_delay(deaths: int) -> float:
    """Seconds before the next start, after so many deaths in a row: 0.2, 1, 2, 4, ... 30."""
    return FIRST_RESTART_S if deaths <= 1 else min(MAX_RESTART_S, 2.0 ** min(deaths - 2, 10))
