"""What the documents say about files, commands and pictures is so."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from partita.system.target import load_system

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def words(text: str) -> str:
    """The text of a document without its code."""
    return re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def test_links_lead_somewhere() -> None:
    """Each link to a file, and to a heading in it, has its target."""
    wrong = []
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)\s]+)\)", words(document.read_text(encoding="utf-8"))):
            if target.startswith(("http://", "https://")):
                continue
            name, _, anchor = target.partition("#")
            file = (document.parent / name) if name else document
            heads = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE) if file.is_file() else []
            anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            if not file.exists() or (anchor and anchor not in anchors):
                wrong.append(f"{document.relative_to(ROOT)}: {target}")
    assert not wrong, wrong


def command_of(name: str) -> click.Command | None:
    """The subcommand of this name."""
    try:
        found = getattr(importlib.import_module(f"partita.cli.{name}"), name)
    except ModuleNotFoundError:
        return None
    return found if isinstance(found, click.Command) else None


def test_commands_and_options_exist() -> None:
    """Each ``partita ...`` in a document names a command, and options that it has."""
    wrong = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        typed = re.findall(r"^\$ partita (.*)$|`partita ([^`\n]*)`", text, re.MULTILINE)
        for line in (first or second for first, second in typed):
            name, *rest = line.split()
            command = command_of(name)
            known = {option for each in command.params for option in each.opts} if command is not None else set()
            options = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
            if command is None or options - known:
                wrong.append(f"{document.relative_to(ROOT)}: partita {line}")
    assert not wrong, wrong


def test_every_document_is_listed() -> None:
    """docs/index.md has a link to each document and to each decision."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = {(ROOT / "docs" / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", index)}
    missing = {path for path in DOCUMENTS[1:] if path.name != "index.md"} - listed
    assert not missing, sorted(path.name for path in missing)


def test_the_readme_shows_hello_as_it_is(read_blocks: Callable[[str], list[Any]]) -> None:
    """The README's first service is examples/hello/hello.py, letter by letter, in forty lines at most."""
    shown = next(block for block in read_blocks("README.md") if block.language == "python")
    written = (ROOT / "examples" / "hello" / "hello.py").read_text(encoding="utf-8")
    assert shown.text == written
    assert len(written.splitlines()) <= 40


@pytest.mark.timeout(120)  # starts an ensemble
@pytest.mark.skipif(shutil.which("curl") is None, reason="the README calls a service with curl, which is not here")
def test_the_readme_s_hello_runs(read_blocks: Callable[[str], list[Any]], shell: Any) -> None:
    """The two commands below it give what the README shows."""
    shutil.copytree(ROOT / "examples" / "hello", shell.folder / "examples" / "hello")
    block = next(block for block in read_blocks("README.md") if block.language == "console")
    shell.type(block)
    (running,) = shell.running
    assert running.process.poll() is None


def test_the_pictures_show_the_system_as_it_is(
    read_blocks: Callable[[str], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The map of the shop, as SVG and as Mermaid, is what the system's own fields say."""
    system = load_system("examples.shop.system")
    spec = importlib.util.spec_from_file_location("draw", ROOT / "docs" / "images" / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "draw", module)  # where dataclasses look for it
    spec.loader.exec_module(module)
    again = "run: python docs/images/draw.py examples.shop.system > docs/images/shop.svg"
    assert (ROOT / "docs" / "images" / "shop.svg").read_text(encoding="utf-8") == module.draw(system), again
    shown = next(block for block in read_blocks("README.md") if block.language == "mermaid").text
    calls = {(name, callee) for name, member in system.members.items() for callee in member.calls.values()}
    arrows = set(re.findall(r"^ +(\w+) --> (\w+)$", shown, re.MULTILINE))
    assert {arrow for arrow in arrows if arrow[0] != "gateway"} == calls
    public = {name for name, each in system.members.items() if any(
        not operation.access.is_internal for operation in each.contract.operations.values()
    )}  # fmt: skip
    assert {callee for caller, callee in arrows if caller == "gateway"} == public


def test_the_figures_are_those_that_were_measured() -> None:
    """The README's table of figures stands in docs/benchmarks.md, with its conditions."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:FastAPI|Starlette|Partita,).*$", readme, re.MULTILINE)
    measured = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert len(rows) == 5
    assert all(row in measured for row in rows)
