"""The engine process, except that of requests with MUTED_SEED only the first token is sent.

So the step loop can be timed with everything behind it and with nothing, in one process: two processes with the same
model differ by up to a quarter in speed for as long as they live (measured on one machine with three of each).
"""

import sys
from collections.abc import Sequence

from vivace.engine import process
from vivace.engine.outbox import Outbox
from vivace.protocol import FromEngine, Generate, ToEngine, Tokens

MUTED_SEED = 4_130_000_001

_muted: dict[str, bool] = {}  # id of a request → whether its first token has been sent


class _Switch(process.Switch):
    def handle(self, message: ToEngine) -> None:
        if isinstance(message, Generate) and message.sampling.seed == MUTED_SEED:
            _muted[message.id] = False
        super().handle(message)


class _Outbox(Outbox):
    def send(self, messages: Sequence[FromEngine]) -> None:
        super().send([message for message in messages if _passes(message)])


def _passes(message: FromEngine) -> bool:
    if not isinstance(message, Tokens) or message.id not in _muted:
        return True
    first = not _muted[message.id]
    _muted[message.id] = True
    return first


if __name__ == "__main__":
    vars(process).update(Switch=_Switch, Outbox=_Outbox)
    process.main(int(sys.argv[1]))
