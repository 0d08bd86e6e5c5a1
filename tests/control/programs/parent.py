"""A supervising process to be interrupted and killed: ``python parent.py '{"services": {name: argument}, ...}'``.

Prints one JSON line with all process ids once everything is ready. ``argv`` adds a program, ``postgres`` a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from partita.control.logs import Logs
from partita.control.postgres import EmbeddedPostgres
from partita.control.spec import Spec
from partita.control.supervisor import Supervisor


async def main(wanted: dict[str, Any]) -> None:
    """Run until SIGINT; a second one stops at once."""
    stop, at_once = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: at_once.set() if stop.is_set() else stop.set())
    here = str(Path(__file__).parent)
    specs = [
        Spec(
            name=name, entry="echoing:main", path=[here], listen=("127.0.0.1", 0), argument=argument, drain_timeout_s=30
        )
        for name, argument in wanted.get("services", {}).items()
    ]
    if "argv" in wanted:
        specs.append(Spec(name="program", argv=wanted["argv"]))
    async with contextlib.AsyncExitStack() as stack:
        logs = Logs(fd=2, colour=False)
        stack.callback(logs.close)
        pids: dict[str, Any] = {}
        if "postgres" in wanted:
            server = await stack.enter_async_context(EmbeddedPostgres(Path(wanted["postgres"])))
            pids |= {"postgres": server.pid, "url": server.url}
        supervisor = await stack.enter_async_context(Supervisor(specs, logs=logs, preload=["msgspec"]))
        await supervisor.start()
        pids |= {name: replica.pid for name, replica in supervisor.replicas.items()}
        pids |= {"parent": os.getpid()} | ({"zygote": supervisor.zygote_pid} if supervisor.zygote_pid else {})
        sys.stdout.write(json.dumps(pids) + "\n")
        sys.stdout.flush()
        await stop.wait()
        await supervisor.stop(at_once)


asyncio.run(main(json.loads(sys.argv[1])))
