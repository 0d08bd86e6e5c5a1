"""The shop, bought from end to end: the same file passes on the ensemble and on --solo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.shop.tests import journey
from partita.control.ports import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=[(), ("--solo",)], ids=["ensemble", "solo"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, dev_class: Any) -> Iterator[Any]:
    """The shop in one placement, then in the other, with its operator's account."""
    dev = dev_class(
        tmp_path_factory.mktemp("shop"),
        "examples.shop.system",
        *request.param,
        port=free_port(),
        environment={"PYTHONPATH": str(ROOT), "AUTH_DEV_ACCOUNTS": "true"},
    )
    try:
        yield dev.ready()
        assert dev.stop(signal.SIGINT) == 0
        assert dev.left(2.0) == {}
    finally:
        dev.close()


@pytest.fixture
def url(shop: Any) -> str:
    """Where its gateway listens."""
    return f"http://127.0.0.1:{shop.port}"


PARTS = (
    journey.browse,
    journey.buy_something,
    journey.buy_once_with_one_key,
    journey.fill_a_cart_as_a_guest,
    journey.be_declined,
    journey.refuse_strangers,
)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
async def test_a_customers_journey(url: str, part: Callable[[str], Awaitable[object]]) -> None:
    """Browsing, buying, buying once with one key, a guest's cart, a declined card, and strangers who are refused."""
    await part(url)
    assert (await journey.request(url, "GET", "/products")).status == 200


async def test_the_documents_requests(url: str) -> None:
    """The requests that the documents print are answered as written there, with an operator's token."""
    token = await journey.operator_token(url)
    await journey.send_the_documents_requests(url, token)
    assert (await journey.request(url, "GET", "/orders")).status == 401


def test_the_command_calls_it(shop: Any) -> None:
    """``partita call`` reaches an operation of a service by its name."""
    done = subprocess.run(
        [sys.executable, "-m", "partita.cli", "call", "shop.catalog.product", "sku=123"],
        cwd=shop.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert '"sku": "123"' in done.stdout
