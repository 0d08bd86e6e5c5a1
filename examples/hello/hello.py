"""A service that greets, and counts. Run it: partita dev examples/hello/hello.py"""

from typing import Annotated, Protocol

from msgspec import Meta
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from partita import PUBLIC, Contract, Database, Message, Service, System, get


class Greeting(Message):
    text: str
    times: int


class Hello(Contract, Protocol, name="hello"):
    @get("/hello/{name}", access=PUBLIC)
    async def greet(self, name: Annotated[str, Meta(pattern="^[A-Za-z]{1,40}$")]) -> Greeting: ...


class Base(DeclarativeBase): ...


class GreetedRow(Base):
    __tablename__ = "greeted"
    name: Mapped[str] = mapped_column(primary_key=True)
    times: Mapped[int]


class HelloService(Hello, Service):
    db: Database

    async def greet(self, name: str) -> Greeting:
        row = await self.db.session.get(GreetedRow, name) or GreetedRow(name=name, times=0)
        row.times += 1
        self.db.session.add(row)
        return Greeting(text=f"Hello, {name}!", times=row.times)


system = System("hello", services=[HelloService])
