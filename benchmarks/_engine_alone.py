"""An engine without gateway, socket or framing: `Generate` messages as JSON lines in, `Finished` as JSON lines out.

    python -m benchmarks._engine_alone CHECKPOINT

The process is the engine's own in every other way: model, BLAS, limits and loop come from `engine.build`. The loop's
other messages are dropped where it hands them over.
"""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from vivace.chat.facts import Checkpoint
from vivace.engine.build import build
from vivace.engine.loop import Loop
from vivace.fleet.model import load_message
from vivace.protocol import Drain, Failed, Finished, FromEngine, Generate
from vivace.settings import Settings

_OUT = msgspec.json.Encoder()
_IN = msgspec.json.Decoder(Generate)


def _emit(messages: Sequence[FromEngine]) -> None:
    for message in messages:
        if isinstance(message, Finished | Failed):
            print(_OUT.encode(message).decode(), flush=True)


def _read(loop: Loop) -> None:
    for line in sys.stdin:
        loop.submit(_IN.decode(line))
    loop.submit(Drain())


def main() -> None:
    checkpoint = Checkpoint.read(Path(sys.argv[1]))
    loop, _ = build(load_message(checkpoint, Settings()), _emit)
    threading.Thread(target=_read, args=(loop,), daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
