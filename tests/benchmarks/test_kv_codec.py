"""The benchmark of KV codecs compares what it says."""

import mlx.core as mx
import pytest

from benchmarks._coded_cache import BLOCK, continue_greedily, restore, store
from benchmarks.kv_codec import Tally
from tests.random_models import FULL_ATTENTION, HYBRID, ONE_BY_ONE, VOCAB, random_checkpoint
from vivace.engine.cache.codecs import NAMES, codec
from vivace.engine.models import load

PROMPT = mx.random.randint(0, VOCAB, (2 * BLOCK + 5,), key=mx.random.key(0)).tolist()


@pytest.fixture(scope="module", params=[FULL_ATTENTION[0], HYBRID[0], ONE_BY_ONE[0]])
def model(request, tmp_path_factory):
    folder = random_checkpoint(tmp_path_factory.mktemp("model") / request.param, request.param)
    return load(folder, "float32", lambda _: None)


def test_a_restored_prompt_goes_on_as_one_that_was_never_stored(model):
    whole = model.forward(mx.array([PROMPT]), model.make_caches(0))[0]
    stored = store(model, PROMPT, chunk=BLOCK)
    assert stored.tail == PROMPT[2 * BLOCK :]
    logits, tokens = continue_greedily(model, restore(model, stored, codec("plain")), stored.tail, 4, ())
    assert mx.allclose(logits, whole[2 * BLOCK :], atol=1e-3)
    assert len(tokens) == 4


def test_the_stored_prompt_stays_as_it_is(model):
    stored = store(model, PROMPT, chunk=BLOCK)
    first, again = (
        continue_greedily(model, restore(model, stored, codec("plain")), stored.tail, 8, ()) for _ in range(2)
    )
    assert mx.array_equal(first[0], again[0])
    assert first[1] == again[1]


def test_fewer_bits_make_larger_errors(model):
    stored = store(model, PROMPT, chunk=BLOCK)
    logits = {
        name: continue_greedily(model, restore(model, stored, codec(name)), stored.tail, 0, ())[0] for name in NAMES
    }
    errors = {name: mx.abs(found - logits["plain"]).mean().item() for name, found in logits.items()}
    assert errors["plain"] == 0 < errors["q8"] <= errors["k8v4"]
    rising = [errors[name] for name in ("plain", "v4", "v3", "v2")]
    assert rising == sorted(rising)
    has_values = errors["v4"] > 0  # what latent attention caches are all keys
    assert has_values == (errors["q8"] < errors["k8v4"]) == (errors["v3"] < errors["v2"])


def test_a_tally_counts_against_plain():
    tally = Tally()
    plain = mx.array([[0.0, 1.0], [2.0, 0.0]])
    tally.logits(plain, plain + 3)
    tally.logits(plain, mx.array([[1.0, 0.0], [2.0, 0.0]]))
    tally.answer(True, False)
    tally.answer(False, True)
    tally.answer(True, True)
    row = tally.row()
    assert row["same token, %"] == 75
    assert row["logits differ by at most"] == 3
    assert row["KL"] == pytest.approx((0.7311 - 0.2689) / 4, abs=1e-3)
    assert (tally.right, tally.fixed, tally.broken) == (2, 1, 1)
