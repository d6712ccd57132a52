"""What published checkpoints say about their dialects: the table that `auto` is tested against.

Template excerpts (at most 12 lines each, only those that carry signs) and choices are facts read from the named public
source. An excerpt has every sign that its template has and none that it lacks. Hub ids are labels. `model_type` and
`tokens` are those of config.json and tokenizer.json as they are known; the files themselves were not at hand.
"""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Known:
    """One checkpoint.

    Attributes:
        id: hub id; `directory`: a misleading name that the checkpoint lies under, where there is one.
        tokens: added tokens that matter for the choice.
        template: the lines of the excerpt; `text` joins them.
        tool, reasoning: the names that `auto` has to choose; "none" also for families that we do not have.
        also_tool, also_reasoning: choices that do no harm either, because the signs allow both.
        variant: which of a family's forms the template shows.
        verified: the excerpt was read from `source`; if not, `reason` says what it was made from.
    """

    id: str
    model_type: str
    template: tuple[str, ...]
    tool: str
    reasoning: str
    source: str
    verified: bool
    tokens: tuple[str, ...] = ()
    also_tool: tuple[str, ...] = ()
    also_reasoning: tuple[str, ...] = ()
    variant: str | None = None
    directory: str | None = None
    reason: str | None = None
    note: str | None = None

    @property
    def text(self) -> str:
        return "\n".join(self.template)


def _known(fields: dict[str, object]) -> Known:
    return Known(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})  # type: ignore[arg-type]


CHECKPOINTS = tuple(map(_known, json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))))
