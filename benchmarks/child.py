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

from benchmarks.shapes import PEERS, Config

__all__ = ["main"]


def main() -> None:
    """Serve."""
    config = msgspec.json.decode(sys.stdin.readline(), type=Config)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    _tell(listening.getsockname()[1])
    # Imported here, since each process needs one of the two.
    if config.row in PEERS:
        from benchmarks.peers import peer_server

        server = peer_server(config)
        _answer_until_the_end(lambda: setattr(server, "should_exit", True))
        server.run(sockets=[listening])
    else:
        from benchmarks.services import run_partita

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
