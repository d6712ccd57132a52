"""The step loop over random models: whatever is in the batch, each request gets what it would get alone."""

import gc
import random
import threading
import weakref
from concurrent.futures import Future

import pytest

from tests.engine.harness import Harness, reference
from tests.random_models import KINDS, ONE_BY_ONE, VOCAB
from vivace.engine import loop as loop_module
from vivace.engine.cache import slab
from vivace.engine.models import arrays_of
from vivace.protocol import Cancel, Drain, Grammar, Sampling


def prompt(length: int, seed: int = 0) -> list[int]:
    return random.Random(1000 * length + seed).choices(range(VOCAB), k=length)


@pytest.mark.parametrize("kind", KINDS)
def test_requests_that_join_at_different_steps_get_what_mlx_lm_gives_them_alone(engine, loaded, kind, monkeypatch):
    monkeypatch.setattr(slab, "SLACK", slab.BLOCK + 8)  # windowed slabs are compacted several times
    harness = engine(kind)
    prompts = {str(n): prompt(n) for n in (1, 5, 37, 90)}
    for id, tokens in prompts.items():
        harness.submit(id, tokens, 40)
        harness.turn()
        harness.turn()
    harness.run()
    expected = {id: reference(loaded(kind), tokens, 40)[0] for id, tokens in prompts.items()}
    assert harness.tokens == expected


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ONE_BY_ONE])
def test_rows_share_one_forward(engine, kind):
    assert engine(kind).probe.unshared == ""


def test_a_model_whose_rows_cannot_share_a_forward_says_why(engine):
    assert engine("deepseek_v3").probe.unshared


def test_a_seeded_draw_does_not_depend_on_the_batch(engine):
    harness = engine("qwen3_5")
    sampling = Sampling(seed=7, temperature=1.0, top_p=0.9, top_k=50)
    alone = harness.answer(prompt(20), 30, sampling)
    harness.submit("greedy", prompt(9), 50)
    harness.submit("alone", prompt(20), 30, sampling)
    harness.submit("other", prompt(20), 30, Sampling(seed=8, temperature=1.0))
    harness.run()
    assert harness.tokens["alone"] == alone
    assert harness.tokens["other"] != alone


def test_the_same_seed_gives_the_same_text_again(engine):
    harness = engine()
    sampling = Sampling(seed=3, temperature=1.2)
    assert harness.answer(prompt(8), 30, sampling) == harness.answer(prompt(8), 30, sampling)


def test_output_ends_at_a_stop_id_which_is_not_sent(engine, loaded):
    expected, _ = reference(loaded("qwen3"), prompt(12), 20)
    stop = expected[5]
    harness = engine()
    first = expected.index(stop)
    assert first > 0
    assert harness.answer(prompt(12), 20, stop_ids=(stop,)) == expected[:first]
    assert harness.finished["alone"].reason == "stop"
    assert harness.finished["alone"].completion_tokens == first + 1


def test_output_ends_at_max_tokens(engine):
    harness = engine()
    assert len(harness.answer(prompt(5), 3)) == 3
    assert harness.finished["alone"].reason == "length"
    assert harness.finished["alone"].completion_tokens == 3


def test_a_prompt_is_prefilled_in_chunks_with_progress(engine):
    harness = engine(chunk=32, prefill_rate=1e9)
    harness.answer(prompt(100), 2)
    assert harness.progress["alone"] == [32, 64, 99]


def test_others_decode_while_a_long_prompt_is_prefilled(engine):
    harness = engine(chunk=32, prefill_rate=1.0)
    harness.submit("first", prompt(4), 100)
    harness.turn()
    harness.turn()
    harness.submit("long", prompt(400), 4)
    for _ in range(6):
        harness.turn()
    assert len(harness.tokens["first"]) >= 5
    assert "long" not in harness.tokens


def test_cancellation_takes_one_step_in_decode(engine):
    harness = engine()
    harness.submit("gone", prompt(4), 1000)
    for _ in range(5):
        harness.turn()
    harness.loop.submit(Cancel("gone"))
    harness.turn()
    assert harness.finished["gone"].reason == "cancelled"
    assert not harness.loop.busy


def test_cancellation_takes_one_step_in_prefill(engine):
    harness = engine(chunk=32, prefill_rate=1.0)
    harness.submit("gone", prompt(1000), 10)
    harness.turn()
    harness.loop.submit(Cancel("gone"))
    harness.turn()
    assert harness.finished["gone"].reason == "cancelled"
    assert not harness.loop.busy


def test_rows_that_stay_are_right_after_another_was_cancelled(engine, loaded):
    harness = engine("qwen3_5")
    for id, length in (("a", 6), ("b", 11), ("c", 20)):
        harness.submit(id, prompt(length), 30)
    for _ in range(8):
        harness.turn()
    harness.loop.submit(Cancel("b"))
    harness.run()
    for id, length in (("a", 6), ("c", 20)):
        assert harness.tokens[id] == reference(loaded("qwen3_5"), prompt(length), 30)[0]


def test_more_requests_than_rows_all_finish(engine, loaded):
    harness = engine(max_batch=2, max_waiting=20)
    for i in range(9):
        harness.submit(str(i), prompt(10, i), 8)
    harness.run()
    assert {id: len(tokens) for id, tokens in harness.tokens.items()} == {str(i): 8 for i in range(9)}
    assert harness.tokens["8"] == reference(loaded("qwen3"), prompt(10, 8), 8)[0]


@pytest.mark.parametrize(
    ("request_", "kind", "words"),
    [
        ({"prompt": prompt(100)}, "prompt_too_long", ("100", "64")),
        ({"prompt": []}, "invalid_request", ("token ids",)),
        ({"prompt": [VOCAB]}, "invalid_request", (str(VOCAB - 1),)),
        ({"prompt": [-1]}, "invalid_request", ("token ids",)),
    ],
)
def test_what_cannot_be_served_is_refused_before_any_work(engine, request_, kind, words):
    harness: Harness = engine(context=64)
    harness.submit("bad", **request_)
    harness.turn()
    assert harness.failed["bad"].kind == kind
    assert all(word in harness.failed["bad"].message for word in words)
    assert harness.loop.steps == 0


@pytest.mark.parametrize("kind", ["qwen3", "gemma3", "qwen3_5", "falcon_h1", "deepseek_v3"])
def test_the_cost_of_caches_is_what_they_take(engine, kind):
    harness = engine(kind)
    harness.submit("x", prompt(700), 400)
    while not harness.loop.rows:
        harness.turn()
    (row,) = harness.loop.rows
    taken = sum(array.nbytes for array in arrays_of(row.caches))
    assert taken <= 1.5 * harness.probe.cost.nbytes(1100)
    assert harness.probe.cost.nbytes(700) <= 1.5 * taken + harness.probe.cost.fixed


def test_sequences_that_do_not_fit_in_memory_together_run_one_after_the_other(engine, loaded):
    cost = engine().probe.cost
    harness = engine(cache_bytes=int(1.5 * cost.expected(40, 8)))
    for i in range(3):
        harness.submit(str(i), prompt(40, i), 8)
    running = []
    harness.turn()
    while harness.loop.busy:
        running.append(sum(s.admitted is not None for s in [*harness.loop.rows, *harness.loop.waiting.values()]))
        harness.turn()
    assert max(running) == 1
    assert harness.tokens["2"] == reference(loaded("qwen3"), prompt(40, 2), 8)[0]


def test_a_prompt_whose_cache_never_fits_is_refused(engine):
    harness = engine(cache_bytes=engine().probe.cost.nbytes(100))
    harness.submit("big", prompt(200))
    harness.turn()
    assert harness.failed["big"].kind == "prompt_too_long"
    assert "GiB" in harness.failed["big"].message


@pytest.mark.parametrize(("max_batch", "max_waiting"), [(1, 2), (2, 1), (3, 0)])
def test_a_full_queue_refuses(engine, max_batch, max_waiting):
    harness = engine(max_batch=max_batch, max_waiting=max_waiting)
    for i in range(5):
        harness.submit(str(i), prompt(5), 4)
    harness.turn()
    harness.submit("5", prompt(5), 4)
    harness.turn()
    assert {id: failed.kind for id, failed in harness.failed.items()} == dict.fromkeys("345", "overloaded")
    harness.run()
    assert set(harness.finished) == {"0", "1", "2"}


@pytest.mark.parametrize("end", [{"tokens": 3}, {"tokens": 1000, "cancelled": True}])
def test_an_idle_engine_holds_no_caches(engine, end):
    harness = engine()
    harness.submit("a", prompt(5), end["tokens"])
    while not harness.loop.rows:
        harness.turn()
    sequence = weakref.ref(harness.loop.rows[0])
    if end.get("cancelled"):
        harness.loop.submit(Cancel("a"))
    harness.run()
    gc.collect()
    assert sequence() is None


def test_a_batch_that_waits_for_grammars_does_not_spin(engine):
    harness = engine(max_batch=1)
    compiled: Future = Future()
    harness.loop._compiler.submit = lambda *_: compiled
    harness.submit("grammar", prompt(5), 4, grammar=Grammar("start: /a/"))
    harness.submit("behind", prompt(5), 4)
    for _ in range(10):
        harness.turn()
    steps = harness.loop.steps
    assert not harness.loop._has_work()
    harness.turn()
    assert harness.loop.steps == steps
    harness.loop.submit(Cancel("grammar"))
    harness.run()
    assert compiled.cancelled()
    assert len(harness.tokens["behind"]) == 4


def test_an_engine_without_work_gives_kept_memory_back_once(engine, monkeypatch):
    given = threading.Event()
    monkeypatch.setattr(loop_module, "IDLE_S", 0.01)
    monkeypatch.setattr(loop_module, "give_back", given.set)
    loop = engine().loop
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert given.wait(10)
    given.clear()
    assert not given.wait(0.1)
    loop.submit(Drain())
    thread.join(10)
    assert not thread.is_alive()


def test_draining_finishes_what_runs_and_refuses_what_comes(engine):
    harness = engine()
    harness.submit("old", prompt(5), 6)
    harness.turn()
    harness.loop.submit(Drain())
    harness.submit("new", prompt(5), 6)
    harness.loop.run()
    assert harness.finished["old"].completion_tokens == 6
    assert harness.failed["new"].kind == "overloaded"


def test_logprobs_are_those_of_the_model(engine, loaded):
    import mlx.core as mx

    harness = engine()
    tokens = harness.answer(prompt(10), 4, Sampling(temperature=0, top_logprobs=3, presence_penalty=1.0))
    entries = harness.logprobs["alone"]
    logits = loaded("qwen3").model(mx.array([prompt(10) + tokens[:3]]))[0, -4:]
    scores = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    assert [entry.token for entry in entries] == tokens
    for entry, row in zip(entries, scores, strict=True):
        assert entry.logprob == pytest.approx(row[entry.token].item(), abs=1e-4)
        best = mx.argsort(-row)[:3].tolist()
        assert [token for token, _ in entry.top] == best
