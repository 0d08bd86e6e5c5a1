"""Identifiers, traces, secrets and settings."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import pytest

from partita import Clock, Ids, Secret, Settings, SettingsRefused
from partita.core.settings import read_settings
from partita.core.trace import TraceContext, new_trace, parse_traceparent


class Still(Clock):
    """A clock that stands."""

    def now(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC)


def test_uuids_are_of_version_7() -> None:
    """Identifiers carry the clock's milliseconds first, and never repeat."""
    made = [Ids(Still()).uuid() for _ in range(1000)]
    assert {each.version for each in made} == {7}
    assert {each.variant for each in made} == {"specified in RFC 4122"}
    assert {each.int >> 80 for each in made} == {int(datetime(2030, 1, 1, tzinfo=UTC).timestamp() * 1000)}
    assert len(set(made)) == 1000


GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "value",
    [
        None, "", "garbage", GOOD.upper(), GOOD + "-more", "ff" + GOOD[2:],
        GOOD.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        GOOD.replace("b7ad6b7169203331", "0" * 16), GOOD[:-1], "0" + GOOD,
    ],
)  # fmt: skip
def test_a_malformed_traceparent_is_ignored(value: str | None) -> None:
    """What the recommendation calls invalid is as if it were not there."""
    assert parse_traceparent(value) is None


def test_a_traceparent_of_a_later_version_is_read() -> None:
    """A version that is not known yet may carry more."""
    assert parse_traceparent("01" + GOOD[2:] + "-what-the-future-is-like") is not None
    read = parse_traceparent(GOOD, "a=1")
    assert read == TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "01", "a=1")
    assert read.traceparent() == GOOD
    assert read.child().trace_id == read.trace_id
    assert read.child().span_id != read.span_id
    assert parse_traceparent(new_trace().traceparent()) is not None


def test_a_secret_does_not_show_itself() -> None:
    """A secret prints as stars everywhere, compares by its text, and cannot be pickled."""
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {secret!s} {[secret]} {vars(Secret)}"
    assert secret == Secret("hunter2")
    assert secret != Secret("hunter3")
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.copy(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)


class Limits(Settings):
    """Settings of a test."""

    key: Secret
    limit: Annotated[int, msgspec.Meta(ge=1)] = 100
    names: tuple[str, ...] = ()
    ratio: float = 0.5
    on: bool = False


def test_settings_come_from_the_environment() -> None:
    """Each field is read from its variable, with its type; the others keep their defaults."""
    read = read_settings(
        Limits,
        "order-desk",
        {"ORDER_DESK_KEY": "k", "ORDER_DESK_LIMIT": "7", "ORDER_DESK_NAMES": "a, b", "ORDER_DESK_ON": "true"},
    )
    assert read == Limits(key=Secret("k"), limit=7, names=("a", "b"), on=True)


def test_all_wrong_settings_come_at_once() -> None:
    """Every setting that is missing or does not fit is named with its variable, and no value is shown."""
    with pytest.raises(SettingsRefused) as caught:
        read_settings(Limits, "orders", {"ORDERS_LIMIT": "0", "ORDERS_RATIO": "hunter2"})
    assert [mistake.place for mistake in caught.value.mistakes] == ["ORDERS_KEY", "ORDERS_LIMIT", "ORDERS_RATIO"]
    assert "hunter2" not in str(caught.value)
