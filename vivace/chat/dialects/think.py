"""Reasoning between two markers: one line per family.

Sources: chat templates of Qwen3, DeepSeek-R1, mistralai/Magistral-Small-2507, google/gemma-4-E4B-it,
ByteDance-Seed/Seed-OSS-36B-Instruct, tencent/Hunyuan-A13B-Instruct, ibm-granite/granite-3.2-8b-instruct and 3.3
(`response`, also ERNIE 4.5), CohereLabs/command-a-reasoning-08-2025 and c4ai-command-r7b-12-2024 (`command_response`),
swiss-ai/Apertus-8B-Instruct-2509.
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
FAMILIES = (
    *(DIALECT, MISTRAL, GEMMA4, SEED, HUNYUAN, HUNYUAN_3, GRANITE, RESPONSE),
    *(COMMAND, COMMAND_RESPONSE, APERTUS),
)
