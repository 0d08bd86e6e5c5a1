"""Orders, and the checkout."""
