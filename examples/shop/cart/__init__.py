"""Carts of users and guests."""
