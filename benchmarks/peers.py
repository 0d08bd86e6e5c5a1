"""The same two services by hand: FastAPI with httpx or aiohttp, Starlette with aiohttp. All served by uvicorn.

Each validates the question at both ends and the answer at both ends, and returns JSON; none sends a trace, a
deadline or an identity, which Partita's rows do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import httpx
import msgspec
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from benchmarks.shapes import PEERS, TARGET, UNIT_PRICE, Config

__all__ = ["peer_server"]

CONNECTIONS_MAX = 128


# --- FastAPI -------------------------------------------------------------------------------------------------------


class Question(BaseModel):
    """What is asked of both services."""

    sku: str = Field(min_length=1, max_length=64)
    quantity: int = Field(ge=1, le=1000)
    country: str = Field(pattern="^[A-Z]{2}$")


class Quote(BaseModel):
    """What both answer."""

    sku: str
    quantity: int
    unit: int
    total: int
    currency: str


def _fastapi_callee(_: str) -> ASGIApp:
    app = FastAPI()

    @app.post("/price")
    async def price(question: Question) -> Quote:
        total = question.quantity * UNIT_PRICE
        return Quote(sku=question.sku, quantity=question.quantity, unit=UNIT_PRICE, total=total, currency="EUR")

    return app


def _fastapi_httpx(peer: str) -> ASGIApp:
    # Its default keeps 20 connections, with which 32 calls at a time would do worse.
    limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
    client = httpx.AsyncClient(base_url=peer, limits=limits, trust_env=False)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post(TARGET)
    async def quote(question: Question) -> Quote:
        headers = {"content-type": "application/json"}
        response = await client.post("/price", content=question.model_dump_json(), headers=headers)
        response.raise_for_status()
        return Quote.model_validate_json(response.content)

    return app


def _fastapi_aiohttp(peer: str) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX)) as session:
            app.state.session = session
            yield

    app = FastAPI(lifespan=lifespan)
    headers = {"content-type": "application/json"}

    @app.post(TARGET)
    async def quote(question: Question) -> Quote:
        session: aiohttp.ClientSession = app.state.session
        async with session.post(f"{peer}/price", data=question.model_dump_json(), headers=headers) as response:
            response.raise_for_status()
            return Quote.model_validate_json(await response.read())

    return app


# --- Starlette, by hand --------------------------------------------------------------------------------------------


class _Question(msgspec.Struct):
    sku: str
    quantity: int
    country: str


class _Quote(msgspec.Struct):
    sku: str
    quantity: int
    unit: int
    total: int
    currency: str


_read_question = msgspec.json.Decoder(_Question).decode
_read_quote = msgspec.json.Decoder(_Quote).decode


def _starlette_callee(_: str) -> ASGIApp:
    async def price(request: Request) -> Response:
        asked = _read_question(await request.body())
        answer = _Quote(asked.sku, asked.quantity, UNIT_PRICE, asked.quantity * UNIT_PRICE, "EUR")
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return Starlette(routes=[Route("/price", price, methods=["POST"])])


def _starlette_aiohttp(peer: str) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX)) as session:
            app.state.session = session
            yield

    headers = {"content-type": "application/json"}

    async def quote(request: Request) -> Response:
        asked = _read_question(await request.body())
        session: aiohttp.ClientSession = request.app.state.session
        async with session.post(f"{peer}/price", data=msgspec.json.encode(asked), headers=headers) as response:
            response.raise_for_status()
            answer = _read_quote(await response.read())
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return Starlette(routes=[Route(TARGET, quote, methods=["POST"])], lifespan=lifespan)


_MAKERS: dict[str, tuple[Callable[[str], ASGIApp], Callable[[str], ASGIApp]]] = dict(
    zip(
        PEERS,
        (
            (_fastapi_callee, _fastapi_httpx),
            (_fastapi_callee, _fastapi_aiohttp),
            (_starlette_callee, _starlette_aiohttp),
        ),
        strict=True,
    )
)


def _peer_app(row: str, role: str, peer: int) -> ASGIApp:
    """The application of one process: ``role`` is ``callee`` or ``caller``, ``peer`` the callee's port."""
    callee, caller = _MAKERS[row]
    return (callee if role == "callee" else caller)(f"http://127.0.0.1:{peer}")


def peer_server(config: Config) -> uvicorn.Server:
    """The server of one process, as uvicorn's manual recommends it for speed."""
    return uvicorn.Server(
        uvicorn.Config(
            _peer_app(config.row, config.role, config.peer),
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
    )
