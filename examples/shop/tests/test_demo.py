"""The demo, against a shop in one process."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.shop import demo
from examples.shop.tests import journey

ROOT = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_open(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=0.2)
    try:
        connection.request("GET", "/categories")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="module")
def shop_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a shop that ``partita dev --solo`` runs."""
    port = free_port()
    command = [sys.executable, "-m", "partita.cli", "dev", "examples.shop.system", "--solo", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AUTH_DEV_ACCOUNTS": "true"}
    with subprocess.Popen(
        command,
        cwd=tmp_path_factory.mktemp("shop"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("Ready"):
                    break
            assert is_open(port), "".join(said)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def test_the_demo_buys_something(shop_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It shows requests with their answers, from browsing to a declined card, and no secret."""
    assert demo.main(["--url", shop_url]) == 0
    said = capsys.readouterr().out
    assert "POST /orders HTTP/1.1" in said
    assert "HTTP/1.1 202 Accepted" in said
    assert '"state": "confirmed"' in said
    assert "HTTP/1.1 402 Payment Required" in said
    assert "4242424242424242" not in said
    assert '"password": "…"' in said


def test_the_demo_without_a_shop_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, and a status that make sees."""
    assert demo.main(["--url", f"http://127.0.0.1:{free_port()}"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("There is no shop at http://127.0.0.1:")
    assert len(said.err.splitlines()) == 1


def test_the_demo_wants_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    """Something that is no URL is refused with an example of one."""
    assert demo.main(["--url", "localhost"]) == 1
    assert "it looks like http://localhost:8080" in capsys.readouterr().err


async def test_the_journey(shop_url: str) -> None:
    """A customer can do everything over HTTP, and the documents' requests are answered."""
    token = await journey.operator_token(shop_url)
    await journey.whole_journey(shop_url, token)
    assert (await journey.request(shop_url, "GET", "/users/42", headers=journey.bearer(token))).json["number"] == 42


def test_the_demo_starts_a_shop_where_none_runs(tmp_path: Path) -> None:
    """With --start the demo brings its own shop, and leaves no process and no open port behind."""
    port = free_port()
    done = subprocess.run(
        [sys.executable, "-m", "examples.shop.demo", "--start", "--url", f"http://127.0.0.1:{port}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "HTTP/1.1 202 Accepted" in done.stdout
    assert "The shop is stopped again." in done.stdout
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)
