"""The OpenAPI document: requests from pydantic models, replies from msgspec structs, and a page that needs no CDN."""

import html
import json
from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

JSON = dict[str, Any]
_REF = "#/components/schemas/"


class ErrorFields(msgspec.Struct):
    """`param`: the path of the field at fault; `code`: a stable word for programs."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(msgspec.Struct):
    error: ErrorFields


def operation(
    request: type[BaseModel] | None, whole: type[msgspec.Struct], chunk: type[msgspec.Struct] | None = None
) -> JSON:
    """`openapi_extra` of a route that reads its body itself, if it has one, and answers whole or in chunks."""
    content = {"application/json": {"schema": _ref(whole)}}
    if chunk is not None:
        content["text/event-stream"] = {"schema": _ref(chunk)}
    body = {"required": True, "content": {"application/json": {"schema": _ref(request)}}} if request else None
    return {
        **({"requestBody": body} if body else {}),
        "responses": {
            "200": {"description": "The answer", "content": content},
            "4XX": {"description": "What to change", "content": {"application/json": {"schema": _ref(ErrorReply)}}},
            "5XX": {"description": "Try again", "content": {"application/json": {"schema": _ref(ErrorReply)}}},
        },
    }


def _ref(model: type) -> JSON:
    return {"$ref": _REF + model.__name__}


def document(app: FastAPI, requests: Sequence[type[BaseModel]], replies: Sequence[type[msgspec.Struct]]) -> JSON:
    """OpenAPI 3.1 of all routes, with the schemas that `operation` refers to."""
    described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    _, inputs = models_json_schema([(model, "validation") for model in requests], ref_template=_REF + "{model}")
    _, outputs = msgspec.json.schema_components([*replies, ErrorReply], ref_template=_REF + "{name}")
    described.setdefault("components", {})["schemas"] = {**inputs["$defs"], **outputs}
    for methods in described["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)  # FastAPI's own shape, which is never sent
    return described


def page(described: JSON) -> str:
    """A plain page of the document; works offline, as a local server's should."""
    routes = "".join(
        _section(f"{method.upper()} {path}", operation.get("summary", ""), operation.get("requestBody"), path)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(
        _section(name, schema.get("description", ""), schema, name)
        for name, schema in described["components"]["schemas"].items()
    )
    title = html.escape(f"{described['info']['title']} {described['info']['version']}")
    return _PAGE.format(title=title, routes=routes, schemas=schemas)


def _section(name: str, about: str, content: JSON | None, anchor: str) -> str:
    shown = html.escape(json.dumps(content, indent=2, ensure_ascii=False)) if content else ""
    body = f"<pre>{shown}</pre>" if shown else ""
    head = f"<summary><code>{html.escape(name)}</code> {html.escape(about)}</summary>"
    return f'<details id="{html.escape(anchor, quote=True)}">{head}{body}</details>'


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
summary {{ cursor: pointer; padding: .3rem 0; }}
pre {{ overflow-x: auto; padding: .8rem; background: color-mix(in srgb, currentColor 8%, transparent); }}
</style></head><body>
<h1>{title}</h1><p>The machine-readable form is at <a href="/openapi.json">/openapi.json</a>.</p>
<h2>Routes</h2>{routes}<h2>Schemas</h2>{schemas}
</body></html>
"""
