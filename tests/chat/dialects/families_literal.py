"""Families that write arguments as Python does, or in Gemma's own notation."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.chat.dialects.rendering import Call, Family, Render, around, dumped


def _python_calls(calls: Sequence[Call], between: str = ", ") -> str:
    def one(name: str, given: Mapping[str, Any]) -> str:
        return f"{name}({', '.join(f'{k}={v!r}' for k, v in given.items())})"

    return between.join(one(*call) for call in calls)


def _pythonic(calls: Sequence[Call]) -> str:
    return f"[{_python_calls(calls)}]"


def gemma_value(written: Any, quote: str) -> str:
    match written:
        case str():
            return quote + written + quote
        case dict():
            inside = ",".join(
                f"{k if k.isidentifier() else quote + k + quote}:{gemma_value(v, quote)}" for k, v in written.items()
            )
            return "{" + inside + "}"
        case list():
            return "[" + ",".join(gemma_value(v, quote) for v in written) + "]"
    return dumped(written)


def _gemma(before: str, after: str, quote: str) -> Render:
    return lambda calls: "".join(f"{before}call:{name}{gemma_value(given, quote)}{after}" for name, given in calls)


def _olmo(calls: Sequence[Call]) -> str:
    return "\n".join(_pythonic([call])[1:-1] for call in calls)


FAMILIES: dict[str, Family] = {
    "ui_tars": Family(lambda calls: "Action: " + _python_calls(calls, "\n\n")),
    "llama4": Family(_pythonic),
    "lfm2": Family(around("⟦<|tool_call_start|>⟧", _pythonic, "⟦<|tool_call_end|>⟧")),
    "gemma4": Family(_gemma("⟦<|tool_call>⟧", "⟦<tool_call|>⟧", '⟦<|"|>⟧'), raw=True),
    "functiongemma": Family(_gemma("⟦<start_function_call>⟧", "⟦<end_function_call>⟧", "⟦<escape>⟧"), raw=True),
    "olmo3": Family(around("<function_calls>\n", _olmo, "\n</function_calls>")),
}
