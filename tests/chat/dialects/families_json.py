"""Families that write arguments as JSON."""

from collections.abc import Sequence

from tests.chat.dialects.rendering import Call, Family, Render, around, dumped, each, listed, spread

_OPEN, _CLOSE = "⟦<tool_call>⟧", "⟦</tool_call>⟧"


_DEEPSEEK_FENCED = "⟦<｜tool▁call▁begin｜>⟧function⟦<｜tool▁sep｜>⟧@NAME\n```json\n@ARGS\n```⟦<｜tool▁call▁end｜>⟧"


_DEEPSEEK_PLAIN = "⟦<｜tool▁call▁begin｜>⟧@NAME⟦<｜tool▁sep｜>⟧@ARGS⟦<｜tool▁call▁end｜>⟧"


_HARMONY = "⟦<|channel|>⟧commentary to=functions.@NAME ⟦<|constrain|>⟧json⟦<|message|>⟧@ARGS⟦<|call|>⟧"


_KIMI = "⟦<|tool_call_begin|>⟧functions.@NAME:@N⟦<|tool_call_argument_begin|>⟧@ARGS⟦<|tool_call_end|>⟧"


_COMMAND = '{"tool_call_id": "@N", "tool_name": "@NAME", "parameters": @ARGS}'


_INTERNLM = '⟦<|action_start|>⟧⟦<|plugin|>⟧\n{"name": "@NAME", "parameters": @ARGS}⟦<|action_end|>⟧'


_FUNCTIONARY_2 = "⟦<|from|>⟧assistant\n⟦<|recipient|>⟧"


def _deepseek(template: str, between: str = "") -> Render:
    return around("⟦<｜tool▁calls▁begin｜>⟧", each(template, between), "⟦<｜tool▁calls▁end｜>⟧")


def _keyed(calls: Sequence[Call]) -> str:
    return dumped([{name: arguments} for name, arguments in calls])


FAMILIES: dict[str, Family] = {
    "hermes": Family(each(f'{_OPEN}\n{{"name": "@NAME", "arguments": @ARGS}}\n{_CLOSE}', "\n")),
    "mistral": Family(each("⟦[TOOL_CALLS]⟧@NAME⟦[ARGS]⟧@ARGS")),
    "mistral_v11": Family(each("⟦[TOOL_CALLS]⟧@NAME⟦[CALL_ID]⟧abcdefgh@N⟦[ARGS]⟧@ARGS")),
    "mistral_v3": Family(listed("⟦[TOOL_CALLS]⟧")),
    "deepseek_v3": Family(_deepseek(_DEEPSEEK_FENCED, "\n")),
    "deepseek_v31": Family(_deepseek(_DEEPSEEK_PLAIN)),
    "kimi_k2": Family(around("⟦<|tool_calls_section_begin|>⟧", each(_KIMI), "⟦<|tool_calls_section_end|>⟧")),
    "harmony": Family(each(_HARMONY)),
    "nemotron_v2": Family(listed("<TOOLCALL>", "</TOOLCALL>")),
    "longcat": Family(
        each('⟦<longcat_tool_call>⟧\n{"name": "@NAME", "arguments": @ARGS}\n⟦</longcat_tool_call>⟧', "\n")
    ),
    "hunyuan": Family(listed("<tool_calls>", "</tool_calls>")),
    "granite": Family(listed("⟦<|tool_call|>⟧")),
    "llama3": Family(each('{"name": "@NAME", "parameters": @ARGS}', "; ")),
    "phi4": Family(listed("⟦<|tool_call|>⟧", "⟦<|/tool_call|>⟧")),
    "phi4_functools": Family(listed("functools")),
    "functionary_v32": Family(each("@NAME\n@ARGS", ">>>"), prose=lambda text: f"{text}>>>"),
    "functionary_v31": Family(each("<function=@NAME>@ARGS</function>")),
    "functionary_v25": Family(each("⟦<|reserved_special_token_249|>⟧@NAME\n@ARGS")),
    "functionary_v2": Family(
        each("@NAME\n⟦<|content|>⟧@ARGS", f"\n{_FUNCTIONARY_2}"), prose=lambda text: text + _FUNCTIONARY_2
    ),
    "xlam": Family(listed("")),
    "command": Family(around("⟦<|START_ACTION|>⟧", spread(_COMMAND), "⟦<|END_ACTION|>⟧")),
    "command_r": Family(around("Action:\n```json\n", spread('{"tool_name": "@NAME", "parameters": @ARGS}'), "\n```")),
    "internlm": Family(each(_INTERNLM)),
    "exaone4": Family(each(f'{_OPEN}{{"name": "@NAME", "arguments": @ARGS}}{_CLOSE}', "\n")),
    "apertus": Family(around("⟦<|tools_prefix|>⟧", _keyed, "⟦<|tools_suffix|>⟧")),
    "jamba": Family(around("⟦<tool_calls>⟧", spread('{"name": "@NAME", "arguments": @ARGS}'), "⟦</tool_calls>⟧")),
    "smollm3": Family(each(f'{_OPEN}\n{{"name": "@NAME", "arguments": @ARGS}}\n{_CLOSE}', "\n")),
}
