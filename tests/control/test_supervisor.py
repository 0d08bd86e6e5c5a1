"""The supervisor, with real processes: start, readiness, restart, stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from typing import Any

import pytest

from partita.control.spec import Backoff, Replica, ReplicaState, Spec
from partita.core.errors import StartFailed


async def test_all_are_ready_with_ports_and_versions(stage: Any, ask: Any) -> None:
    """After start each replica is ready, has a pid and a port that answers, and what it said of itself is kept."""
    async with stage.hold(stage.spec("users"), stage.spec("orders")) as supervisor:
        await supervisor.start()
        for name, replica in supervisor.replicas.items():
            assert (replica.state, replica.port) == (ReplicaState.READY, supervisor.port(name))
            assert replica.said["version"] == "1.2.3"
            assert replica.ready_after_s > 0
            assert await ask(replica.port, "pid") == str(replica.pid)


async def test_a_killed_service_comes_back_alone(stage: Any, ask: Any) -> None:
    """kill -9 of one service: it is back on its port within 2 s under another pid, and the other goes on."""
    async with stage.hold(stage.spec("users"), stage.spec("orders")) as supervisor:
        await supervisor.start()
        before = {name: replica.pid for name, replica in supervisor.replicas.items()}
        began = time.monotonic()
        os.kill(before["orders"], signal.SIGKILL)
        assert await ask(supervisor.port("users"), "pid") == str(before["users"])
        assert await ask(supervisor.port("orders"), "pid") != str(before["orders"])
        assert time.monotonic() - began < 2
        await stage.until(lambda: supervisor.replicas["orders"].state is ReplicaState.READY)
        assert (supervisor.replicas["orders"].restarts, supervisor.replicas["users"].restarts) == (1, 0)
    assert "orders ended by SIGKILL. Starting again at once." in stage.written()


async def test_new_connections_wait_for_a_service_that_restarts(stage: Any, ask: Any) -> None:
    """Of connections opened while a service is killed and started again, none is refused."""
    async with stage.hold(stage.spec("orders")) as supervisor:
        await supervisor.start()
        old = supervisor.replicas["orders"].pid
        os.kill(old, signal.SIGSTOP)  # it accepts nothing more, so these connections are in the backlog when it dies
        asked = [asyncio.create_task(ask(supervisor.port("orders"), "pid")) for _ in range(20)]
        await asyncio.sleep(0)
        os.kill(old, signal.SIGKILL)
        answers = set(await asyncio.gather(*asked))
        assert answers == {str(supervisor.replicas["orders"].pid)}


async def test_a_crash_loop_backs_off(stage: Any, tmp_path: Any) -> None:
    """A service that keeps ending is started again at once first, then at growing intervals; others go on."""
    marker = tmp_path / "crash"
    backoff = Backoff(first_s=0.05, longest_s=0.2, jitter=0)
    crashing = stage.spec("orders", argument={"marker": str(marker)}, backoff=backoff)
    async with stage.hold(crashing, stage.spec("users")) as supervisor:
        await supervisor.start()
        marker.touch()
        os.kill(supervisor.replicas["orders"].pid, signal.SIGKILL)
        await stage.until(lambda: supervisor.replicas["orders"].restarts >= 5)
        marker.unlink()
        await stage.until(lambda: supervisor.replicas["orders"].state is ReplicaState.READY)
        assert supervisor.replicas["users"].restarts == 0
    waits = [line.rpartition("Starting again ")[2] for line in stage.written().splitlines() if "Starting again" in line]
    assert waits[:5] == ["at once.", "in 0.1 s.", "in 0.1 s.", "in 0.2 s.", "in 0.2 s."]
    assert "it ended with exit code 7 before it was ready" in stage.written()


async def test_a_failing_import_is_one_sentence_and_leaves_nothing(stage: Any, gone: Any) -> None:
    """A service whose module cannot be imported fails the start with its place; what had started is stopped."""
    supervisor = stage.hold(stage.spec("users"), stage.spec("orders", entry="broken:main"))
    with pytest.raises(
        StartFailed, match=r"^orders did not start: .*broken\.py:3 ModuleNotFoundError: No module named "
    ):
        await supervisor.start()
    assert {replica.state for replica in supervisor.replicas.values()} == {ReplicaState.STOPPED}
    assert supervisor.replicas["orders"].exit_code == 3
    assert supervisor.replicas["orders"].restarts == 0
    assert supervisor.zygote_pid is None
    assert ("orders", "backoff") not in stage.seen
    assert "frozen importlib" not in stage.written()


async def test_an_early_exit_tells_the_last_lines(stage: Any) -> None:
    """A service that ends before it is ready fails the start with its exit code and its last lines of stderr."""
    supervisor = stage.hold(stage.spec("orders", argument={"say": "no key in vault", "exit": 5}))
    with pytest.raises(StartFailed) as failed:
        await supervisor.start()
    assert str(failed.value) == (
        "orders did not start: it ended with exit code 5 before it was ready. Its last lines: no key in vault"
    )


async def test_readiness_is_bounded(stage: Any) -> None:
    """A service that never says that it is ready fails the start after its timeout, and is stopped."""
    supervisor = stage.hold(stage.spec("orders", argument={"mute": True}, start_timeout_s=0.3))
    with pytest.raises(StartFailed, match=r"^orders did not start: it was not ready within 0\.3 s\.$"):
        await supervisor.start()
    assert supervisor.replicas["orders"].pid is None


async def test_a_cancelled_start_leaves_nothing(stage: Any, gone: Any) -> None:
    """When the start is cancelled, as by Ctrl-C, what had started is stopped before the cancellation goes on."""
    supervisor = stage.hold(stage.spec("users"), stage.spec("orders", argument={"mute": True}))
    starting = asyncio.create_task(supervisor.start())
    await stage.until(lambda: ("users", "ready") in stage.seen and supervisor.replicas["orders"].pid is not None)
    pids = [replica.pid for replica in supervisor.replicas.values()]
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert all(gone(pid, 0) for pid in pids)


async def test_callers_stop_before_those_they_call(stage: Any) -> None:
    """Stop goes wave by wave: a wave has drained before the next one is asked."""
    specs = [stage.spec("payments"), stage.spec("orders", argument={"drain_s": 0.1}), stage.spec("gateway")]
    supervisor = stage.hold(*specs, stop_order=[["gateway"], ["orders"]])
    await supervisor.start()
    await supervisor.stop()
    ends = [entry for entry in stage.seen if entry[1] in ("stopping", "stopped")]
    assert ends == [(name, state) for name in ("gateway", "orders", "payments") for state in ("stopping", "stopped")]
    assert supervisor.replicas["orders"].exit_code == 0


async def test_a_slow_drain_is_bounded(stage: Any) -> None:
    """A service that does not drain within its time is killed."""
    supervisor = stage.hold(stage.spec("orders", argument={"deaf": True}, drain_timeout_s=0.2))
    await supervisor.start()
    await supervisor.stop()
    assert supervisor.replicas["orders"].exit_code == -signal.SIGKILL


async def test_a_stop_turns_into_a_stop_at_once(stage: Any) -> None:
    """While a service drains, setting at_once kills it."""
    supervisor = stage.hold(stage.spec("orders", argument={"drain_s": 600}, drain_timeout_s=600))
    await supervisor.start()
    at_once = asyncio.Event()
    stopping = asyncio.create_task(supervisor.stop(at_once))
    await stage.until(lambda: ("orders", "stopping") in stage.seen)
    at_once.set()
    await asyncio.wait_for(stopping, 5)
    assert supervisor.replicas["orders"].exit_code == -signal.SIGKILL


async def test_a_lost_zygote_is_replaced(stage: Any, ask: Any) -> None:
    """kill -9 of the zygote: a new one starts every lost service again, on the ports that they had."""
    async with stage.hold(stage.spec("users"), stage.spec("orders"), Spec(name="tool", argv=["sleep", "600"])) as held:
        await held.start()
        before, zygote = {name: replica.pid for name, replica in held.replicas.items()}, held.zygote_pid
        os.kill(zygote, signal.SIGKILL)
        await stage.until(lambda: all(held.replicas[name].restarts for name in ("users", "orders")))
        await stage.until(lambda: {replica.state for replica in held.replicas.values()} == {ReplicaState.READY})
        assert held.zygote_pid not in (None, zygote)
        assert await ask(held.port("users"), "pid") not in map(str, before.values())
        assert held.replicas["tool"].pid == before["tool"]


async def test_restart_on_request_drains_first(stage: Any, ask: Any) -> None:
    """A restart asked for drains the old process, starts the new one without a wait, and keeps the port."""
    async with stage.hold(stage.spec("orders", argument={"drain_s": 0.05})) as supervisor:
        await supervisor.start()
        port, old = supervisor.port("orders"), supervisor.replicas["orders"].pid
        supervisor.restart("orders")
        await stage.until(lambda: supervisor.replicas["orders"].restarts == 1)
        assert await ask(port, "pid") not in ("", str(old))
    assert ("orders", "backoff") not in stage.seen
    assert stage.written().count("drained") == 2


async def test_processes_join_and_leave_while_others_run(stage: Any, ask: Any) -> None:
    """A process can be added to those that run, and removed again; a failing one leaves the others alone."""
    async with stage.hold(stage.spec("users")) as supervisor:
        await supervisor.start()
        await supervisor.add(stage.spec("orders"))
        assert await ask(supervisor.port("orders"), "pid") == str(supervisor.replicas["orders"].pid)
        await supervisor.remove("orders")
        with pytest.raises(StartFailed, match="broken"):
            await supervisor.add(stage.spec("orders", entry="broken:main"))
        assert list(supervisor.replicas) == ["users"]
        assert supervisor.replicas["users"].state is ReplicaState.READY


SERVE_ONCE = """
import os, socket
server = socket.socket(fileno=3)
peer, _ = server.accept()
mine = os.environ["LISTEN_PID"] == str(os.getpid())
peer.sendall(f"{os.environ['LISTEN_FDS']} {mine} {os.environ['COLOUR']}".encode())
peer.close()
server.accept()
"""


async def test_a_program_is_ready_when_its_check_returns(stage: Any) -> None:
    """A program of its own gets the listening socket as systemd hands it on, and is ready when the check returns."""
    answers: list[bytes] = []

    async def check(replica: Replica) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", replica.port)
        answers.append(await reader.read())
        writer.close()

    argv, environment = [sys.executable, "-c", SERVE_ONCE], {"COLOUR": "red"}
    spec = Spec(name="proxy", argv=argv, check=check, environment=environment, listen=("127.0.0.1", 0))
    async with stage.hold(spec) as supervisor:
        await supervisor.start()
        assert answers == [b"1 True red"]
        assert supervisor.replicas["proxy"].state is ReplicaState.READY


async def test_a_missing_program_is_one_sentence(stage: Any) -> None:
    """A program that is not there fails the start with its name."""

    async def never(_: Replica) -> None:
        await asyncio.Event().wait()

    supervisor = stage.hold(Spec(name="gateway", argv=["/nowhere/envoy"], check=never))
    with pytest.raises(StartFailed, match=r"gateway did not start: .* /nowhere/envoy cannot be run: No such file"):
        await supervisor.start()


async def test_a_taken_port_starts_nothing(stage: Any) -> None:
    """When a port is taken, the start fails with who holds it before any process runs."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        spec = Spec(name="orders", entry="echoing:main", listen=("127.0.0.1", port), port_option="--orders-port")
        supervisor = stage.hold(spec)
        with pytest.raises(StartFailed, match=rf"^Port {port} is taken by process {os.getpid()} .*: --orders-port$"):
            await supervisor.start()
    assert supervisor.replicas == {}
    assert supervisor.zygote_pid is None


def test_a_process_is_forked_or_a_program() -> None:
    """A specification names an entry or a program, not both and not neither."""
    with pytest.raises(ValueError, match=r"orders: a process has either an entry or an argv\."):
        Spec(name="orders", entry="echoing:main", argv=["sleep", "1"])
    with pytest.raises(ValueError, match="orders"):
        Spec(name="orders")
