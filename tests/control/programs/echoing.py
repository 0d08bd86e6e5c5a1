"""An entry function as the supervisor expects one, without Partita: a server of lines on the socket that it is given.

Lines: ``pid``, ``env NAME``, ``argument``, ``hold`` (an answer that comes 0.3 s later), ``crash``, ``random``, ``say TEXT``,
``stderr TEXT``, ``spawn`` (a child process of its own; answers its pid).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
from typing import Any


def main(argument: dict[str, Any]) -> int:
    """Serve until SIGTERM or the end of the lifeline."""
    if "fail" in argument:
        raise RuntimeError(argument["fail"])
    if "exit" in argument:
        sys.stderr.write("going away\n")
        return int(argument["exit"])
    asyncio.run(serve(argument))
    return 0


async def serve(argument: dict[str, Any]) -> None:
    """Answer lines; drain for ``drain_s`` seconds, or for ever where ``deaf``."""
    process = argument["process"]
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, print if argument.get("deaf") else stop.set)
    if not argument.get("deaf"):
        loop.add_reader(process["lifeline"], stop.set)
    server = await asyncio.start_server(
        lambda reader, writer: answer(argument, reader, writer), sock=socket.socket(fileno=process["listen"])
    )
    if not argument.get("mute"):
        os.write(process["ready"], json.dumps({"ready": True, "version": "1.2.3"}).encode() + b"\n")
        os.close(process["ready"])
    if "crash_after_s" in argument:
        loop.call_later(argument["crash_after_s"], os._exit, 9)
    await stop.wait()
    server.close()
    print("draining", flush=True)
    await asyncio.sleep(argument.get("drain_s", 0))
    print("drained", flush=True)


async def answer(argument: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    while line := (await reader.readline()).decode().split(maxsplit=1):
        word, rest = line[0], line[1].strip() if len(line) > 1 else ""
        reply = "ok"
        if word == "pid":
            reply = str(os.getpid())
        elif word == "env":
            reply = os.environ.get(rest, "")
        elif word == "argument":
            reply = json.dumps(argument)
        elif word == "hold":
            await asyncio.sleep(0.3)
        elif word == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        elif word == "random":
            reply = str(random.random())
        elif word == "say":
            print(rest)
        elif word == "stderr":
            sys.stderr.write(rest + "\n")
        elif word == "spawn":
            reply = str(subprocess.Popen(["sleep", "600"]).pid)
        writer.write(reply.encode() + b"\n")
        await writer.drain()
    writer.close()
