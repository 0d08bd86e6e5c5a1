"""The Python in the documents: each block runs, and mypy strict accepts it.

A block is a module of its own. What it needs and a reader can do without stands in a comment before it
(``<!-- given``), what it should do in one after it (``<!-- then``), as statements and as functions ``test_...``. A
block with a title is that file; later blocks of the same document may import it. A block with ``refused="..."`` is not
accepted when it is imported, and the refusal says so; ``only-compiled="why"`` marks one that is not run.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))

RUN = """
import asyncio, importlib, inspect, sys

for name, refusal in [line.split("=", 1) for line in sys.argv[1:]]:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if not refusal or refusal not in said:
            raise
        continue
    if refusal:
        raise SystemExit(f"{name} was accepted; the document says that it is refused: {refusal}")
    for test in [value for key, value in vars(module).items() if key.startswith("test_")]:
        found = test()
        if inspect.isawaitable(found):
            asyncio.run(found)
"""


def python_blocks(read_blocks: Callable[[str], list[Any]], document: str) -> Iterator[Any]:
    """The blocks of a document that are Python."""
    return (block for block in read_blocks(document) if block.language == "python")


def write(blocks: list[Any], folder: Path) -> list[tuple[str, str]]:
    """Write each block as a module, and return the names of those to run, with their refusals."""
    found = []
    for block in blocks:
        title = block.options.get("title", "").removesuffix(".py")
        stem = block.document.removeprefix("docs/").removesuffix(".md").replace("-", "_")
        name = title.replace("/", ".") if title else f"{stem}_{block.line}"
        file = folder / f"{name.replace('.', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{block.given}{block.text}\n{block.then}", encoding="utf-8")
        if "only-compiled" in block.options:
            compile(block.text, block.place, "exec")
        else:
            found.append((name, block.options.get("refused", "")))
    return found


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name != "docs/tutorial.md"])
def test_the_blocks_run(document: str, read_blocks: Callable[[str], list[Any]], tmp_path: Path) -> None:
    """Each block does what its document says; the tutorial's have a test of their own."""
    modules = write(list(python_blocks(read_blocks, document)), tmp_path)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN, *(f"{name}={refusal}" for name, refusal in modules)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, f"{document}: {done.stdout}{done.stderr[-3000:]}"


@pytest.mark.timeout(240)  # mypy reads SQLAlchemy and FastAPI, without a cache the first time
def test_the_blocks_are_typed(read_blocks: Callable[[str], list[Any]], tmp_path: Path) -> None:
    """mypy strict accepts each block that is not refused on purpose."""
    for document in DOCUMENTS:
        blocks = python_blocks(read_blocks, document)
        write([block for block in blocks if "refused" not in block.options], tmp_path)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--explicit-package-bases",
            "--no-error-summary",
            f"--cache-dir={ROOT}/.mypy_cache/docs",
            ".",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
