"""The main function of every server process: reads its configuration, serves, tells its CPU time, ends with its parent.

Standard input has the configuration in its first line, then a line for each question about CPU time; its end is the
end of the process. Standard output has the port, then the answers in seconds.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable

import msgspec
import uvicorn

from benchmarks.peers import PEERS, peer_app
from benchmarks.services import run_partita
from benchmarks.shapes import Config

__all__ = ["main"]


def main() -> None:
    """Serve."""
    config = msgspec.json.decode(sys.stdin.readline(), type=Config)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    _tell(listening.getsockname()[1])
    if config.row in PEERS:
        settings = uvicorn.Config(
            peer_app(config.row, config.role, config.peer),
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(settings)

        def stop() -> None:
            server.should_exit = True

        _answer_until_the_end(stop)
        server.run(sockets=[listening])
        return
    lifeline, held = os.pipe()
    _answer_until_the_end(lambda: os.close(held))
    run_partita(config, listening, lifeline)


def _answer_until_the_end(stop: Callable[[], None]) -> None:
    def answer() -> None:
        for _ in sys.stdin:
            _tell(time.process_time())
        stop()

    threading.Thread(target=answer, daemon=True).start()


def _tell(value: float) -> None:
    sys.stdout.write(f"{value}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
