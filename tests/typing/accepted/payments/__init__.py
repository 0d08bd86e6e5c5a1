"""One service of the examples that type checkers accept."""
