"""Qwen3, DeepSeek R1, GLM, MiniMax, SmolLM3, Vivace Mini and many more: `<think>…</think>`."""

from vivace.chat.dialects.reasoning import MarkedReasoning

DIALECT = MarkedReasoning("think", "<think>", "</think>")
