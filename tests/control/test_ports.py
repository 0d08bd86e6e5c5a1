"""Ports: opened, found free, or told who holds them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from partita.control.ports import BACKLOG, free_port, holder, listen, require_free
from partita.core.errors import StartFailed


def test_a_port_is_opened_and_listens_at_once() -> None:
    """What is returned takes connections before anybody accepts them."""
    with listen("127.0.0.1", 0) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
        assert not server.get_inheritable()
        assert BACKLOG >= 100


def test_a_taken_port_names_its_holder() -> None:
    """The sentence has the port, the process, its command, and the option to choose another."""
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline().split("port ")[1].split()[0])
        with pytest.raises(StartFailed) as failed:
            require_free("127.0.0.1", port, option="--gateway-port")
        other.terminate()
    assert str(failed.value) == (
        f"Port {port} is taken by process {other.pid} ({' '.join(command)[:79]}"
        f"{'…' if len(' '.join(command)) > 80 else ''}). Stop it or choose another: --gateway-port"
    )


def test_a_free_port_is_free() -> None:
    """A free port can be opened, on IPv6 too, and nobody holds it."""
    port = free_port()
    assert holder(port) is None
    require_free("127.0.0.1", port)
    with listen("::1", 0) as server:
        assert server.family is socket.AF_INET6


@pytest.mark.parametrize(
    ("host", "port", "sentence"),
    [
        ("192.0.2.1", 8080, r"^192\.0\.2\.1 is not an address of this machine, so port 8080 cannot be opened on it\."),
        ("127.0.0.1", 70000, "^Port 70000 does not exist: ports go from 1 to 65535"),
    ],
)
def test_what_cannot_be_opened_is_one_sentence(host: str, port: int, sentence: str) -> None:
    """An address of another machine and a number that is no port are told as such."""
    with pytest.raises(StartFailed, match=sentence):
        listen(host, port)
