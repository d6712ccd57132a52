"""The one bridge from requests to engines: a prepared conversation goes in, events of n choices come out."""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

from vivace import protocol
from vivace.chat import events
from vivace.chat.bounded import BoundedCache
from vivace.chat.conversation import Conversation, Options
from vivace.errors import VivaceError
from vivace.fleet import EngineClient, Fleet, Resident
from vivace.fleet import ModelCard as ModelCard
from vivace.fleet.residency import DEFAULT

if TYPE_CHECKING:  # the port is open before tokenizers and llguidance are read
    from vivace.chat.checkpoint import Prepared
    from vivace.chat.text_stream import TextStream
    from vivace.chat.turns import Recorder

log = logging.getLogger("vivace.server")

Batch = list[events.Event]
NAMES = 1024


class Generation:
    """Answers conversations with whatever model they name.

    `repairs`: reason → calls mended since the start. `names`: id of a request → name of its answer, of the last ones.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.names: BoundedCache[str] = BoundedCache(NAMES)
        self.repairs: Counter[str] = Counter()

    def cards(self) -> list[ModelCard]:
        return self._fleet.cards()

    async def begin(self, model: str | None, conversation: Conversation, options: Options) -> "Answer":
        """Everything that can refuse a request, and nothing that costs the engine anything.

        Raises:
            VivaceError: unknown model, still loading, a conversation that the model cannot take, a prompt too long.
        """
        resident, prepared, room = await self.prepare(model, conversation, options)
        max_tokens = min(options.max_tokens or room, room)
        one_call = not conversation.parallel_tool_calls
        return Answer(resident, prepared, options, max_tokens, self.repairs, one_call=one_call)

    async def resident(self, model: str | None) -> Resident:
        """A model that can answer, the default one if none is named.

        Raises:
            VivaceError: unknown model, or it is still loading.
        """
        return await self._fleet.resident(model or DEFAULT)

    async def prepare(
        self, model: str | None, conversation: Conversation, options: Options
    ) -> tuple[Resident, "Prepared", int]:
        """With the tokens that the context has left for an answer. Raises what `begin` does."""
        resident = await self.resident(model)
        prepared = await asyncio.to_thread(resident.chat.prepare, conversation, options)
        room = resident.context - len(prepared.token_ids)
        if room <= 0:
            raise _too_long(len(prepared.token_ids), resident.context)
        return resident, prepared, room


def _too_long(prompt_tokens: int, context: int) -> VivaceError:
    return VivaceError(
        "prompt_too_long",
        f"The prompt has {prompt_tokens} tokens, and the model's context of {context} tokens must hold prompt and "
        "answer. Shorten the messages.",
        param="messages",
    )


class Answer:
    """`options.n` choices for one prompt, generated side by side. `one_call`: the first tool call ends a choice.

    `name`: unique; choice i is `choice_id(name, i)` in the engine. `repairs` counts mended calls by reason. `relaxed`:
    which wishes of the request are not held; the wire notes them for the reply.
    """

    def __init__(
        self,
        resident: Resident,
        prepared: "Prepared",
        options: Options,
        max_tokens: int,
        repairs: Counter[str],
        *,
        one_call: bool,
    ) -> None:
        self.model = resident.id
        self.name = secrets.token_hex(12)
        self.relaxed = prepared.relaxed
        seed = secrets.randbits(32) if options.seed is None else options.seed
        self._choices = [
            _Choice(
                resident.engine,
                request,
                resident.chat.stream(prepared),
                resident.chat.record(prepared),
                repairs,
                one_call=one_call,
            )
            for request in _requests(self.name, prepared, options, seed, max_tokens)
        ]

    async def batches(self) -> AsyncGenerator[tuple[int, Batch], None]:
        """(index of the choice, events) as they happen, until all have finished or one has failed.

        Closing it cancels what still runs in the engine.
        """
        source = _alone(self._choices[0]) if len(self._choices) == 1 else _side_by_side(self._choices)
        async with aclosing(source):
            async for index, batch in source:
                yield index, batch
                if isinstance(batch[-1], events.Failed):
                    return


def choice_id(name: str, index: int) -> str:
    """What the engine calls a choice of an answer."""
    return f"{name}-{index}"


def _requests(
    name: str, prepared: "Prepared", options: Options, seed: int, max_tokens: int
) -> Iterator[protocol.Generate]:
    for index in range(options.n):
        yield protocol.Generate(
            id=choice_id(name, index),
            prompt=prepared.token_ids,
            max_tokens=max_tokens,
            sampling=prepared.sampling((seed + index) % 2**32),
            stop_ids=prepared.stop_ids,
            grammar=prepared.grammar,
            thinking=prepared.thinking,
            boundaries=prepared.boundaries,
            session=options.session,
            salt=options.cache_salt,
        )


async def _alone(choice: "_Choice") -> AsyncGenerator[tuple[int, Batch], None]:
    """No task and no queue between the engine's message and the client's chunk."""
    async with aclosing(choice.batches()) as batches:
        async for batch in batches:
            yield 0, batch


async def _side_by_side(choices: list["_Choice"]) -> AsyncGenerator[tuple[int, Batch], None]:
    queue: asyncio.Queue[tuple[int, Batch | None]] = asyncio.Queue(2 * len(choices))
    tasks = [asyncio.create_task(_pump(index, choice, queue)) for index, choice in enumerate(choices)]
    try:
        running = len(tasks)
        while running:
            index, batch = await queue.get()
            if batch is None:
                running -= 1
            else:
                yield index, batch
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(index: int, choice: "_Choice", queue: "asyncio.Queue[tuple[int, Batch | None]]") -> None:
    async with aclosing(choice.batches()) as batches:
        async for batch in batches:
            await queue.put((index, batch))
    await queue.put((index, None))


class _Clock:
    """Timings as the gateway sees them, for answers that a stop string ends before the engine tells its own."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._admitted: float | None = None
        self._first: float | None = None
        self._last = self._began

    def admission(self) -> None:
        if self._admitted is None:
            self._admitted = time.perf_counter()

    def token(self) -> None:
        self._last = time.perf_counter()
        if self._first is None:
            self._first = self._last

    def timings(self) -> events.Timings:
        first = self._last if self._first is None else self._first
        admitted = first if self._admitted is None else self._admitted
        return events.Timings(admitted - self._began, first - admitted, self._last - first)


class _Choice:
    """One sequence in the engine and the text it becomes."""

    def __init__(
        self,
        engine: EngineClient,
        request: protocol.Generate,
        text: "TextStream",
        recorder: "Recorder",
        repairs: Counter[str],
        *,
        one_call: bool,
    ) -> None:
        self._engine = engine
        self._repairs = repairs
        self._request = request
        self._text = text
        self._recorder = recorder
        self._one_call = one_call
        self._clock = _Clock()
        self._cached_tokens = 0
        self._completion_tokens = 0
        self._whole = False  # the model ended the answer itself, and all of it goes out

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Non-empty batches; the last one ends with exactly one Finished or Failed."""
        try:
            async with aclosing(self._engine.generate(self._request)) as messages:
                async for message in messages:
                    batch = self._events(message)
                    if batch:
                        self._note_repairs(batch)
                        self._recorder.note(batch)
                        if self._whole:
                            self._recorder.complete()
                        yield batch
                        if isinstance(batch[-1], events.Finished | events.Failed):
                            return
        except Exception:
            log.exception("answer %s failed in the gateway", self._request.id)
            yield [events.Failed("internal", f"An unexpected error; the server's log has it under {self._request.id}.")]
        else:
            yield [events.Failed("engine_failed", "The engine ended the answer without a word.")]

    def _note_repairs(self, batch: Batch) -> None:
        for event in batch:
            if isinstance(event, events.ToolCallFinished) and event.repaired:
                self._repairs[event.repaired] += 1
                log.info("tool call %d of answer %s was mended: %s", event.index, self._request.id, event.repaired)

    def _events(self, message: protocol.FromEngine) -> Batch:
        match message:
            case protocol.Tokens():
                return self._tokens(message)
            case protocol.Progress():
                return self._progress(message)
            case protocol.Finished():
                return self._finished(message)
            case protocol.Failed():
                return [events.Failed(message.kind, message.message)]
        return []

    def _progress(self, message: protocol.Progress) -> Batch:
        self._clock.admission()
        self._cached_tokens = message.cached
        return [events.Progress(message.done, message.total, message.cached)]

    def _tokens(self, message: protocol.Tokens) -> Batch:
        """One token after the other, since the answer may end before the last: how many come in one message is chance,
        and what the client is told to have used is not."""
        self._clock.token()
        batch: Batch = []
        for i, token in enumerate(message.ids):
            self._completion_tokens += 1
            self._recorder.token(token)
            batch += self._text.feed([token], message.logprobs and message.logprobs[i : i + 1])
            if self._text.stopped_by is not None:
                return batch + self._ending("stop", self._usage_so_far(), self._clock.timings())
            if first := self._first_call(batch):
                return [*first, events.Finished("tool_calls", self._usage_so_far(), self._clock.timings())]
        return batch

    def _first_call(self, batch: Batch) -> Batch:
        """What goes out up to the end of the first call, if the client wants no other: the answer ends behind it, and
        closing is what stops the engine, which knows neither text nor calls."""
        ends = [i for i, event in enumerate(batch) if isinstance(event, events.ToolCallFinished)]
        return batch[: ends[0] + 1] if ends and self._one_call else []

    def _usage_so_far(self) -> events.Usage:
        return self._usage(len(self._request.prompt), self._cached_tokens, self._completion_tokens)

    def _finished(self, message: protocol.Finished) -> Batch:
        if message.reason == "cancelled":
            return [events.Failed("engine_failed", "The answer was cut short: the server is shutting down.")]
        usage = self._usage(message.prompt_tokens, message.cached_tokens, message.completion_tokens)
        timings = events.Timings(message.timings.queue_s, message.timings.prefill_s, message.timings.decode_s)
        batch = self._ending(message.reason, usage, timings)
        first = self._first_call(batch)
        self._whole = message.reason == "stop" and self._text.stopped_by is None and not first
        return [*first, batch[-1]] if first else batch

    def _ending(self, reason: Literal["stop", "length"], usage: events.Usage, timings: events.Timings) -> Batch:
        rest = self._text.finish(reason)
        if self._text.stopped_by is not None:  # perhaps only in what was held back until now
            reason = "stop"
        called = reason == "stop" and self._text.called_tools
        return [*rest, events.Finished("tool_calls" if called else reason, usage, timings, self._text.stopped_by)]

    def _usage(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> events.Usage:
        return events.Usage(prompt_tokens, completion_tokens, cached_tokens, self._text.reasoning_tokens)
