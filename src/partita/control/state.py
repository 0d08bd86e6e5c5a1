"""What a running system tells other commands: a file beside its data, there while it runs."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from partita.core.errors import StartFailed
from partita.identity.tokens import SigningKey

__all__ = ["RunningService", "State", "find_running", "forget_state", "operator_key", "system_folder", "write_state"]

FOLDER = ".partita"


class RunningService(msgspec.Struct, kw_only=True):
    """One service as it runs."""

    url: str
    version: str


class State(msgspec.Struct, kw_only=True):
    """One system as it runs. ``target`` is what a person typed to start it."""

    system: str
    target: str
    pid: int
    gateway: str
    placement: str
    services: dict[str, RunningService]


def system_folder(system: str) -> Path:
    """Where a system keeps what belongs to this machine: data, keys, logs. Made on demand, for its owner only.

    Raises ``StartFailed`` where it cannot be made.
    """
    folder = Path.cwd() / FOLDER / system
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise StartFailed(f"{folder} cannot be made: {error.strerror}. Partita keeps its data there.") from None
    return folder


def operator_key(system: str) -> SigningKey:
    """The key by which this machine's operator and services prove themselves; made at the first use, kept 0600."""
    path = system_folder(system) / "operator.pem"
    with contextlib.suppress(FileNotFoundError):
        return SigningKey.from_pem("operator", path.read_bytes())
    key = SigningKey.generate("operator")
    beside = path.with_name(f"operator.{os.getpid()}.tmp")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.pem())
    try:
        os.link(beside, path)
    except FileExistsError:
        return SigningKey.from_pem("operator", path.read_bytes())
    finally:
        beside.unlink()
    return key


def write_state(state: State) -> None:
    """Say that a system runs. The file is replaced at once, so that a reader sees it whole."""
    path = system_folder(state.system) / "state.json"
    beside = path.with_suffix(".tmp")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
    beside.replace(path)


def forget_state(system: str) -> None:
    """Say that it runs no more."""
    (system_folder(system) / "state.json").unlink(missing_ok=True)


def find_running(system: str) -> State:
    """The state of a running system. Raises ``StartFailed`` where none runs here."""
    path = Path.cwd() / FOLDER / system / "state.json"
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
        os.kill(state.pid, 0)
    except (FileNotFoundError, ProcessLookupError, msgspec.DecodeError):
        raise StartFailed(f"The system {system} does not run from this folder. Start it: partita dev ...") from None
    except PermissionError:
        pass  # it runs, as another user
    return state
