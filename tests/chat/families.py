"""Chat models that write as the families do: their templates in short, with the embedded vocabulary."""

from dataclasses import replace
from functools import cache

from tokenizers import AddedToken, Tokenizer

from vivace.assets import embedded_model_path
from vivace.chat.checkpoint import ChatModel, Checkpoint, read_tokenizer

CHATML = """
{%- if tools %}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content }}

{% endif %}# Tools
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% elif messages[0].role == 'system' %}<|im_start|>system
{{ messages[0].content }}<|im_end|>
{% endif %}
"""
HERMES_CALLS = """
{%- for call in m.tool_calls or [] %}{% if not loop.first or m.content %}
{{ '' }}{% endif %}<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}
"""
# Reasoning only behind the last user message; the generation prompt opens none.
QWEN3 = (
    CHATML
    + """
{%- set last = namespace(user=-1) %}
{%- for m in messages %}{% if m.role == 'user' %}{% set last.user = loop.index0 %}{% endif %}{% endfor %}
{%- for m in messages %}
{%- if m.role == 'user' or (m.role == 'system' and not loop.first) %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% elif m.role == 'assistant' %}<|im_start|>assistant
{% if loop.index0 > last.user and (loop.last or m.reasoning_content) %}<think>
{{ (m.reasoning_content or '').strip('\\n') }}
</think>

{{ m.content.lstrip('\\n') }}{% else %}{{ m.content }}{% endif %}"""
    + HERMES_CALLS
    + """<|im_end|>
{% elif m.role == 'tool' %}{% if loop.first or messages[loop.index0 - 1].role != 'tool' %}<|im_start|>user{% endif %}
<tool_response>
{{ m.content }}
</tool_response>{% if loop.last or messages[loop.index0 + 1].role != 'tool' %}<|im_end|>
{% endif %}{% endif %}{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% endif %}{% endif %}"""
)
LLAMA3 = """{{ bos_token }}
{%- for m in messages %}
{%- if m.role == 'assistant' and m.tool_calls %}
{%- if m.tool_calls | length != 1 %}{{ raise_exception('Only single calls') }}{% endif %}
{%- set call = m.tool_calls[0].function %}<|start_header_id|>assistant<|end_header_id|>

{"name": "{{ call.name }}", "parameters": {{ call.arguments | tojson }}}<|eot_id|>
{%- else %}<|start_header_id|>{{ 'ipython' if m.role == 'tool' else m.role }}<|end_header_id|>

{% if m.role == 'system' and tools %}Functions: {{ tools | tojson }}
{% endif %}{{ m.content | trim }}<|eot_id|>
{%- endif %}{% endfor %}
{%- if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}"""
# System prompt and tools stand at the last user message, so they move with every turn.
MISTRAL = """{{ bos_token }}
{%- if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set turns = messages[1:] %}
{%- else %}{% set turns = messages %}{% endif %}
{%- set last = namespace(user=-1) %}
{%- for m in turns %}{% if m.role == 'user' %}{% set last.user = loop.index0 %}{% endif %}{% endfor %}
{%- for m in turns %}
{%- if m.role == 'user' %}
{%- if loop.index0 == last.user and tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}[INST]
{%- if loop.index0 == last.user and system is defined %}{{ system }}

{% endif %}{{ m.content }}[/INST]
{%- elif m.role == 'tool' %}[TOOL_RESULTS]{{ m.content }}[/TOOL_RESULTS]
{%- elif m.tool_calls %}[TOOL_CALLS][
{%- for call in m.tool_calls %}{% if call.id | length != 9 %}{{ raise_exception('An id has 9 letters') }}{% endif %}
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}, "id": "{{ call.id }}"}
{%- if not loop.last %}, {% endif %}{% endfor %}]{{ eos_token }}
{%- else %}{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"""
GEMMA = """{{ bos_token }}
{%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for m in messages %}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif -%}
<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}
{{ m.content | trim }}<end_of_turn>
{% endfor %}
{%- if add_generation_prompt %}<start_of_turn>model
{% endif %}"""
# No token but the first: roles are words.
PLAIN = """{{ bos_token }}
{%- for m in messages %}### {{ m.role | title }}:
{{ m.content }}{% for call in m.tool_calls or [] %} CALL {{ call.function | tojson }}{% endfor %}

{% endfor %}{% if add_generation_prompt %}### Assistant:
{% endif %}"""

TOKENS = {
    "qwen3": ("<|im_start|>", "<|im_end|>"),
    "llama3": ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
    "mistral": (
        "<s>",
        "</s>",
        "[INST]",
        "[/INST]",
        "[AVAILABLE_TOOLS]",
        "[/AVAILABLE_TOOLS]",
        "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]",
        "[TOOL_CALLS]",
    ),
    "gemma": ("<bos>", "<end_of_turn>", "<start_of_turn>"),
    "plain": ("<s>", "</s>"),
}
TEMPLATES = {"qwen3": QWEN3, "llama3": LLAMA3, "mistral": MISTRAL, "gemma": GEMMA, "plain": PLAIN}
DIALECTS = {"qwen3": "hermes", "llama3": "llama3", "mistral": "mistral_v3"}


@cache
def family(name: str) -> ChatModel:
    """The second of its tokens ends a turn; the first begins a text, except for qwen3."""
    checkpoint = Checkpoint.read(embedded_model_path())
    if name == "mini":
        return ChatModel(checkpoint, read_tokenizer(embedded_model_path()), "auto", "auto")
    tokenizer = with_tokens(read_tokenizer(embedded_model_path()), TOKENS[name])
    begin, end = TOKENS[name][:2]
    special = {"eos_token": end} if name == "qwen3" else {"bos_token": begin, "eos_token": end}
    facts = replace(
        checkpoint,
        chat_template=TEMPLATES[name],
        special_tokens=special,
        stop_ids=(tokenizer.token_to_id(end),),
        vocab_size=tokenizer.get_vocab_size(),
    )
    return ChatModel(facts, tokenizer, DIALECTS.get(name, "none"), "think" if name == "qwen3" else "none")


def with_tokens(tokenizer: Tokenizer, tokens: tuple[str, ...]) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in tokens])
    return tokenizer
