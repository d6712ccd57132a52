import pytest

from tests.chat.builders import WEATHER
from vivace.chat.conversation import Conversation, Message, Options, ToolCall, ToolChoice
from vivace.chat.facts import CheckpointError
from vivace.chat.template import ChatTemplate, template_kwargs, template_messages
from vivace.errors import VivaceError

ANYWHERE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
FIRST = (
    "{% for m in messages %}{% if m.role == 'system' and not loop.first %}{{ raise_exception('Only one') }}{% endif %}"
)
FIRST += "[{{ m.role }}]{{ m.content }}{% endfor %}"
NONE = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
NONE += "[{{ m.role }}]{{ m.content }}{% endfor %}"

SYSTEMS = Conversation(
    (
        Message("system", "A"),
        Message("system", "B"),
        Message("user", "hi"),
        Message("system", "C"),
        Message("user", "yo"),
    )
)


def rendered(source, conversation):
    template = ChatTemplate(source, {})
    return template.render(template_messages(conversation, template.system), None, {})


@pytest.mark.parametrize(
    ("source", "prompt"),
    [
        (ANYWHERE, "[system]A[system]B[user]hi[system]C[user]yo"),
        (FIRST, "[system]A\n\nB\n\nC[user]hi[user]yo"),
        (NONE, "[user]A\n\nB\n\nC\n\nhi[user]yo"),
    ],
)
def test_system_messages_go_where_the_template_takes_them(source, prompt):
    assert rendered(source, SYSTEMS) == prompt


def test_what_templates_of_transformers_use():
    source = (
        "{% generation %}{{ bos_token }}{% endgeneration %}{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}"
        "{{ i }}{% endfor %}{{ {'a': '<é&>'} | tojson }}{{ strftime_now('%Y')|length }}{{ add_generation_prompt }}"
    )
    assert ChatTemplate(source, {"bos_token": "<s>"}).render([], None, {}) == '<s>01{"a": "<é&>"}4True'


def test_the_template_s_own_words_reach_the_client():
    with pytest.raises(VivaceError, match="no such thing") as caught:
        ChatTemplate("{{ raise_exception('no such thing') }}", {}).render([], None, {})
    assert caught.value.kind == "invalid_request"
    with pytest.raises(VivaceError):
        ChatTemplate("{{ messages[0].content + 1 }}", {}).render([{"content": "a"}], None, {})


def test_templates_may_not_reach_into_python():
    with pytest.raises(VivaceError):
        ChatTemplate("{{ ''.__class__.__mro__[1].__subclasses__() }}", {}).render([], None, {})


def test_a_broken_template_is_a_broken_checkpoint():
    with pytest.raises(CheckpointError, match="line 1"):
        ChatTemplate("{% if %}", {})


@pytest.mark.parametrize(
    ("options", "kwargs"),
    [
        (Options(), {}),
        (Options(thinking=True), {"enable_thinking": True}),
        (Options(reasoning_effort="none"), {"reasoning_effort": "none", "enable_thinking": False}),
        (Options(reasoning_effort="high"), {"reasoning_effort": "high"}),
        (
            Options(thinking=True, template_kwargs={"enable_thinking": False, "x": 1}),
            {"enable_thinking": False, "x": 1},
        ),
    ],
)
def test_options_become_variables_of_the_template(options, kwargs):
    assert template_kwargs(options) == kwargs


def test_variables_that_are_ours_are_refused():
    with pytest.raises(VivaceError) as caught:
        template_kwargs(Options(template_kwargs={"messages": []}))
    assert caught.value.param == "chat_template_kwargs.messages"


def test_past_calls_are_mappings_where_they_are_json_objects():
    calls = (
        ToolCall("1", "f", '{"a": 1, "half": "\\ud800"}'),
        ToolCall("2", "g", "{broken"),
        ToolCall("3", "h", ""),
    )
    conversation = Conversation((Message("assistant", "", None, calls), Message("tool", "42", tool_call_id="2")))
    assistant, result = template_messages(conversation, "anywhere")
    assert [c["function"]["arguments"] for c in assistant["tool_calls"]] == [{"a": 1, "half": "?"}, "{broken", {}]
    assert result == {"role": "tool", "content": "42", "tool_call_id": "2", "name": "g"}


def test_the_embedded_template_renders_a_whole_round(mini):
    conversation = Conversation(
        (
            Message("user", "Weather in Paris?"),
            Message("assistant", "", "I look.", (ToolCall("1", "get_weather", '{"city": "Paris", "days": 2}'),)),
            Message("tool", "sunny", tool_call_id="1"),
        ),
        (WEATHER,),
    )
    prompt = mini.prepare(conversation, Options(thinking=False)).text
    assert (
        "<think>\nI look.\n</think>\n\n<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>"
        in prompt
    )
    assert "<parameter=days>\n2\n</parameter>\n</function>\n</tool_call><|im_end|>" in prompt
    assert prompt.endswith(
        "<|im_start|>user\n<tool_response>\nsunny\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )


def test_tools_are_offered_unless_the_choice_is_none(mini):
    conversation = Conversation((Message("user", "Hi"),), (WEATHER,))
    assert "get_weather" in mini.prepare(conversation, Options()).text
    refused = Conversation(conversation.messages, (WEATHER,), ToolChoice("none"))
    assert "get_weather" not in mini.prepare(refused, Options()).text
