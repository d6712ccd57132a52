"""The benchmark of jump-forward holds what it is to show, whatever the machine does meanwhile."""

from benchmarks.jump_forward import NEVER, Engine, measure_call
from vivace.assets import embedded_model_path
from vivace.chat.checkpoint import ChatModel
from vivace.engine.device import prepare
from vivace.engine.models import load
from vivace.engine.output import SHORTEST_RUN


def test_a_tool_call_with_long_keys_takes_half_the_decode_steps_with_the_same_json():
    device = prepare(0, exact=True)  # int8 activations make a near tie of what differs in the last bits
    chat = ChatModel.load(embedded_model_path())
    model = load(embedded_model_path(), "auto", lambda _: None, device.means)
    engines = {"decoding": Engine(model, device, NEVER), "jumping": Engine(model, device, SHORTEST_RUN)}
    for streams in (1, 3):
        row = measure_call(engines, chat, streams, 1)
        assert row["same JSON"]
        assert row["fewer steps, ×"] >= 2
