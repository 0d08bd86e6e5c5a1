"""Starts the shop for as long as the demo runs, where none does."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

__all__ = ["NotStarted", "answers", "started"]

START_S_MAX = 60
STOP_S_MAX = 20
POLL_S = 0.1


class NotStarted(Exception):
    """The shop did not start. The text is what it said."""


def answers(url: str) -> bool:
    """Whether a shop answers at ``url``."""
    try:
        with urllib.request.urlopen(f"{url}/products?limit=1", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


@contextmanager
def started(url: str) -> Iterator[None]:
    """The shop at ``url`` while the block runs. Raises ``NotStarted``."""
    port = str(urlsplit(url).port or 80)
    command = [sys.executable, "-m", "partita.cli", "dev", "examples.shop.system:system", "--port", port]
    with tempfile.TemporaryFile() as log:
        shop = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            until = time.monotonic() + START_S_MAX
            while not answers(url):
                if shop.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise NotStarted(log.read().decode(errors="replace").strip())
                time.sleep(POLL_S)
            yield
        finally:
            shop.send_signal(signal.SIGINT)
            try:
                shop.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                shop.kill()
                shop.wait()
