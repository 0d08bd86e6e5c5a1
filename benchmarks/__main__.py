"""Both tables: ``python -m benchmarks [--quick] [--verbose]``."""

from __future__ import annotations

import argparse

from benchmarks import data, hop

__all__: list[str] = []


def main() -> None:
    """Measure calls, then data."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true", help="one short run of each, which proves that it works")
    parser.add_argument("--verbose", action="store_true", help="every run's values")
    asked = parser.parse_args()
    passed = [f"--{name}" for name, value in vars(asked).items() if value]
    print("Calls: under two minutes. Then data: about one.", flush=True)
    print()
    hop.main(passed)
    print(flush=True)
    data.main(passed)


if __name__ == "__main__":
    main()
