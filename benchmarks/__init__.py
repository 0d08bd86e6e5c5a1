"""Measures Partita beside what teams would use instead: ``python -m benchmarks``."""
