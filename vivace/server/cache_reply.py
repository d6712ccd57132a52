"""What the routes of the prefix cache answer, and explanations in words."""

from collections.abc import Callable, Sequence

import msgspec

from vivace import protocol
from vivace.protocol import CacheExplanation, Reason

Decode = Callable[[Sequence[int]], str]


class RequestTokens(msgspec.Struct):
    """Of all requests since the engine began; `cached` of the `prompt` tokens were not computed again."""

    prompt: int
    cached: int


class MemoryUse(msgspec.Struct):
    """`conversations` as they ended, `blocks` of older ones, `snapshots` of recurrent state."""

    bytes: int
    limit_bytes: int
    conversations: int
    blocks: int
    snapshots: int
    evicted: int


class StatsReply(msgspec.Struct):
    """`problem`: why nothing can be kept of this model, else empty. `ssd` is null without an SSD tier."""

    model: str
    problem: str
    tokens: RequestTokens
    ram: MemoryUse
    ssd: protocol.SsdStats | None


class ClearReply(msgspec.Struct):
    freed_bytes: int


class WarmReply(msgspec.Struct):
    model: str
    prompt_tokens: int
    cached_tokens: int
    seconds: float


class Pieces(msgspec.Struct):
    """Around the place: what both have before it, then what the prompt has and what is kept."""

    before: str
    prompt: str
    stored: str


class PieceTokens(msgspec.Struct):
    before: list[int]
    prompt: list[int]
    stored: list[int]


class ExplainReply(msgspec.Struct, kw_only=True):
    """`agreed_tokens`: the index of the first token that is not as in the nearest prompt that is kept."""

    model: str
    prompt_tokens: int
    cached_tokens: int
    cached_from: protocol.Origins
    agreed_tokens: int
    reason: Reason
    message: str
    text: Pieces
    tokens: PieceTokens


REPLIES = (StatsReply, ClearReply, WarmReply, ExplainReply)

_CACHED = "{cached} of {total} prompt tokens {verb} in the cache"
_WORDS: dict[Reason, str] = {
    "whole_prompt": "the whole prompt but its end, which is always computed.",
    "never_stored": "nothing that is kept goes on like this from token {agrees} on.",
    "diverged": "at token {agrees} the prompt goes on differently from what is kept.",
    "evicted": "what follows was kept up to token {there} and had to make room.",
    "other_salt": "up to token {there} it is kept for requests with another cache_salt, which are never shared.",
    "no_state": "what is kept is the same up to token {there}, but a prefix of this model can end only where the state "
    "of its recurrent or sliding-window layers was kept too, last at token {cached}.",
    "read_failed": "more was on the disk and could not be read.",
    "slower_to_read": "up to token {there} it is on the disk, but reading it takes longer than computing it.",
    "not_kept": "prompts of this model cannot be kept: {detail}.",
}


def stats_reply(model: str, stats: protocol.CacheStats) -> StatsReply:
    ram = MemoryUse(stats.nbytes, stats.limit_bytes, stats.idle, stats.blocks, stats.snapshots, stats.evicted)
    return StatsReply(model, stats.problem, RequestTokens(stats.prompt_tokens, stats.cached_tokens), ram, stats.ssd)


def explain_reply(model: str, found: CacheExplanation, decode: Decode) -> ExplainReply:
    return ExplainReply(
        model=model,
        prompt_tokens=found.prompt_tokens,
        cached_tokens=found.cached_tokens,
        cached_from=found.origins,
        agreed_tokens=found.agrees,
        reason=found.reason,
        message=sentence(found),
        text=Pieces(decode(found.before), *(_behind(found.before, ids, decode) for ids in (found.mine, found.theirs))),
        tokens=PieceTokens(found.before, found.mine, found.theirs),
    )


def sentence(found: CacheExplanation) -> str:
    """What happened, in one sentence."""
    facts = {"cached": found.cached_tokens, "total": found.prompt_tokens, "agrees": found.agrees, "there": found.there}
    verb = "is" if found.cached_tokens == 1 else "are"
    return f"{_CACHED}: {_WORDS[found.reason]}".format(**facts, verb=verb, detail=found.detail)


def _behind(before: list[int], ids: list[int], decode: Decode) -> str:
    """The text of tokens that follow others: on their own, some tokenizers leave out a space in front."""
    head, whole = decode(before), decode([*before, *ids])
    return whole[len(head) :] if whole.startswith(head) else decode(ids)
