"""What new tokens mean for their sequence: something to say, perhaps its end; and what can only follow them."""

from collections.abc import Sequence as Seq
from time import monotonic

from vivace.engine.matcher import GrammarError
from vivace.engine.sequence import Sequence
from vivace.protocol import Failed, Finished, FromEngine, TokenLogprob, Tokens

# Forced tokens from which on a run of them is prefilled; one more decode step follows in any case, so that two cannot
# gain anything. benchmarks/jump_forward.py measures it.
SHORTEST_RUN = 3


def accept(row: Sequence, tokens: Seq[int], logprobs: list[TokenLogprob] | None = None) -> list[FromEngine]:
    """Take tokens into the output of a row, up to one that ends it: what there is to say of them."""
    row.first_token = row.first_token or monotonic()
    said: list[int] = []
    end: Finished | Failed | None = None
    for token in tokens:
        end = _take(row, token)
        if token not in row.request.stop_ids and not isinstance(end, Failed):
            said.append(token)
        if end is not None:
            break
    messages: list[FromEngine] = [Tokens(row.id, said, logprobs)] if said else []
    return messages if end is None else [*messages, end]


def _take(row: Sequence, token: int) -> Finished | Failed | None:
    """The row's end, if this token is its last."""
    row.output += 1
    row.chain.append(token)
    if token in row.request.stop_ids:
        return row.finish("stop")
    try:
        row.take(token)
    except GrammarError as error:
        return row.fail("engine_failed", f"the output left its grammar: {error}")
    if row.matcher is not None and row.matcher.complete:
        return row.finish("stop")
    return row.finish("length") if row.output >= row.request.max_tokens else None


def forced_run(row: Sequence, shortest: int) -> list[int]:
    """The tokens that the grammar forces next, if they are at least `shortest`.

    A row that asks for log probabilities has none: those are the model's, and it gives them token by token.
    """
    if row.finished or row.matcher is None or row.request.sampling.top_logprobs is not None:
        return []
    run = row.matcher.forced()
    return run if len(run) >= shortest else []
