"""A first service."""
