"""The zygote and its children: what a child finds, what it leaves behind, and how its failures read."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from partita.control.child import describe
from partita.control.forks import Forks
from partita.control.wire import MESSAGE_BYTES_MAX, Fork, frame
from partita.core.errors import StartFailed


async def test_a_child_gets_what_was_asked_for(stage: Any, ask: Any, tmp_path: Path) -> None:
    """A child has its argument, environment and working directory, and an argument may be larger than a pipe."""
    argument = {"plan": "p" * 1_000_000}
    spec = stage.spec("orders", argument=argument, environment={"COLOUR": "red"}, cwd=tmp_path)
    async with stage.hold(spec) as supervisor:
        await supervisor.start()
        port = supervisor.port("orders")
        assert await ask(port, "env COLOUR") == "red"
        assert await ask(port, "cwd") == str(tmp_path)
        assert os.environ.get("COLOUR") is None


async def test_preloaded_modules_are_there_and_the_users_are_not_shared(stage: Any, ask: Any) -> None:
    """What the zygote imported is in every child; the entry's own module is imported by its child alone."""
    specs = [stage.spec("users"), stage.spec("orders", argument={"name": "x"})]
    async with stage.hold(*specs, preload=["msgspec", "graphlib", "not_installed"]) as supervisor:
        await supervisor.start()
        modules = (await ask(supervisor.port("users"), "modules")).split()
        assert {"graphlib", "msgspec", "echoing"} <= set(modules)
    assert "not_installed" not in stage.written()


async def test_a_child_holds_no_foreign_descriptor(stage: Any, ask: Any) -> None:
    """A child has its lifeline, its sockets and its loop's descriptors: nothing of the zygote or of another child."""
    async with stage.hold(stage.spec("users"), stage.spec("orders")) as supervisor:
        await supervisor.start()
        own = set((await ask(supervisor.port("users"), "fds")).split())
        other = set((await ask(supervisor.port("orders"), "fds")).split())
        zygote = {os.readlink(path) for path in Path(f"/proc/{supervisor.zygote_pid}/fd").iterdir()}
        assert len({fd for fd in own & other if fd.startswith("pipe")}) == 1  # the lifeline
        assert not {fd for fd in own & other if fd.startswith("socket")}
        assert not {fd for fd in own & zygote if fd.startswith(("pipe", "socket"))}


async def test_children_have_chance_of_their_own(stage: Any, ask: Any) -> None:
    """Two children do not draw the same random numbers."""
    async with stage.hold(stage.spec("users"), stage.spec("orders")) as supervisor:
        await supervisor.start()
        assert await ask(supervisor.port("users"), "random") != await ask(supervisor.port("orders"), "random")


async def test_children_ignore_ctrl_c_and_are_groups_of_their_own(stage: Any, ask: Any) -> None:
    """Ctrl-C, which reaches all processes of a terminal, is left to the supervisor."""
    async with stage.hold(stage.spec("orders")) as supervisor:
        await supervisor.start()
        pid = supervisor.replicas["orders"].pid
        assert await ask(supervisor.port("orders"), "interrupt") == str(pid)
        assert await ask(supervisor.port("orders"), "pid") == str(pid)
        assert os.getpgid(pid) == pid
        assert os.getsid(pid) != os.getsid(0)


async def test_what_a_child_started_ends_with_it(stage: Any, ask: Any, gone: Any) -> None:
    """Processes that a service started by itself do not outlive it, however it ends."""
    async with stage.hold(stage.spec("orders")) as supervisor:
        await supervisor.start()
        first = int(await ask(supervisor.port("orders"), "spawn"))
        os.kill(supervisor.replicas["orders"].pid, signal.SIGKILL)
        await stage.until(lambda: supervisor.replicas["orders"].restarts == 1)
        assert gone(first, 1)
        second = int(await ask(supervisor.port("orders"), "spawn"))
    assert gone(second, 1)


async def test_a_zygote_that_cannot_start_is_one_sentence(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the zygote itself ends at once, the start fails with its last line."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    forks = Forks(stage.logs, preload=[])
    with pytest.raises(StartFailed, match=r"^The zygote, which starts the services, ended: it said nothing$"):
        await forks.start()
    await forks.close()


async def test_two_first_forks_share_one_zygote(stage: Any) -> None:
    """Starting twice at the same time makes one zygote, with one thread."""
    forks = Forks(stage.logs, preload=["msgspec"])
    await asyncio.gather(forks.start(), forks.start())
    assert len(list(Path(f"/proc/{forks.pid}/task").iterdir())) == 1
    assert forks.start_seconds > 0
    await forks.close()


def test_messages_are_bounded() -> None:
    """A request beyond the bound is refused before anything is sent."""
    request = Fork(
        id=1,
        name="orders",
        entry="a:b",
        argument={"plan": "p" * MESSAGE_BYTES_MAX},
        environment={},
        cwd=None,
        path=[],
        fds=[],
    )
    with pytest.raises(ValueError, match="at most 4194304"):
        frame(request)


def _raised(code: str, filename: str) -> BaseException:
    try:
        exec(compile(code, filename, "exec"))
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_users_mistake_is_a_sentence_with_its_own_frames() -> None:
    """An error is told by the user's innermost line, and frames of libraries are left out."""
    sentence, frames = describe(_raised("import json\njson.loads('{')", "/app/orders/service.py"))
    assert sentence.startswith("/app/orders/service.py:2 JSONDecodeError: Expecting property name")
    assert [frame.strip().partition(":")[0] for frame in frames] == [
        str(Path(__file__).relative_to(Path.cwd())),
        "/app/orders/service.py",
    ]


def test_a_syntax_error_is_told_by_its_own_place() -> None:
    """A syntax error names the file that has it, not the one that imports it."""
    sentence, frames = describe(_raised("def f(:\n  pass", "/app/orders/tables.py"))
    assert (sentence, frames) == ("/app/orders/tables.py:1 SyntaxError: invalid syntax", [])


def test_a_refusal_of_partita_is_told_as_it_is() -> None:
    """Partita's own errors are sentences already."""
    assert describe(StartFailed("Port 1 is taken.")) == ("Port 1 is taken.", [])
