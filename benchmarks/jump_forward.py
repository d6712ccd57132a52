"""What forced tokens cost: a tool call with long keys on the embedded model, jumping and decoding every token.

    python -m benchmarks.jump_forward
    python -m benchmarks.jump_forward --runs

The step loop alone, without HTTP, as the server builds it. Both take turns on one model; times are medians, from the
request to its last token. "beside" other requests decode free text, and the call's time is what is shown. With
`--runs` the shortest run that pays is looked for: each output alternates between N forced tokens and a free one.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks._report import report
from vivace.assets import embedded_model_path
from vivace.chat.checkpoint import ChatModel, Prepared
from vivace.chat.conversation import Conversation, Message, Options, Tool, ToolChoice
from vivace.chat.events import ToolCallArguments
from vivace.engine.admission import Limits
from vivace.engine.cache.codecs import codec
from vivace.engine.cache.layout import Layout
from vivace.engine.cache.prefix import Storage
from vivace.engine.device import Device, free_bytes, prepare
from vivace.engine.loop import Loop
from vivace.engine.matcher import GrammarCompiler
from vivace.engine.models import LoadedModel, load
from vivace.engine.output import SHORTEST_RUN
from vivace.engine.probe import probe
from vivace.protocol import Cancel, Finished, FromEngine, Generate, Grammar, Sampling, Tokens

NEVER = 10**9
MAX_TOKENS = 400
CYCLES = 12  # forced runs in one output of `--runs`

_KEYS = {
    "the_identifier_of_the_configuration_entry": {"type": "integer", "minimum": 0, "maximum": 999},
    "the_temperature_of_the_configuration_entry": {"type": "string", "enum": ["hot", "warm", "cold"]},
    "whether_the_configuration_entry_is_enabled": {"type": "boolean"},
    "the_number_of_the_replacement_configuration_entry": {"type": "integer", "minimum": 0, "maximum": 999},
    "whether_the_previous_configuration_entry_is_kept": {"type": "boolean"},
}
TOOL = Tool(
    "update_the_configuration_entry",
    "Changes an entry.",
    {"type": "object", "properties": _KEYS, "required": list(_KEYS), "additionalProperties": False},
    strict=True,
)


class Engine:
    """A loop over the model. `forwards`: decode steps so far."""

    def __init__(self, model: LoadedModel, device: Device, shortest_run: int) -> None:
        runner, found = probe(model)
        limits = Limits(
            32768, 16, 16, device.chunk, 0.05, found.vocab_size, found.cost, free_bytes(), shortest_run=shortest_run
        )
        compiler = GrammarCompiler(embedded_model_path(), found.vocab_size)
        storage = Storage(Layout.of(found.caches, codec("plain")))
        self.loop = Loop(runner, compiler, limits, found.prefill_rate, self._take, storage)
        self.forwards = 0
        self._decode, runner.decode = runner.decode, self._counted  # type: ignore[method-assign]
        self._tokens: dict[str, list[int]] = {}
        self._finished: set[str] = set()

    def _counted(self, *args: Any) -> Any:
        self.forwards += 1
        return self._decode(*args)

    def _take(self, messages: Sequence[FromEngine]) -> None:
        for message in messages:
            if isinstance(message, Tokens):
                self._tokens.setdefault(message.id, []).extend(message.ids)
            elif isinstance(message, Finished):
                self._finished.add(message.id)

    def run(self, request: Generate, beside: Sequence[Generate] = ()) -> dict[str, Any]:
        """Seconds, decode steps and tokens of one request while others, which are ended then, are being decoded."""
        self._tokens, self._finished = {}, set()
        for other in beside:
            self.loop.submit(other)
        while any(other.id not in self._tokens for other in beside):
            self.loop.turn()
        forwards, started = self.forwards, time.perf_counter()
        self.loop.submit(request)
        while request.id not in self._finished:
            self.loop.turn(block=True)
        seconds = time.perf_counter() - started
        steps = self.forwards - forwards
        for other in beside:
            self.loop.submit(Cancel(other.id))
        while self.loop.busy:
            self.loop.turn()
        return {"s": seconds, "steps": steps, "tokens": self._tokens[request.id]}


def tool_call(chat: ChatModel) -> Prepared:
    question = "Set configuration entry 12 to cold, disable it, replace it by entry 40 and keep the previous one."
    conversation = Conversation(
        (Message("user", question),), (TOOL,), ToolChoice("named", TOOL.name), parallel_tool_calls=False
    )
    return chat.prepare(conversation, Options(thinking=False, temperature=0.0))


def arguments(chat: ChatModel, prepared: Prepared, tokens: list[int]) -> str:
    """The JSON text that a client gets."""
    stream = chat.stream(prepared)
    events = [*stream.feed(tokens, None), *stream.finish("stop")]
    return "".join(event.json_delta for event in events if isinstance(event, ToolCallArguments))


def others(count: int, prompt: list[int], stop_ids: Sequence[int]) -> list[Generate]:
    """Requests that go on until they are cancelled."""
    sampling = Sampling(temperature=0, logit_bias=dict.fromkeys(stop_ids, -100.0))
    return [Generate(f"other {i}", [*prompt[:-1], 40 + i, prompt[-1]], 4000, sampling) for i in range(count)]


def measure_call(engines: dict[str, Engine], chat: ChatModel, streams: int, repeat: int) -> dict[str, Any]:
    prepared = tool_call(chat)
    call = _request(prepared.token_ids, prepared.stop_ids, prepared.grammar)
    runs = _in_turns(engines, call, others(streams - 1, prepared.token_ids, prepared.stop_ids), repeat)
    texts = {name: arguments(chat, prepared, results[0]["tokens"]) for name, results in runs.items()}
    print(texts["jumping"])
    return {
        "streams": streams,
        "tokens": len(runs["jumping"][0]["tokens"]),
        **_compared(runs),
        "same JSON": texts["jumping"] == texts["decoding"],
    }


def measure_runs(engines: dict[str, Engine], chat: ChatModel, length: int, streams: int, repeat: int) -> dict[str, Any]:
    """As many cycles of `length` forced tokens and a free one, of two that could not be more alike."""
    forced = " ".join(f"<[{50 + i}]>" for i in range(length))
    grammar = Grammar("start: " + f"(<[60]> | <[61]>) {forced} " * CYCLES)
    prompt = chat.tokenizer.encode("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n").ids
    request = _request(prompt, (), grammar)
    runs = _in_turns(engines, request, others(streams - 1, prompt, chat.checkpoint.stop_ids), repeat)
    return {"forced": length, "streams": streams, **_compared(runs)}


def _request(prompt: list[int], stop_ids: tuple[int, ...], grammar: Grammar | None) -> Generate:
    return Generate("call", prompt, MAX_TOKENS, Sampling(temperature=0), stop_ids, grammar)


def _in_turns(
    engines: dict[str, Engine], request: Generate, beside: list[Generate], repeat: int
) -> dict[str, list[dict[str, Any]]]:
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in engines}
    for turn in range(repeat + 1):
        for name, engine in engines.items():
            result = engine.run(request, beside)
            if turn:  # the first one warms up
                runs[name].append(result)
    return runs


def _compared(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    steps = {name: results[0]["steps"] for name, results in runs.items()}
    ms = {name: 1e3 * statistics.median(result["s"] for result in results) for name, results in runs.items()}
    return {
        **{f"{name}, steps": count for name, count in steps.items()},
        "fewer steps, ×": round(steps["decoding"] / steps["jumping"], 2),
        **{f"{name}, ms": round(value, 1) for name, value in ms.items()},
        "less time, ×": round(ms["decoding"] / ms["jumping"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--runs", action="store_true", help="which run pays, instead of the tool call")
    options = parser.parse_args()
    device = prepare(0)
    chat = ChatModel.load(embedded_model_path())
    model = load(embedded_model_path(), "auto", lambda _: None, device.means)
    shortest = 2 if options.runs else SHORTEST_RUN
    engines = {"decoding": Engine(model, device, NEVER), "jumping": Engine(model, device, shortest)}
    if options.runs:
        cases = [(length, streams) for length in (2, 3, 4, 6, 8) for streams in options.streams]
        rows = [measure_runs(engines, chat, *case, options.repeat) for case in cases]
    else:
        rows = [measure_call(engines, chat, streams, options.repeat) for streams in options.streams]
    name = "jump_forward_runs" if options.runs else "jump_forward"
    command = f"python -m benchmarks.jump_forward {' '.join(sys.argv[1:])}".strip()
    report(name, rows, command=command, facts={"device": device.name})


if __name__ == "__main__":
    main()
