import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat.builders import WEATHER, call, coalesced
from vivace.chat.conversation import Conversation, Message, Options
from vivace.chat.events import Logprobs, ReasoningDelta, TextDelta, ToolCallFinished, ToolCallStarted
from vivace.chat.stops import StopMatcher
from vivace.protocol import TokenLogprob


def stream(mini, *, stop=(), thinking=False):
    conversation = Conversation((Message("user", "Hi"),), (WEATHER,))
    return mini.stream(mini.prepare(conversation, Options(stop=stop, thinking=thinking)))


def ids_of(mini, text):
    return mini.tokenizer.encode(text, add_special_tokens=False).ids


def texts(events, kind=TextDelta):
    return "".join(e.text for e in events if isinstance(e, kind))


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80), st.integers(1, 4))
def test_streamed_is_whole(mini, text, size):
    ids = [i for i in ids_of(mini, text) if i < 8180]
    text_stream, whole = stream(mini), stream(mini)
    events = [e for at in range(0, len(ids), size) for e in text_stream.feed(ids[at : at + size])]
    events += text_stream.finish("stop")
    assert coalesced(events) == coalesced([*whole.feed(ids), *whole.finish("stop")])
    assert texts(events) == mini.tokenizer.decode(ids, skip_special_tokens=True)


def test_markers_spelled_by_ordinary_tokens_stay_text(mini):
    text = "\n<think>\n" + call("get_weather", city="Oslo")
    ids = [i for piece in text.split("<") for i in (ids_of(mini, "<") + ids_of(mini, piece))][len(ids_of(mini, "<")) :]
    assert not {8186, 8188} & set(ids)
    text_stream = stream(mini)
    assert texts(text_stream.feed(ids) + text_stream.finish("stop")) == text
    assert not text_stream.called_tools


def events_of_cut_call(mini, cut_at, reason):
    whole = call("get_weather", city="Oslo")
    text_stream = stream(mini)
    return text_stream.feed(ids_of(mini, whole[: whole.index(cut_at) + len(cut_at)])) + text_stream.finish(reason)


@pytest.mark.parametrize(
    ("cut_at", "arguments"),
    [
        ("Os", '{"city": "Os'),
        ("Oslo\n</parameter>", '{"city": "Oslo'),
        ("<function=get_weather>\n", ""),
        ("</function>", '{"city": "Oslo"}'),
    ],
)
def test_a_call_that_the_token_limit_cuts_stays_open_unless_it_was_complete(mini, cut_at, arguments):
    events = events_of_cut_call(mini, cut_at, "length")
    assert "".join(getattr(e, "json_delta", "") for e in events) == arguments
    assert events[-1] == ToolCallFinished(0)


@pytest.mark.parametrize("cut_at", ["Os", "Oslo\n</parameter>", "<function=get_weather>\n", "</function>"])
def test_a_call_is_mended_that_the_model_itself_breaks_off(mini, cut_at):
    events = events_of_cut_call(mini, cut_at, "stop")
    assert isinstance(events[-1], ToolCallFinished)
    assert events[-1].repaired


def test_what_was_mended_before_the_token_limit_counts(mini):
    text_stream = stream(mini)
    text = call("get_weather", city="Oslo").removeprefix("<tool_call>\n").removesuffix("\n</tool_call>")
    assert text.startswith("<function")
    events = text_stream.feed(ids_of(mini, text)) + text_stream.finish("length")
    assert events[-1] == ToolCallFinished(0, "the call had no wrapper")


def test_reasoning_call_and_counts(mini):
    text_stream = stream(mini, thinking=True)
    thoughts = ids_of(mini, "One moment.\n</think>")
    events = text_stream.feed(thoughts + ids_of(mini, "\n\n" + call("get_weather", city="Oslo")))
    assert texts(events, ReasoningDelta) == "One moment."
    assert texts(events) == ""
    assert [e.name for e in events if isinstance(e, ToolCallStarted)] == ["get_weather"]
    assert text_stream.reasoning_tokens == len(thoughts)
    assert text_stream.called_tools


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_stop_string_ends_the_answer_and_is_no_part_of_it(mini, size):
    text_stream = stream(mini, stop=("never", "END"))
    ids = ids_of(mini, "One, two, EN, END and more")
    events = [e for at in range(0, len(ids), size) for e in text_stream.feed(ids[at : at + size])]
    assert texts(events) == "One, two, EN, "
    assert text_stream.stopped_by == "END"
    assert text_stream.feed(ids) == []
    assert text_stream.finish("stop") == []


def test_stop_strings_are_not_looked_for_in_reasoning_and_arguments(mini):
    text_stream = stream(mini, stop=("Oslo",), thinking=True)
    events = text_stream.feed(ids_of(mini, f"Oslo\n</think>\n\n{call('get_weather', city='Oslo')}"))
    assert text_stream.stopped_by is None
    assert text_stream.called_tools
    assert texts(events, ReasoningDelta) == "Oslo"


def test_the_beginning_of_a_stop_string_comes_out_at_the_end(mini):
    text_stream = stream(mini, stop=("END",))
    assert texts(text_stream.feed(ids_of(mini, "The EN"))) == "The "
    assert texts(text_stream.finish("length")) == "EN"


@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3), st.integers(1, 4))
def test_stop_strings_do_not_depend_on_the_split(text, stops, size):
    def visible(step):
        matcher, out = StopMatcher(stops), ""
        for at in range(0, len(text), step):
            out += "" if matcher.matched else matcher.feed(text[at : at + step])
        return out + ("" if matcher.matched else matcher.flush()), matcher.matched

    assert visible(size) == visible(1)
    assert visible(1)[1] is not None or visible(1)[0] == text


def logprobs_of(ids):
    return [TokenLogprob(i, -float(n), [(i, -float(n))]) for n, i in enumerate(ids)]


def test_log_probabilities_are_those_of_the_visible_tokens(mini):
    text_stream = stream(mini, thinking=True)
    thoughts, content = ids_of(mini, "Hm.\n</think>\n\n"), ids_of(mini, "It is 5 < 6 é 😀")
    ids = thoughts + content + ids_of(mini, "\n" + call("get_weather", city="Oslo"))
    events = [e for i, p in zip(ids, logprobs_of(ids), strict=True) for e in text_stream.feed([i], [p])]
    tokens = [t for e in events if isinstance(e, Logprobs) for t in e.tokens]
    assert b"".join(bytes(t.bytes) for t in tokens).decode() == texts(events) == "It is 5 < 6 é 😀\n"
    assert tokens[0].logprob == -len(thoughts)
    assert all(t.top[0].token == t.token for t in tokens)
