"""What a running system tells other commands: a folder beside its data, locked and with a file in it while it runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from partita.core.errors import StartFailed
from partita.identity.tokens import SigningKey

__all__ = [
    "RunningService",
    "State",
    "all_running",
    "find_running",
    "forget_state",
    "only_here",
    "operator_key",
    "system_folder",
    "was_left",
    "write_state",
]

FOLDER = ".partita"


class RunningService(msgspec.Struct, kw_only=True):
    """One service as it runs. ``database`` says which one is its own, in words; it is empty without one."""

    url: str
    version: str
    pid: int | None = None
    database: str = ""


class State(msgspec.Struct, kw_only=True):
    """One system as it runs. ``target`` is what a person typed to start it; ``parts`` are process ids of what is no
    service: the gateway, PostgreSQL, the zygote."""

    system: str
    target: str
    pid: int
    gateway: str
    placement: str
    services: dict[str, RunningService]
    parts: dict[str, int] = {}


def system_folder(system: str) -> Path:
    """Where a system keeps what belongs to this machine: data, keys, logs. Made on demand, for its owner only.

    Raises ``StartFailed`` where it cannot be made.
    """
    folder = Path.cwd() / FOLDER / system
    try:
        for each in (folder.parent, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = folder.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise _unwritable(folder, error) from None
    return folder


def _unwritable(path: Path, error: OSError) -> StartFailed:
    return StartFailed(
        f"{path} cannot be written: {error.strerror}. Partita keeps a system's data there, in the folder where it is "
        "started: start it in a folder that is yours, on a disk with room."
    )


@contextlib.contextmanager
def only_here(system: str) -> Iterator[Path]:
    """Be the only one who runs this system from this folder. The lock ends with this process, however it ends.

    Raises ``StartFailed`` with who runs it.
    """
    folder = system_folder(system)
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(folder / "lock", error) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode(errors="replace").strip()
            by = f", as process {holder}" if holder.isdigit() else ""
            raise StartFailed(
                f"The system {system} runs from this folder already{by}. Stop that one first, or start this one in "
                "another folder, where it has data of its own."
            ) from None
        try:
            os.ftruncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
        except OSError as error:
            raise _unwritable(folder / "lock", error) from None
        yield folder
    finally:
        os.close(lock)


def operator_key(system: str) -> SigningKey:
    """The key by which this machine's operator and services prove themselves; made at the first use, kept 0600."""
    path = system_folder(system) / "operator.pem"
    with contextlib.suppress(FileNotFoundError):
        return SigningKey.from_pem("operator", path.read_bytes())
    key = SigningKey.generate("operator")
    beside = path.with_name(f"operator.{os.getpid()}.tmp")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.pem())
        os.link(beside, path)
    except FileExistsError:
        return SigningKey.from_pem("operator", path.read_bytes())
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        beside.unlink(missing_ok=True)
    return key


def write_state(state: State) -> None:
    """Say that a system runs. The file is replaced at once, so that a reader sees it whole."""
    path = system_folder(state.system) / "state.json"
    beside = path.with_suffix(".tmp")
    try:
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
        beside.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None


def forget_state(system: str) -> None:
    """Say that it runs no more."""
    with contextlib.suppress(OSError):
        (Path.cwd() / FOLDER / system / "state.json").unlink(missing_ok=True)


def was_left(system: str) -> bool:
    """Whether an earlier run was killed: its file is there. For whoever holds the lock."""
    return (Path.cwd() / FOLDER / system / "state.json").exists()


def all_running() -> list[State]:
    """The systems that run from this folder."""
    found = []
    for path in sorted((Path.cwd() / FOLDER).glob("*/state.json")):
        try:
            state = msgspec.json.decode(path.read_bytes(), type=State)
            os.kill(state.pid, 0)
        except (OSError, msgspec.DecodeError) as error:
            if not isinstance(error, PermissionError):
                continue  # it ended, or is about to begin or to end
            state = msgspec.json.decode(path.read_bytes(), type=State)  # it runs, as another user
        found.append(state)
    return found


def find_running(system: str | None = None) -> State:
    """The state of a running system: the only one, where no name is given. Raises ``StartFailed``."""
    running = all_running()
    if system is not None:
        for state in running:
            if state.system == system:
                return state
        others = f" What runs: {', '.join(state.system for state in running)}." if running else ""
        raise StartFailed(f"The system {system} does not run from this folder.{others} Start it: partita dev")
    if not running:
        raise StartFailed("No system runs from this folder. Start one: partita dev")
    if len(running) > 1:
        names = ", ".join(state.system for state in running)
        raise StartFailed(f"Several systems run from this folder ({names}): write system.service.operation.")
    return running[0]
