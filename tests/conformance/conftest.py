from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.conformance.server import Server, serving


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the whole folder. Whatever the tests did to it, it lives and its log has no traceback."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server
        assert server.http.get("/health").status_code == 200
        assert server.is_ready()
        assert "Traceback" not in server.log()


@pytest.fixture
def client(server: Server) -> OpenAI:
    return server.client


@pytest.fixture
async def async_client(server: Server) -> AsyncIterator[AsyncOpenAI]:
    async with server.async_client() as client:
        yield client


@pytest.fixture
def http(server: Server) -> httpx.Client:
    return server.http
