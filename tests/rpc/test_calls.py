"""What a typed call does, the same in process and over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from partita import (
    BodyTooLarge,
    CallFailed,
    CallInsideTransaction,
    DeadlineExceeded,
    Forbidden,
    Invalid,
    NotFound,
    Raw,
    Secret,
    Unauthenticated,
    pages,
)
from partita.core.call import Invocation, current_invocation, handling, open_transaction, transaction
from partita.core.trace import TraceContext
from tests.rpc import conftest as ours

ID = UUID(int=7)


async def test_a_message_comes_back_equal(placement: Any) -> None:
    """A message goes over with all of its types and comes back equal."""
    basket = ours.Basket(lines=(ours.Line(sku="a", quantity=2),), note="größer ☂", price=Decimal("1.10"))
    assert await placement.client().buy(basket) == basket


async def test_a_declared_problem_is_raised_as_its_class(placement: Any) -> None:
    """A declared problem arrives as the same class with the same members."""
    with pytest.raises(ours.OutOfStock) as caught:
        await placement.client().buy(ours.Basket(lines=(ours.Line(sku="a", quantity=60),)))
    assert (caught.value.sku, caught.value.left) == ("a", 50)


async def test_every_wrong_field_is_reported_with_its_path(placement: Any) -> None:
    """A client that builds a wrong message is told of every wrong field, not just of the first."""
    lines = (ours.Line(sku="", quantity=2), ours.Line(sku="b", quantity=1000))
    with pytest.raises(Invalid) as caught:
        await placement.client().buy(ours.Basket(lines=lines, note=3))  # type: ignore[arg-type]
    assert {error.path for error in caught.value.errors} == {"body.lines[0].sku", "body.lines[1].quantity", "body.note"}


async def test_scalars_travel_in_path_query_header_and_cookie(placement: Any, tomorrow: datetime) -> None:
    """Each scalar arrives with its type, whatever characters it holds."""
    seen = await placement.client().texts(
        "a b/ç%?&=#", tomorrow, ours.Colour.BLUE, ("x&y", "", "ü"), limit=99, exact=True, agent="curl/8", guest="g1"
    )
    assert seen.texts == (
        "a b/ç%?&=#", tomorrow.isoformat(), "blue", "x&y", "", "ü", "99", "True", "curl/8", "g1",
    )  # fmt: skip


async def test_defaults_are_the_services(placement: Any, tomorrow: datetime) -> None:
    """Arguments that are left out take the defaults of the implementation."""
    seen = await placement.client().texts("n", tomorrow)
    assert seen.texts == ("n", tomorrow.isoformat(), "red", "10", "False", "None", "None")


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_a_segment_that_no_path_can_hold_is_refused(placement: Any, tomorrow: datetime, name: str) -> None:
    """An empty segment, "." and ".." cannot travel in a path and are refused before they are sent."""
    with pytest.raises(Invalid) as caught:
        await placement.client().texts(name, tomorrow)
    assert caught.value.errors[0].path == "path.name"


async def test_a_constraint_on_a_query_parameter_holds(placement: Any, tomorrow: datetime) -> None:
    """A query parameter out of its bounds is refused with its path."""
    with pytest.raises(Invalid) as caught:
        await placement.client().texts("n", tomorrow, limit=101)
    assert [error.path for error in caught.value.errors] == ["query.limit"]


async def test_a_built_in_problem_is_raised_as_its_class(placement: Any) -> None:
    """Problems that every service may answer with need no declaration."""
    with pytest.raises(NotFound, match="slot"):
        await placement.client().place(ID, -1, ours.Line(sku="a", quantity=1))


async def test_an_operation_may_return_nothing(placement: Any) -> None:
    """An operation without a result returns None."""
    result: object = await placement.client().drop(ID)
    assert result is None


async def test_unset_and_null_differ(placement: Any) -> None:
    """A partial change tells what was left out from what was set to null."""
    assert (await placement.client().change(ID, ours.Change())).texts == ("unset",)
    assert (await placement.client().change(ID, ours.Change(note=None))).texts == ("None",)


async def test_pages_are_walked_to_the_last(placement: Any) -> None:
    """pages() gives every item of every page."""
    assert [item async for item in pages(placement.client().pages, size=2)] == [0, 1, 2, 3, 4]


async def test_a_secret_travels_and_does_not_print(placement: Any) -> None:
    """A secret arrives whole, and shows itself nowhere."""
    login = await placement.client().login(ours.Login(name="ada", password=Secret("correct horse")))
    assert login.password.reveal() == "correct horse"
    assert "horse" not in repr(login)


async def test_raw_bytes_arrive_exactly(placement: Any) -> None:
    """A raw body arrives byte for byte, with its media type."""
    seen = await placement.client().raw(Raw(body=b"\x00\xff{", content_type="text/x"), "sig")
    assert seen.texts == ("00ff7b", "text/x", "sig")


class Pieces:
    """An upload of the test's own."""

    content_type = "text/plain"
    size = None

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


async def test_an_upload_is_read_in_pieces(placement: Any) -> None:
    """An upload arrives with all of its pieces."""
    seen = await placement.client().upload("f", Pieces(b"abc", b"defg"))
    assert seen.texts == ("7", "text/plain")


async def test_an_upload_over_its_bound_is_refused(placement: Any) -> None:
    """An upload that grows past the operation's bound ends with BodyTooLarge."""
    with pytest.raises(BodyTooLarge) as caught:
        await placement.client().upload("f", Pieces(b"x" * 600, b"x" * 600))
    assert caught.value.bytes_max == 1000


async def test_a_download_is_read_in_pieces(placement: Any) -> None:
    """A download arrives whole, with its type and its name."""
    download = await placement.client().download("a.csv")
    assert (download.content_type, await download.read()) == ("text/csv", b"first,second")
    assert 'filename="a.csv"' in download.headers["content-disposition"]


async def test_a_download_may_fail_with_a_problem(placement: Any) -> None:
    """A problem instead of a download is raised at the call."""
    with pytest.raises(NotFound):
        await placement.client().download("none")


async def test_a_stream_gives_each_item(placement: Any) -> None:
    """A stream gives its items, typed."""
    assert [line async for line in placement.client().count(3)] == [
        ours.Line(sku=f"s{n}", quantity=n) for n in (1, 2, 3)
    ]


@pytest.mark.parametrize("until", [0, 2])
async def test_a_stream_that_fails_raises_the_problem(placement: Any, until: int) -> None:
    """A problem before the first item or between items is raised as its class, after the items before it."""
    got = []
    with pytest.raises(ours.OutOfStock) as caught:
        async for line in placement.client().count(until):
            got.append(line.quantity)
    assert (len(got), caught.value.left) == (until, until)


async def test_a_stream_that_is_left_ends_at_the_service(placement: Any) -> None:
    """Leaving a stream early runs the handler's finally."""
    stream = placement.client().forever()
    async for _ in stream:
        break
    await stream.aclose()
    async with asyncio.timeout(5):
        assert await placement.service.cancelled.wait()


async def test_access_is_checked(placement: Any) -> None:
    """A guest, a user and an admin, each gets just so far."""
    guest, bob, ada = (
        placement.client(),
        placement.client(user=ours.BOB),
        placement.client(user=ours.ADA),
    )
    with pytest.raises(Unauthenticated):
        await guest.me()
    with pytest.raises(Forbidden):
        await bob.admin()
    assert (await bob.me()).user == UUID(int=2)
    assert (await ada.admin()).user == UUID(int=1)


async def test_internal_operations_are_for_services(placement: Any) -> None:
    """An internal operation refuses callers from outside, users too, and knows which service calls."""
    with pytest.raises(Forbidden):
        await placement.client().inside()
    with pytest.raises(Forbidden):
        await placement.client(user=ours.ADA).inside()
    assert (await placement.client(caller="orders").inside()).caller == "orders"


async def test_a_deadline_cancels_the_work(placement: Any) -> None:
    """A call past its deadline raises DeadlineExceeded, and the handler is cancelled."""
    with pytest.raises(DeadlineExceeded) as caught:
        await placement.client().wait()
    assert (caught.value.service, caught.value.operation) == ("things", "wait")
    async with asyncio.timeout(5):
        await placement.service.cancelled.wait()


async def test_a_caller_that_is_cancelled_cancels_the_work(placement: Any) -> None:
    """When the caller gives up, the handler is cancelled."""
    task = asyncio.create_task(placement.client().wait())
    await placement.service.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        await placement.service.cancelled.wait()


async def test_deadline_trace_and_user_travel_on(placement: Any) -> None:
    """What a handler calls sees the remaining time, the same trace, the same user, and the caller's name."""
    trace = TraceContext("ab" * 16, "cd" * 8)
    outer = Invocation("test", "outer", deadline=time.monotonic() + 3, trace=trace, user=ours.BOB, token="bob")
    with handling(outer):
        seen = await placement.client(caller="test").chain()
    assert seen.trace == "ab" * 16
    assert seen.user == UUID(int=2)
    assert seen.caller == "things"
    assert 0 < seen.remaining_s <= 1.0
    assert seen.key


async def test_nothing_is_sent_after_the_deadline(placement: Any) -> None:
    """A handler without time left fails at once, and the callee sees nothing."""
    with (
        handling(Invocation("test", "outer", deadline=time.monotonic() - 1)),
        pytest.raises(DeadlineExceeded) as caught,
    ):
        await placement.client().wait()
    assert not caught.value.may_have_executed
    assert not placement.service.entered.is_set()


async def test_a_rerun_handler_repeats_its_keys(placement: Any) -> None:
    """The keys of child calls derive from the parent's, so that a second run sends the same ones."""
    keys = []
    outer = Invocation("test", "outer", key="parent")
    with handling(outer):
        for _ in range(2):
            keys.append([(await placement.client(caller="test").chain()).key for _ in range(2)])
            outer.rerun()
    assert keys[0] == keys[1]
    assert keys[0][0] != keys[0][1]


async def test_no_call_inside_a_transaction(placement: Any) -> None:
    """A call with a transaction open is refused, with what was open and what to do."""
    with transaction("db.read()"), pytest.raises(CallInsideTransaction, match=r"db\.read\(\) was open.*Read with"):
        await placement.client().drop(ID)


@pytest.mark.parametrize("how", ["undeclared", "crash"])
async def test_an_undeclared_failure_is_a_bare_500(placement: Any, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody declared is logged at the service, and its cause is not told to the caller."""
    with pytest.raises(CallFailed) as caught:
        await placement.client().fail(how)
    assert caught.value.may_have_executed
    assert "secret cause" not in str(caught.value)
    assert ("does not declare" if how == "undeclared" else "the secret cause") in caplog.text


async def test_wrong_arguments_fail_as_in_python(placement: Any) -> None:
    """A missing, an unknown and a doubled argument are TypeErrors that name the operation."""
    made: Any = placement.client()
    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}),
        ((ID, ID), {}),
        ((ID,), {"id": ID}),
        ((ID,), {"x": 1}),
    ]
    for args, kwargs in wrong:
        with pytest.raises(TypeError, match=r"things\.drop"):
            await made.drop(*args, **kwargs)


async def test_a_body_over_the_bound_is_refused(placement: Any) -> None:
    """A body over 1 MiB is refused with 413."""
    with pytest.raises(BodyTooLarge) as caught:
        await placement.client().buy(ours.Basket(lines=(), note="x" * (1 << 20)))
    assert caught.value.bytes_max == 1 << 20


async def test_structs_are_not_shared(placement: Any) -> None:
    """What arrives is a copy, also in one process: nothing of the caller's can change under the handler."""
    basket = ours.Basket(lines=(ours.Line(sku="a", quantity=1),))
    assert (await placement.client().buy(basket)) is not basket
    assert basket.note is None


async def test_a_stream_leaves_its_readers_context_alone(placement: Any) -> None:
    """Between two items of a stream, its reader is in its own call and in no transaction of the other side."""
    outer = Invocation("test", "outer")
    with handling(outer):
        async for _ in placement.client(caller="test").transacting():
            assert current_invocation() is outer
            assert open_transaction() is None
            await placement.client(caller="test").drop(ID)


async def test_a_result_of_another_class_is_no_success(placement: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A handler that returns nothing, or another class, is a failed service, also to whoever would not notice."""
    placement.service.answer = None
    with pytest.raises(CallFailed):
        await placement.client(user=ours.BOB).me()
    assert "things.me returned a NoneType, and its contract says Seen" in caplog.text
