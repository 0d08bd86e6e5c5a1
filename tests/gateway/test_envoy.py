"""Finding and starting the program."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from partita.core.errors import StartFailed
from partita.gateway import envoy
from partita.gateway.envoy import command, find_envoy


def test_the_packages_envoy_is_found() -> None:
    """The package's program is a file that runs."""
    found = subprocess.run([find_envoy(), "--version"], capture_output=True, text=True, timeout=30)
    assert "version" in found.stdout


def test_an_envoy_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, the one on PATH is taken."""
    program = tmp_path / "envoy"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(envoy, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_envoy() == program


def test_a_missing_envoy_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without either, the error says what to install."""
    monkeypatch.setattr(envoy, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartFailed, match=r'pip install "partita\[local\]"'):
        command(tmp_path / "bootstrap.json")


def test_the_command_line() -> None:
    """One worker a core unless told, quiet, and independent of other Envoys."""
    line = command(Path("/x/bootstrap.json"))
    assert line[line.index("--config-path") + 1] == "/x/bootstrap.json"
    assert line[line.index("--concurrency") + 1] == str(os.cpu_count())
    assert "--disable-hot-restart" in line
    few = command(Path("/x"), workers=3, log_level="info")
    assert (few[few.index("--concurrency") + 1], few[few.index("--log-level") + 1]) == ("3", "info")
