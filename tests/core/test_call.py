"""The current call: keys of child calls, the open transaction, replies."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from partita import Call, CallInsideTransaction, Misuse, User
from partita.core.call import (
    Invocation,
    current_invocation,
    handling,
    open_transaction,
    refuse_call_in_transaction,
    transaction,
)


def test_child_keys_repeat_after_a_rerun() -> None:
    """A handler that runs again gives its calls the same keys, each operation counted for itself."""
    invocation = Invocation("orders", "place", key="k")
    first = [invocation.child_key(name) for name in ("a.x", "a.x", "b.y")]
    invocation.rerun()
    assert [invocation.child_key(name) for name in ("a.x", "a.x", "b.y")] == first
    assert len(set(first)) == 3


def test_keys_of_different_calls_differ() -> None:
    """Two calls without a key of their own do not share their children's keys."""
    assert Invocation("a", "b").child_key("c.d") != Invocation("a", "b").child_key("c.d")


async def test_a_task_that_inherited_an_ended_transaction_may_call() -> None:
    """A task that was started inside a transaction may call other services once the transaction has ended."""
    go = asyncio.Event()

    async def later() -> bool:
        await go.wait()
        refuse_call_in_transaction("other.operation")
        return open_transaction() is None

    with transaction("db.unit()"):
        task = asyncio.create_task(later())
        with pytest.raises(CallInsideTransaction, match=r"called other\.operation while db\.unit\(\) was open"):
            refuse_call_in_transaction("other.operation")
    go.set()
    assert await task


def test_handling_nests() -> None:
    """A call within a call is the current one until it ends."""
    outer, inner = Invocation("a", "x"), Invocation("b", "y")

    async def run() -> None:
        with handling(outer):
            with handling(inner):
                assert current_invocation() is inner
            assert current_invocation() is outer
            assert (inner.ended, outer.ended) == (True, False)

    asyncio.run(run())
    assert outer.ended
    assert current_invocation() is None


def test_call_outside_of_a_handler() -> None:
    """The field `call` says clearly that there is no call, and that nobody is logged in."""
    with pytest.raises(Misuse, match="outside of a handler"):
        _ = Call().user

    async def run() -> None:
        with (
            handling(Invocation("orders", "place")),
            pytest.raises(Misuse, match=r"orders\.place asked for call\.user"),
        ):
            _ = Call().user
        with handling(Invocation("orders", "place", user=User(id=UUID(int=1)))):
            assert Call().user.id == UUID(int=1)

    asyncio.run(run())


@pytest.mark.parametrize("value", ["a b", 'a"b', "a;b", "a\r\nSet-Cookie: x", "ü", "a,b"])
def test_a_cookie_that_would_break_the_header(value: str) -> None:
    """A value that a cookie cannot hold is refused instead of written."""
    with pytest.raises(ValueError, match="a cookie cannot hold"):
        Invocation("a", "b").reply.cookie("name", value)


def test_a_cookie_is_closed_by_default() -> None:
    """Cookies are for HTTP only, secure, lax, and for the whole site, unless told otherwise."""
    reply = Invocation("a", "b").reply
    reply.cookie("guest", "g1", age_s_max=60)
    assert reply.cookies == ["guest=g1; Path=/; SameSite=Lax; Max-Age=60; HttpOnly; Secure"]
