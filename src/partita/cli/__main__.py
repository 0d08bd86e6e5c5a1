"""``python -m partita.cli``."""

from __future__ import annotations

from partita.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
