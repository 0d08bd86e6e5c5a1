"""What a person types for a call becomes typed values, or a sentence that names the argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import click
import pytest

from partita import Contract, Message, Raw, Secret, Upload, get, post, put
from partita.cli.values import meant, values_of
from partita.contract.contract import compiled
from partita.contract.operation import Operation


class Line(Message):
    sku: str
    quantity: int = 1


class Basket(Message):
    lines: tuple[Line, ...]
    note: str | None = None
    owner: UUID | None = None
    secret: Secret | None = None
    express: bool = False


class Shelf(Contract, Protocol, name="shelf"):
    @post("/baskets")
    async def fill(self, basket: Basket, dry: bool = False) -> None: ...

    @get("/products")
    async def find(self, sku: tuple[str, ...] = (), limit: int = 10) -> None: ...

    @put("/files/{name}")
    async def upload(self, name: str, body: Upload) -> None: ...

    @post("/hook")
    async def hook(self, body: Raw) -> None: ...


def operation(name: str) -> Operation:
    return compiled(Shelf).operations[name]


def values(name: str, *texts: str) -> dict[str, Any]:
    return values_of(operation(name), texts)


def test_fields_of_a_message_are_typed_by_it() -> None:
    """Texts stay texts where a text is wanted, and are read as numbers, identities, secrets or JSON elsewhere."""
    found = values("fill", 'lines=[{"sku": "7"}]', "note=42", f"owner={UUID(int=3)}", "secret=word", "express=true")
    assert found["basket"] == Basket(
        lines=(Line(sku="7"),), note="42", owner=UUID(int=3), secret=Secret("word"), express=True
    )


def test_a_whole_message_may_be_given_as_json() -> None:
    """The name of the argument takes the whole body; other arguments stand beside it."""
    found = values("fill", 'basket={"lines": []}', "dry=true")
    assert found == {"basket": Basket(lines=()), "dry": True}


def test_repeated_parameters_are_given_with_commas() -> None:
    """A tuple in the query is one argument."""
    assert values("find", "sku=1,2", "limit=3") == {"sku": ("1", "2"), "limit": 3}


async def test_files_are_read_by_their_names(tmp_path: Path) -> None:
    """@FILE is read where it stands: as a value, as an upload with its media type, as raw bytes."""
    file = tmp_path / "basket.json"
    file.write_text('{"lines": []}')
    assert values("fill", f"basket=@{file}") == {"basket": Basket(lines=())}
    upload = values("upload", "name=a", f"body=@{file}")["body"]
    assert (upload.content_type, upload.size) == ("application/json", 13)
    assert b"".join([chunk async for chunk in upload.chunks()]) == file.read_bytes()
    assert values("hook", f"body=@{file}")["body"] == Raw(body=file.read_bytes(), content_type="application/json")
    assert values("hook", "body=text")["body"] == Raw(body=b"text")


@pytest.mark.parametrize(
    ("name", "texts", "expected"),
    [
        ("fill", ["lines"], "'lines' is not NAME=VALUE"),
        ("fill", ["line=[]"], "Did you mean lines?"),
        ("fill", ["zebra=1"], "It has: dry, lines, note, owner, secret, express."),
        ("fill", ["note=x"], "missing required field `lines`. It needs lines: write NAME=VALUE."),
        ("fill", [], "missing required field `lines`"),
        ("fill", ["lines=[]", "owner=nobody"], "owner: "),
        ("fill", ["lines=[{}]"], "lines: "),
        ("fill", ["basket={"], "basket: "),
        ("find", ["limit=many"], "limit: "),
        ("upload", ["name=a"], "shelf.upload needs body: write NAME=VALUE."),
        ("upload", ["name=a", "body=@/no/such/file"], "There is no file /no/such/file."),
    ],
)
def test_what_does_not_fit_is_told_by_its_name(name: str, texts: list[str], expected: str) -> None:
    """The sentence names the argument, what is wrong with it, and what to write."""
    with pytest.raises(click.UsageError) as raised:
        values(name, *texts)
    assert expected in str(raised.value)


def test_the_nearest_name_is_meant() -> None:
    """An unknown name brings the nearest known one, or all of them."""
    assert meant("ordrs", ["orders", "users"]) == "Did you mean orders?"
    assert meant("x", ["orders", "users"]) == "It has: orders, users."
