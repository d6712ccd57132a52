import pytest

from tests.engine.harness import Harness
from tests.random_models import random_checkpoint
from vivace.engine.models import LoadedModel, load


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory):
    """loaded(kind) -> a random model of that kind, loaded once."""
    models: dict[str, LoadedModel] = {}

    def get(kind: str) -> LoadedModel:
        if kind not in models:
            folder = random_checkpoint(tmp_path_factory.mktemp("models") / kind, kind)
            models[kind] = load(folder, "float32", lambda _: None)
        return models[kind]

    return get


@pytest.fixture
def engine(loaded):
    """engine(kind, **limits) -> a step loop over a random model, driven by hand."""
    return lambda kind="qwen3", **limits: Harness(loaded(kind), **limits)
