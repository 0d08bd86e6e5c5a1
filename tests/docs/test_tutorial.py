"""The tutorial, typed by a machine: each file written, each command run, each output compared."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.timeout(240)  # starts an ensemble, and type-checks
@pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial calls services with curl, which is not here")
def test_the_tutorial_works(read_blocks: Callable[[str], list[Any]], shell: Any) -> None:
    """Who types what the tutorial shows sees what it shows, from an empty folder to an ensemble of processes."""
    typed = 0
    for block in read_blocks("docs/tutorial.md"):
        if block.language == "console":
            shell.type(block)
            typed += 1
        elif "title" in block.options:
            file = shell.folder / block.options["title"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        else:
            assert block.language == "sh", f"{block.place}: a block without a file's name is not tested"
    assert typed >= 8
    assert not shell.running, "the tutorial leaves something running"
