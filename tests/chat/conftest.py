import pytest

from vivace.assets import embedded_model_path
from vivace.chat.checkpoint import ChatModel


@pytest.fixture(scope="session")
def mini() -> ChatModel:
    return ChatModel.load(embedded_model_path())
