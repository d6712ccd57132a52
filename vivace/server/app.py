"""The gateway as an ASGI application."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

import vivace
from vivace.errors import VivaceError, invalid
from vivace.fleet import Fleet
from vivace.server import cache, cache_reply, openapi, status
from vivace.server.access import Access, note_error
from vivace.server.auth import RequireKey
from vivace.server.errors import error_response
from vivace.server.generation import Generation
from vivace.server.limits import Limits
from vivace.server.wires import models, openai_chat
from vivace.settings import Settings


def create_app(settings: Settings, fleet: Fleet | None = None) -> FastAPI:
    """All routes. Its lifespan starts the fleet, which loads in the background, and stops it at the end.

    `app.state.fleet` is the fleet.
    """
    fleet = fleet or Fleet(settings)
    app = FastAPI(
        title="Vivace",
        version=vivace.__version__,
        description=vivace.__doc__ or "",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # FastAPI records requests through OpenTelemetry, and exports them if the environment says so. Not from here.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
        lifespan=_lifespan(fleet, settings),
    )
    app.state.fleet = fleet
    app.add_middleware(RequireKey, keys=settings.api_key)
    app.add_middleware(Access)
    _add_error_handlers(app)
    generation = Generation(fleet)
    app.include_router(status.router(generation))
    app.include_router(models.router(generation))
    app.include_router(openai_chat.router(generation, Limits.of(settings)))
    app.include_router(cache.router(generation, Limits.of(settings)))
    _add_docs(app)
    return app


def _lifespan(fleet: Fleet, settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        await fleet.start()
        try:
            yield
        finally:
            await fleet.stop(settings.drain_s)

    return run


def _add_error_handlers(app: FastAPI) -> None:
    def refused(request: Request, error: VivaceError) -> Response:
        note_error(request.scope, error.message)
        return error_response(error)

    @app.exception_handler(VivaceError)
    async def known(request: Request, error: VivaceError) -> Response:
        return refused(request, error)

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"][1:])
        return refused(request, invalid(f"{path}: {first['msg']}", path or None))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        response = refused(request, _from_http(request, error))
        response.headers.update({name.lower(): value for name, value in (error.headers or {}).items()})
        return response


def _from_http(request: Request, error: HTTPException) -> VivaceError:
    """Starlette's own refusals: unknown routes and methods."""
    route = f"{request.method} {request.url.path}"
    match error.status_code:
        case 404:
            meant = f"/v1/{request.url.path.strip('/').removeprefix('v1/')}"
            hint = f"did you mean {meant}?" if meant in request.app.openapi()["paths"] else "/docs lists them all."
            return VivaceError("not_found", f"There is no route {route}; {hint}", code="unknown_url")
        case 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            return VivaceError("method_not_allowed", f"{route} is not possible; the path takes {allowed}.")
    return invalid(str(error.detail))


def _add_docs(app: FastAPI) -> None:
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(openapi.page(app.openapi()))


def _document(app: FastAPI) -> openapi.JSON:
    if app.openapi_schema is None:
        app.openapi_schema = openapi.document(app, [openai_chat.REQUEST], [*openai_chat.REPLIES, *cache_reply.REPLIES])
    return app.openapi_schema
