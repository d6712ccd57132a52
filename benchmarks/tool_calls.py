"""Tool calls end to end: generated requests to a running server through the OpenAI package, judged.

    python -m benchmarks.tool_calls
    python -m benchmarks.tool_calls --requests 48 --show

Every request is asked whole and streamed with the same seed, several at a time. "valid": calls whose arguments are JSON
that their tool's schema takes; a call that the token limit cuts is not ("cut" counts answers that it ended).
"declared": calls that name a tool of the request. "right": answers with exactly the wanted calls and arguments, and no
text beside, as the model's training judges it. "same": streamed answers that are, put together, the whole one.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from benchmarks._models import EMBEDDED, checkpoint
from benchmarks._report import RESULTS, print_last, report
from benchmarks._servers import serving
from benchmarks._tool_requests import KINDS, MOST_TOOLS, ToolRequest, make_requests
from training.evaluation.judge import judge
from training.evaluation.server import read_reply
from training.sample import JSON

_NAME = "tool_calls"
_TIMEOUT_S = 300.0
_ALL = "all"
_AUTO_STRICT, _AUTO = "auto, strict", "auto, not strict"


@dataclass(frozen=True)
class Answer:
    """`calls`: name and arguments' JSON text of each."""

    content: str
    reasoning: str
    calls: tuple[tuple[str, str], ...]
    finish_reason: str | None


@dataclass(frozen=True)
class Outcome:
    """What became of one request."""

    request: ToolRequest
    whole: Answer
    streamed: Answer

    @property
    def faulty(self) -> list[tuple[str, str]]:
        """Calls that their schema does not take."""
        return [call for call in self.whole.calls if not is_valid(self.request.tools, *call)]

    @property
    def undeclared(self) -> list[tuple[str, str]]:
        return [call for call in self.whole.calls if call[0] not in self.request.tools]

    @property
    def right(self) -> bool:
        calls = [{"function": {"name": name, "arguments": text}} for name, text in self.whole.calls]
        message = {"content": self.whole.content, "tool_calls": calls, "reasoning_content": self.whole.reasoning}
        return judge(self.request.sample, read_reply(message))

    @property
    def same(self) -> bool:
        return self.whole == self.streamed


def is_valid(tools: dict[str, JSON], name: str, arguments: str) -> bool:
    """Whether the arguments of a call are JSON that the tool of this name takes."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return False
    return name in tools and Draft202012Validator(tools[name]).is_valid(value)


async def ask_all(
    url: str, requests: Sequence[ToolRequest], temperature: float, max_tokens: int, at_once: int
) -> list[Outcome]:
    """Each request whole and streamed.

    Raises:
        openai.OpenAIError: the server refused one, or broke off.
    """
    gate = asyncio.Semaphore(at_once)
    http = DefaultAsyncHttpxClient(trust_env=False)
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", timeout=_TIMEOUT_S, http_client=http) as client:

        async def ask(request: ToolRequest) -> Outcome:
            arguments = request.arguments(temperature, max_tokens)
            async with gate:
                return Outcome(request, await _whole(client, arguments), await _streamed(client, arguments))

        return list(await asyncio.gather(*map(ask, requests)))


async def _whole(client: AsyncOpenAI, arguments: JSON) -> Answer:
    choice = (await client.chat.completions.create(**arguments)).choices[0]
    message = choice.message
    functions = [call.function for call in message.tool_calls or () if call.type == "function"]
    calls = tuple((function.name, function.arguments) for function in functions)
    return Answer(message.content or "", _reasoning(message), calls, choice.finish_reason)


async def _streamed(client: AsyncOpenAI, arguments: JSON) -> Answer:
    """The deltas put together, as clients do."""
    content = reasoning = ""
    finish_reason = None
    calls: dict[int, list[str]] = {}
    async for chunk in await client.chat.completions.create(**arguments, stream=True):
        for choice in chunk.choices:
            content += choice.delta.content or ""
            reasoning += _reasoning(choice.delta)
            finish_reason = choice.finish_reason or finish_reason
            for call in choice.delta.tool_calls or ():
                parts = calls.setdefault(call.index, ["", ""])
                if call.function:
                    parts[0] += call.function.name or ""
                    parts[1] += call.function.arguments or ""
    return Answer(content, reasoning, tuple((name, text) for name, text in calls.values()), finish_reason)


def _reasoning(message: Any) -> str:
    return getattr(message, "reasoning_content", None) or ""


def rows_of(outcomes: Sequence[Outcome]) -> list[JSON]:
    """A row of each group that has requests."""
    members = {group: [o for o in outcomes if group in groups_of(o.request)] for group in _groups()}
    return [_row(group, chosen) for group, chosen in members.items() if chosen]


def groups_of(request: ToolRequest) -> tuple[str, ...]:
    """Names of the rows in which a request counts."""
    choice = request.choice
    if choice == "auto":
        choice = _AUTO_STRICT if request.strict else _AUTO
    return (choice, _tools(len(request.tools)), request.kind, _ALL)


def _groups() -> list[str]:
    sizes = [_tools(size) for size in range(1, MOST_TOOLS + 1)]
    return [_AUTO_STRICT, _AUTO, "required", "named", *sizes, *KINDS, _ALL]


def _tools(count: int) -> str:
    return "1 tool" if count == 1 else f"{count} tools"


def _row(name: str, outcomes: list[Outcome]) -> JSON:
    calls = sum(len(outcome.whole.calls) for outcome in outcomes)
    return {
        "requests": name,
        "count": len(outcomes),
        "calls": calls,
        "cut": sum(outcome.whole.finish_reason == "length" for outcome in outcomes),
        "valid, %": _percent(calls - sum(len(outcome.faulty) for outcome in outcomes), calls),
        "declared, %": _percent(calls - sum(len(outcome.undeclared) for outcome in outcomes), calls),
        "right, %": _percent(sum(outcome.right for outcome in outcomes), len(outcomes)),
        "same, %": _percent(sum(outcome.same for outcome in outcomes), len(outcomes)),
    }


def _percent(part: int, total: int) -> float | None:
    return round(100 * part / total, 1) if total else None


def show(outcome: Outcome) -> str:
    """What was asked, wanted and answered."""
    request = outcome.request
    lines = [
        f"{request.number}: {', '.join(groups_of(request))}: {request.sample.messages[-1]['content']}",
        f"  wanted {request.sample.check}",
        f"  answer {outcome.whole}",
    ]
    if outcome.faulty:
        lines.append(f"  schema {[request.tools.get(name) for name, _ in outcome.faulty]}")
    return "\n".join(lines if outcome.same else [*lines, f"  stream {outcome.streamed}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--max-tokens", type=int, default=1000, help="of each answer; a call that is cut is not valid")
    parser.add_argument("--at-once", type=int, default=6, help="requests that wait for their answer at the same time")
    parser.add_argument("--show", action="store_true", help="print the answers that are not right, valid or the same")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--table", action="store_true", help="print the last results as Markdown; measure nothing")
    options = parser.parse_args()
    if options.table:
        print_last(_NAME, options.out)
        return
    requests = make_requests(options.requests)
    with serving("vivace", checkpoint(EMBEDDED, Path())) as server:
        asked = ask_all(server.url, requests, options.temperature, options.max_tokens, options.at_once)
        outcomes = asyncio.run(asked)
    for outcome in outcomes:
        if options.show and (outcome.faulty or not outcome.right or not outcome.same):
            print(show(outcome))
    command = f"python -m benchmarks.tool_calls {' '.join(sys.argv[1:])}".strip()
    report(_NAME, rows_of(outcomes), command=command, folder=options.out)


if __name__ == "__main__":
    main()
