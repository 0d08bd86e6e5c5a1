"""A service's module that cannot be imported."""

import a_module_that_nobody_has


def main(argument: dict[str, object]) -> int:
    """Never runs."""
    return a_module_that_nobody_has.main(argument)
