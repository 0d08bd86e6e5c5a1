"""An entry function as the supervisor expects one, without Partita: it answers lines on the socket that it is given."""

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
    """Serve until SIGTERM or the end of the lifeline; or do at once what the argument asks for."""
    if "say" in argument:
        sys.stderr.write(argument["say"] + "\n")
    if "fail" in argument:
        raise RuntimeError(argument["fail"])
    if "exit" in argument:
        return int(argument["exit"])
    if "marker" in argument and os.path.exists(argument["marker"]):
        return 7
    asyncio.run(serve(argument))
    return 0


async def serve(argument: dict[str, Any]) -> None:
    """Answer lines; then drain for ``drain_s`` seconds. ``deaf`` does not hear of a stop, ``mute`` is never ready."""
    process = argument["process"]
    loop, stop, drained = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, int if argument.get("deaf") else stop.set)
    if not argument.get("deaf"):
        loop.add_reader(process["lifeline"], stop.set)
    server = await asyncio.start_server(
        lambda reader, writer: answer(argument, reader, writer), sock=socket.socket(fileno=process["listen"])
    )
    if not argument.get("mute"):
        os.write(process["ready"], json.dumps({"ready": True, "version": "1.2.3"}).encode() + b"\n")
        os.close(process["ready"])
    await stop.wait()
    loop.remove_reader(process["lifeline"])
    server.close()
    say("draining")
    loop.call_later(argument.get("drain_s", 0), drained.set)
    await drained.wait()
    say("drained")


async def answer(argument: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    while line := (await reader.readline()).decode().split(maxsplit=1):
        writer.write(reply(argument, line[0], line[1].strip() if len(line) > 1 else "").encode() + b"\n")
        await writer.drain()
    writer.close()


def say(text: str) -> None:
    """Write a line to stdout, in two parts."""
    sys.stdout.write(text)
    sys.stdout.write("\n")


def reply(argument: dict[str, Any], word: str, rest: str) -> str:
    """What to answer."""
    if word == "env":
        return os.environ.get(rest, "")
    if word == "argument":
        return json.dumps(argument)
    if word == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    elif word == "say":
        say(rest)
    elif word == "random":
        return str(random.random())
    elif word == "modules":
        return " ".join(sorted({name.partition(".")[0] for name in sys.modules}))
    elif word == "fds":
        paths = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
        return " ".join(os.readlink(path) for path in paths[3:] if os.path.exists(path) or os.path.islink(path))
    elif word == "cwd":
        return os.getcwd()
    elif word == "spawn":
        return str(subprocess.Popen(["sleep", "600"]).pid)
    return str(os.getpid())
