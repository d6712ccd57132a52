"""Who is here and how it is: /, /health, /ready."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

import vivace
from vivace.server.generation import Generation


def router(generation: Generation) -> APIRouter:
    routes = APIRouter(tags=["status"])

    @routes.get("/", summary="What answers here")
    @routes.head("/", include_in_schema=False)
    async def identity() -> dict[str, Any]:
        models = [card.id for card in generation.cards()]
        return {"name": "vivace", "version": vivace.__version__, "models": models, "docs": "/docs"}

    @routes.get("/health", summary="Alive: 200 as soon as the port is open")
    @routes.head("/health", include_in_schema=False)
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @routes.get("/ready", summary="200 while a model is resident, else 503 with how far loading is")
    @routes.head("/ready", include_in_schema=False)
    async def ready() -> Response:
        cards = generation.cards()
        models = [
            {"id": card.id, "state": card.state, "loaded": card.fraction, "message": card.message} for card in cards
        ]
        resident = any(card.state == "ready" for card in cards)
        body = {"status": "ready" if resident else "not ready", "models": models}
        return JSONResponse(body, 200 if resident else 503, headers={} if resident else {"retry-after": "1"})

    return routes
