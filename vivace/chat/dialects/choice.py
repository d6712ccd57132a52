"""How a checkpoint tells which dialects it speaks: a table of signs, the more specific first.

A sign is what stands in the chat template and what does not, which added tokens there are, and what model_type is; the
first that fits decides. What the template says goes before what the vocabulary could say: fine-tunes keep the tokens of
the model that they were made from. Names of directories and files never count.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """Names in the two registries, and for each ("tool", "reasoning") why it was chosen."""

    tool: str
    reasoning: str
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class Sign:
    """A checkpoint speaks `dialect` if all of this holds.

    Attributes:
        texts: stand in the chat template; `absent` do not.
        tokens: are added tokens of the vocabulary.
        model_types: config.json has one of them, or one that goes on from it (`qwen3` is `qwen3_moe` too).
    """

    dialect: str
    texts: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    model_types: tuple[str, ...] = ()

    def fits(self, template: str, tokens: Collection[str], model_type: str) -> bool:
        return (
            all(text in template for text in self.texts)
            and not any(text in template for text in self.absent)
            and all(token in tokens for token in self.tokens)
            and (not self.model_types or model_type.startswith(self.model_types))
        )

    def reason(self, model_type: str) -> str:
        parts = [
            f"the chat template contains {_listed(self.texts)}" if self.texts else "",
            f"not {_listed(self.absent)}" if self.absent else "",
            f"the vocabulary has the token {_listed(self.tokens)}" if self.tokens else "",
            f"model_type is {model_type}" if self.model_types else "",
        ]
        return ", ".join(part for part in parts if part)


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(texts)


_CALL, _FUNCTION = "<tool_call>", "<function="

TOOL_SIGNS = (
    Sign("harmony", ("<|channel|>", "<|message|>")),
    Sign("muse", ("<atem:invoke",)),
    Sign("k2_horizon", ("<ifm|tool_call",)),
    Sign("step3", ("<steptml:invoke",)),
    Sign("longcat_pairs", ("<longcat_arg_key>",)),
    Sign("longcat", ("<longcat_tool_call>",)),
    Sign("deepseek_v41", model_types=("deepseek_v41",)),
    Sign("deepseek_v32", ("｜DSML｜", "function_calls>")),
    Sign("deepseek_v4", ("｜DSML｜",)),
    Sign("deepseek_v3", ("<｜tool▁sep｜>", "```json")),
    Sign("deepseek_v3", ("<｜tool▁sep｜>", "<｜tool▁outputs▁begin｜>")),
    Sign("deepseek_v31", ("<｜tool▁sep｜>",)),
    Sign("kimi_k2", ("<|tool_call_argument_begin|>",)),
    Sign("hy_v3", ("<tool_sep:",)),
    Sign("hy_v3", ("<tool_sep{}>",)),  # the template fills in what the release calls itself
    Sign("hy_v3_preview", ("<tool_calls>", "<tool_sep>", "<arg_key>")),
    Sign("seed_oss", ("<seed:tool_call>",)),
    Sign("minimax_m2", ("<minimax:tool_call>",)),
    Sign("minimax_m3", ("]<]minimax[>[",)),
    Sign("gemma4", ("<|tool_call>", "call:")),
    Sign("functiongemma", ("<start_function_call>",)),
    Sign("mistral", ("[TOOL_CALLS]", "[ARGS]")),
    Sign("mistral_v3", ("[TOOL_CALLS] [",)),
    Sign("mistral_v3", ("[TOOL_CALLS][",)),
    Sign("mistral_v11", ("[TOOL_CALLS]",)),
    Sign("apertus", ("<|tools_prefix|>",)),
    Sign("command", ("<|START_ACTION|>",)),
    Sign("command_r", ("Action:", '"tool_name"')),
    Sign("internlm", ("<|action_start|>",)),
    Sign("none", ("<|tool_call_start|>", "```python")),  # MiniCPM 3 has LFM2's markers around something else
    Sign("lfm2", ("<|tool_call_start|>",)),
    Sign("nemotron_v2", ("<TOOLCALL>",)),
    Sign("nemotron", (_CALL, _FUNCTION), model_types=("nemotron",)),
    Sign("glm45", (_CALL, "\n<arg_key>")),
    Sign("glm45", (_CALL, "\\n<arg_key>")),
    Sign("glm47", (_CALL, "<arg_key>")),
    Sign("qwen3_coder_xml", (_FUNCTION, "<parameter=")),
    Sign("minicpm", ("<function name=", "<param name=")),
    Sign("functionary_v31", (_FUNCTION, "</function>"), absent=("<parameter=",)),
    Sign("functionary_v32", (">>>${recipient}",)),
    Sign("functionary_v2", ("<|from|>", "<|recipient|>", "<|content|>")),
    Sign("functionary_v25", ("<|reserved_special_token_249|>",)),
    Sign("phi4_functools", ("functools[",)),
    Sign("phi4", ("<|/tool_call|>",)),
    Sign("phi4", ("<|tool|>", "<|/tool|>")),
    Sign("granite", ("<|tool_call|>",)),
    Sign("olmo3", ("<function_calls>",)),
    Sign("hunyuan", ("<tool_calls>",), model_types=("hunyuan",)),
    Sign("none", ("<tool_calls>",), model_types=("minimax_m1",)),  # one object a line
    Sign("jamba", ("<tool_calls>", "arguments")),
    Sign("exaone4", (_CALL, "<tool_result>")),
    Sign("hermes", (_CALL, "<response>")),
    Sign("smollm3", ("xml_tools", "python_tools")),
    Sign("hermes", (_CALL, "arguments")),
    Sign("xlam", ("single JSON array", '"arguments"')),
    Sign("llama4", ("<|header_start|>", "func_name1(param")),
    Sign("llama3", ('"parameters": dictionary of argument name',)),
    Sign("llama3", ("<|start_header_id|>", "ipython")),
    Sign("lfm2", tokens=("<|tool_call_start|>", "<|tool_call_end|>"), model_types=("lfm2",)),
    Sign("internlm", tokens=("<|action_start|>", "<|plugin|>")),
)

_THINK, _THOUGHT = "<think>", "</think>"

REASONING_SIGNS = (
    Sign("harmony", ("<|channel|>", "<|message|>")),
    Sign("muse", ("<atem:invoke", "to=self")),
    Sign("k2_horizon", ("<ifm|think",)),
    Sign("k2_horizon", tokens=("<ifm|think>",)),
    Sign("gemma4", ("<|channel>",)),
    Sign("gemma4", tokens=("<|channel>", "<channel|>"), model_types=("gemma4", "diffusion_gemma")),
    Sign("seed_oss", ("<seed:think>",)),
    Sign("hy_v3", ("<think{}>",)),
    Sign("hy_v3", ("<think:opensource>",)),
    Sign("longcat", ("<longcat_think>",)),
    Sign("minimax_m3", ("<mm:think>",)),
    Sign("mistral", ("[THINK]",)),
    Sign("apertus", ("<|inner_prefix|>",)),
    Sign("command", ("<|START_THINKING|>", "<|START_TEXT|>")),
    Sign("command_response", ("<|START_THINKING|>",)),
    Sign("granite", ("Here is my thought process:",)),
    Sign("response", (_THINK, "<response></response>")),
    Sign("response", ("<response>",), model_types=("ernie",)),
    Sign("functionary_v32", (">>>${recipient}",)),
    Sign("functionary_v2", ("<|from|>", "<|recipient|>", "<|content|>")),
    Sign("hunyuan", (_THINK,), model_types=("hunyuan",)),
    Sign("think", (_THINK,)),
    Sign("think", (_THOUGHT,)),
    Sign("think", tokens=(_THINK, _THOUGHT)),
)


def choose(
    template: str | None,
    added_tokens: Collection[str],
    model_type: str,
    tool: str = "auto",
    reasoning: str = "auto",
) -> Choice:
    """The dialects of a checkpoint, unless they are given by name.

    Args:
        template: the chat template's text, the one for tools where there are two.
        added_tokens: those of tokenizer.json.
        model_type: as in config.json.
    """
    tokens = frozenset(added_tokens)
    names: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for kind, wanted, signs in (("tool", tool, TOOL_SIGNS), ("reasoning", reasoning, REASONING_SIGNS)):
        names[kind], reasons[kind] = _choose(wanted, signs, template or "", tokens, model_type)
    return Choice(names["tool"], names["reasoning"], reasons)


def _choose(
    wanted: str, signs: Sequence[Sign], template: str, tokens: Collection[str], model_type: str
) -> tuple[str, str]:
    if wanted != "auto":
        return wanted, "set by the user"
    for sign in signs:
        if sign.fits(template, tokens, model_type):
            return sign.dialect, sign.reason(model_type)
    return "none", "neither chat template nor vocabulary show a known form"
