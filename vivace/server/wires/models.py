"""GET /v1/models and /v1/models/{id}: what can be named in a request, in OpenAI's shape."""

from typing import Any

from fastapi import APIRouter

from vivace.errors import VivaceError
from vivace.server.generation import Generation, ModelCard


def router(generation: Generation) -> APIRouter:
    routes = APIRouter(tags=["OpenAI"])

    @routes.get("/v1/models", summary="The models that requests can name")
    async def list_models() -> dict[str, Any]:
        return {"object": "list", "data": [model_object(card) for card in generation.cards()]}

    @routes.get("/v1/models/{model_id:path}", summary="One of them")
    async def show_model(model_id: str) -> dict[str, Any]:
        cards = generation.cards()
        for card in cards:
            if model_id == card.id or model_id in card.aliases:
                return model_object(card)
        known = ", ".join(card.id for card in cards)
        raise VivaceError(
            "not_found", f"There is no model {model_id!r}. There is: {known}.", param="model", code="model_not_found"
        )

    return routes


def model_object(card: ModelCard) -> dict[str, Any]:
    """OpenAI's fields, and what clients look for beyond them: the context length under both usual names, the state."""
    return {
        "id": card.id,
        "object": "model",
        "created": card.created,
        "owned_by": "vivace",
        "context_length": card.context_length,
        "max_model_len": card.context_length,
        "state": card.state,
        "aliases": [alias for alias in card.aliases if not alias.startswith("/")],  # where it lies is nobody's business
    }
