"""Both type checkers accept what services look like, and find the mistakes in them, on the real package."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from partita import Call, Misuse, Raw, running

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
CHECKER_TIMEOUT_S = 280
_MARK = re.compile(r"# refused(?:\[(\w+)\])?(?:: |$)")

Places = set[tuple[str, int]]


def run(*command: str) -> str:
    """What a checker prints. Its exit code says no more than its output does."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=CHECKER_TIMEOUT_S,
        check=False,
    )
    assert done.stdout, f"{command[0]} printed nothing: {done.stderr[-2000:]}"
    return done.stdout


def place(file: str, line: int) -> tuple[str, int]:
    """A line of one of the examples, as the tests print it."""
    return Path(file).resolve().relative_to(FOLDER).as_posix(), line


def mypy() -> Places:
    """Where mypy, strict, finds errors."""
    output = run(
        "mypy", "--config-file", "tests/typing/mypy.ini", "--cache-dir", ".mypy_cache/typing", "--output", "json",
        "tests/typing/accepted", "tests/typing/refused",
    )  # fmt: skip
    found = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {place(str(ROOT / each["file"]), each["line"]) for each in found if each["severity"] == "error"}


def pyright() -> Places:
    """Where pyright, strict, finds errors. Its lines count from 0."""
    output = json.loads(run("pyright", "-p", "tests/typing", "--pythonpath", sys.executable, "--outputjson"))
    assert output["summary"]["filesAnalyzed"] > 10, "pyright did not see the examples"
    found: list[Any] = output["generalDiagnostics"]
    return {place(each["file"], each["range"]["start"]["line"] + 1) for each in found if each["severity"] == "error"}


def marked(checker: str) -> Places:
    """The lines that are marked as refused, by both checkers or by this one."""
    return {
        (path.relative_to(FOLDER).as_posix(), number)
        for path in sorted((FOLDER / "refused").glob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for mark in _MARK.finditer(line)
        if mark.group(1) in (None, checker)
    }


@pytest.mark.timeout(CHECKER_TIMEOUT_S + 10)  # a checker that starts without its cache reads all of SQLAlchemy first
@pytest.mark.parametrize("checker", [mypy, pyright], ids=lambda each: each.__name__)
def test_what_is_right_is_accepted_and_what_is_wrong_is_refused(checker: Callable[[], Places]) -> None:
    """A checker's errors stand on the marked lines, on every one of them, and nowhere else."""
    found, wanted = checker(), marked(checker.__name__)
    assert len(wanted) >= 30
    missed, surprising = sorted(wanted - found), sorted(found - wanted)
    assert not missed, f"{checker.__name__} finds nothing on {missed}"
    assert not surprising, f"{checker.__name__} finds errors on {surprising}, which are not marked"


def test_the_twelve_mistakes_are_marked() -> None:
    """bad.py holds the design's twelve mistakes, and both checkers are asked about each."""
    assert len([each for each in marked("mypy") & marked("pyright") if each[0] == "refused/bad.py"]) == 12


def example(name: str) -> Any:
    """One of the accepted modules, imported as it is."""
    return importlib.import_module(f"tests.typing.accepted.{name}")


def test_the_accepted_modules_work() -> None:
    """What the checkers accept can be imported: the contracts compile, and the system holds together."""
    assert list(example("system").system.members) == ["orders", "payments"]
    assert example("final").Orders.__name__ == "Orders"


async def test_the_service_runs_with_every_field_given() -> None:
    """``running`` takes every field, as the examples give it."""
    assert await example("system").with_every_field() == ["placed"]


async def test_the_service_runs_with_its_fakes_alone() -> None:
    """``running`` fills the fields that are not given; a user places an order, and its event can be read."""
    assert len(await example("system").with_its_fakes()) == 1


async def test_an_adapter_and_the_http_vocabulary_run() -> None:
    """Pages, downloads, raw bodies and headers of the accepted examples answer."""
    extra = example("extra")
    async with running(extra.FilesService, call=Call()) as t:
        files = t.client(extra.Files)
        download = await files.download(UUID(int=7))
        assert await download.read() == str(UUID(int=7)).encode()
        await files.bank(Raw(body=b"{}"), "sig")
        admin = t.as_user(UUID(int=1), "admin").client(extra.Files)
        assert await extra.every_file(admin) == [0, 1, 2, 3, 4]
        await t.as_user(UUID(int=1)).client(extra.Files).change(UUID(int=7), extra.Change(title="new"))


@pytest.mark.parametrize(("module", "name"), [("final", "an_order_is_placed"), ("shop.trial", "an_order_is_placed")])
async def test_sagas_are_declared_and_say_that_they_do_not_run(module: str, name: str) -> None:
    """The examples whose handler starts a saga reach it, and are told that this version does not run sagas."""
    with pytest.raises(Misuse, match="does not run sagas yet"):
        await getattr(example(module), name)()
