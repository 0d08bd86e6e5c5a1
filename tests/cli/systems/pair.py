"""Two services: notes, which has a table, and words, which has none. Copied as system.py into the folder of a test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from partita import (
    PUBLIC,
    USER,
    Call,
    Clock,
    Contract,
    Database,
    Download,
    Event,
    Ids,
    Message,
    NotFound,
    Problem,
    Service,
    Settings,
    System,
    User,
    UserIdentity,
    get,
    post,
    role,
)
from partita.identity.tokens import SigningKey, jwk_of, mint_user_token

if os.environ.get("PAIR_AT_IMPORT"):
    raise RuntimeError("the import was told to fail")


class Base(DeclarativeBase): ...


class NoteRow(Base):
    __tablename__ = "notes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    text: Mapped[str]


class NewNote(Message):
    """What a note says."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    stars: int = 0
    tags: tuple[str, ...] = ()


class Note(Message):
    """A note that is kept."""

    id: UUID
    text: str
    weight: int = 0


class Weight(Message):
    """How heavy a text is."""

    characters: int
    asked_by: str = ""


class Number(Message):
    """One of a stream."""

    value: int


class Who(Message):
    """Whose call this is."""

    user: UUID
    roles: tuple[str, ...]


class Key(Message):
    """A JSON Web Key."""

    kty: str
    crv: str
    kid: str
    use: str
    alg: str
    x: str


class Keys(Message):
    """A JSON Web Key Set."""

    keys: tuple[Key, ...]


class Token(Message):
    """What to show as: Authorization: Bearer ..."""

    token: str


class Rude(Problem, status=409):
    """Such words are not kept."""

    word: str


class Written(Event, name="notes.written", key="id"):
    """A note was written."""

    id: UUID


class Words(Contract, Protocol, name="words"):
    """Weighs words."""

    @get("/weight")
    async def weigh(self, text: str) -> Weight:
        """How heavy a text is."""
        ...

    @get("/numbers/{until}", access=PUBLIC)
    def numbers(self, until: int) -> AsyncIterator[Number]:
        """Count."""
        ...

    @get("/.well-known/jwks.json", access=PUBLIC)
    async def keys(self) -> Keys: ...

    @post("/tokens", access=PUBLIC, status=201)
    async def token(self, user: UUID, roles: tuple[str, ...] = (), audience: str = "pair") -> Token:
        """A token for whoever asks."""
        ...


class Notes(Contract, Protocol, name="notes", publishes=[Written]):
    """Keeps notes."""

    @post("/notes", access=PUBLIC, status=201, raises=[Rude], timeout=5.0)
    async def write(self, note: NewNote) -> Note:
        """Keep a note."""
        ...

    @get("/notes/{id}", access=PUBLIC, raises=[NotFound])
    async def read(self, id: UUID) -> Note:
        """A note by its number."""
        ...

    @get("/notes.csv", access=PUBLIC)
    async def export(self) -> Download: ...

    @get("/me", access=USER)
    async def me(self) -> Who: ...

    @get("/admin", access=role("admin"))
    async def admin(self) -> Who: ...

    @post("/wait", access=PUBLIC, timeout=20.0)
    async def wait(self, seconds: float) -> Number: ...


class NotesSettings(Settings):
    """Read from NOTES_FAIL and so on."""

    fail: str = ""


class NotesService(Notes, Service):
    db: Database
    ids: Ids
    clock: Clock
    call: Call
    words: Words
    settings: NotesSettings

    async def on_start(self) -> None:
        if self.settings.fail == "raise":
            raise RuntimeError("told to fail")
        if self.settings.fail == "exit":
            os._exit(7)
        if self.settings.fail == "hang":
            await asyncio.Event().wait()

    async def write(self, note: NewNote) -> Note:
        if "rude" in note.text:
            raise Rude(word="rude")
        weight = await self.words.weigh(note.text)
        row = NoteRow(id=self.ids.uuid(), text=note.text)
        self.db.session.add(row)
        return Note(id=row.id, text=note.text, weight=weight.characters)

    async def read(self, id: UUID) -> Note:
        row = await self.db.session.get(NoteRow, id)
        if row is None:
            raise NotFound(what=f"note {id}")
        return Note(id=row.id, text=row.text)

    async def export(self) -> Download:
        texts = (await self.db.session.scalars(select(NoteRow.text))).all()

        async def chunks() -> AsyncIterator[bytes]:
            for text in texts:
                yield text.encode() + b"\n"

        return Download(chunks(), content_type="text/csv")

    async def me(self) -> Who:
        return Who(user=self.call.user.id, roles=self.call.user.roles)

    async def admin(self) -> Who:
        return await self.me()

    async def wait(self, seconds: float) -> Number:
        print("waiting begins", flush=True)  # noqa: T201 - a test looks for it
        await self.clock.sleep(seconds)
        return Number(value=1)


class WordsService(Words, Service):
    call: Call
    clock: Clock

    async def on_start(self) -> None:
        self.key = SigningKey.generate("first")

    async def weigh(self, text: str) -> Weight:
        return Weight(characters=len(text), asked_by=self.call.caller or "")

    async def numbers(self, until: int) -> AsyncIterator[Number]:
        for value in range(until):
            yield Number(value=value)

    async def keys(self) -> Keys:
        return Keys(keys=(Key(**jwk_of(self.key.kid, self.key.public)),))

    async def token(self, user: UUID, roles: tuple[str, ...] = (), audience: str = "pair") -> Token:
        person, now_s = User(id=user, roles=roles), self.clock.now().timestamp()
        return Token(
            token=mint_user_token(self.key, issuer="pair", audience=audience, user=person, now_s=now_s, life_s=60)
        )


system = System(
    "pair",
    services=[NotesService, WordsService],
    roles=["admin"],
    users=UserIdentity(service="words"),
)
