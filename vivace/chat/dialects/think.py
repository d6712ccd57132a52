"""Reasoning between two markers: one line per family.

Sources: chat templates of Qwen3, DeepSeek-R1, mistralai/Magistral-Small-2507, google/gemma-4-E4B-it,
ByteDance-Seed/Seed-OSS-36B-Instruct, tencent/Hunyuan-A13B-Instruct, ibm-granite/granite-3.3-8b-instruct and
CohereLabs/command-a-reasoning-08-2025.
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
FAMILIES = (DIALECT, MISTRAL, GEMMA4, SEED, HUNYUAN, HUNYUAN_3, GRANITE, COMMAND)
