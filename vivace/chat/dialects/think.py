"""Reasoning between two markers: one line per family.

Sources: chat templates of Qwen3, DeepSeek-R1, mistralai/Magistral-Small-2507, google/gemma-4-E4B-it,
ByteDance-Seed/Seed-OSS-36B-Instruct, tencent/Hunyuan-A13B-Instruct, ibm-granite/granite-3.2-8b-instruct and 3.3
(`response`), CohereLabs/command-a-reasoning-08-2025 and c4ai-command-r7b-12-2024 (`command_response`),
swiss-ai/Apertus-8B-Instruct-2509 and MiniMaxAI/MiniMax-M3; for ERNIE 4.5, which is `response` too, vLLM's
ernie45_reasoning_parser.py, for LongCat mlx-lm's tokenizer_utils.py, for K2 Horizon SGLang's reasoning_parser.py (the
template opens the block that the effort asks for).
"""

from vivace.chat.dialects.reasoning import MarkedReasoning

DIALECT = MarkedReasoning("think", "<think>", "</think>")
MISTRAL = MarkedReasoning("mistral", "[THINK]", "[/THINK]")
GEMMA4 = MarkedReasoning("gemma4", "<|channel>", "<channel|>", label="thought")
SEED = MarkedReasoning("seed_oss", "<seed:think>", "</seed:think>")
HUNYUAN = MarkedReasoning("hunyuan", "<think>", "</think>", content=("<answer>", "</answer>"))
HUNYUAN_3 = MarkedReasoning("hy_v3", "<think:opensource>", "</think:opensource>")
GRANITE = MarkedReasoning("granite", "Here is my thought process:", "Here is my response:")
COMMAND = MarkedReasoning(
    "command", "<|START_THINKING|>", "<|END_THINKING|>", content=("<|START_TEXT|>", "<|END_TEXT|>")
)
COMMAND_RESPONSE = MarkedReasoning(
    "command_response", "<|START_THINKING|>", "<|END_THINKING|>", content=("<|START_RESPONSE|>", "<|END_RESPONSE|>")
)
RESPONSE = MarkedReasoning("response", "<think>", "</think>", content=("<response>", "</response>"))
APERTUS = MarkedReasoning("apertus", "<|inner_prefix|>", "<|inner_suffix|>")
LONGCAT = MarkedReasoning("longcat", "<longcat_think>", "</longcat_think>")
K2_HORIZON = MarkedReasoning(
    "k2_horizon",
    "<ifm|think>",
    "</ifm|think>",
    others=tuple((f"<ifm|think_{speed}>", f"</ifm|think_{speed}>") for speed in ("fast", "faster")),
)
MINIMAX_M3 = MarkedReasoning("minimax_m3", "<mm:think>", "</mm:think>")
FAMILIES = (
    *(DIALECT, MISTRAL, GEMMA4, SEED, HUNYUAN, HUNYUAN_3, GRANITE, RESPONSE, COMMAND, COMMAND_RESPONSE, APERTUS),
    *(LONGCAT, K2_HORIZON, MINIMAX_M3),
)
