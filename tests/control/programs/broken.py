"""A service's module that cannot be imported."""

import a_module_that_nobody_has  # type: ignore[import-not-found]

__all__ = ["a_module_that_nobody_has"]
