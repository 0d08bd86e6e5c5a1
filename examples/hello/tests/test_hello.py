"""The first service."""

from __future__ import annotations

import pytest

from examples.hello.hello import Hello, HelloService
from partita import Invalid, running


async def test_hello_counts() -> None:
    """Everybody is greeted by name and has a count of their own, which is kept."""
    async with running(HelloService) as t:
        hello = t.client(Hello)
        assert (await hello.greet("Ada")).text == "Hello, Ada!"
        assert (await hello.greet("Ada")).times == 2
        assert (await hello.greet("Bea")).times == 1


async def test_hello_refuses_what_is_no_name() -> None:
    """A name that does not fit is refused, and the refusal says which field."""
    async with running(HelloService) as t:
        with pytest.raises(Invalid) as refused:
            await t.client(Hello).greet("Ada;Bea")
        assert [error.path for error in refused.value.errors] == ["path.name"]
