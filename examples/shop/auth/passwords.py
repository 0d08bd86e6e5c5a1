"""Passwords: hashed with argon2, which takes a tenth of a second on purpose. Call these through ``Blocking``."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from partita import Secret

__all__ = ["NOBODYS_HASH", "hash_password", "is_password"]

# The hash of a password that nobody knows: what a login without an account is compared with, so that it takes as long
# as one with an account.
NOBODYS_HASH = "$argon2id$v=19$m=65536,t=3,p=4$fo8zP7wjD+hjo3IGuE3nSQ$4a/VpizgxvVVDIMjQ3qGRjtYI7qZY357dij5l/L05ec"

_hasher = PasswordHasher()


def hash_password(password: Secret) -> str:
    """An argon2id hash with its own salt."""
    return _hasher.hash(password.reveal())


def is_password(password: Secret, password_hash: str) -> bool:
    """Whether the hash is one of this password."""
    try:
        return _hasher.verify(password_hash, password.reveal())
    except (VerificationError, InvalidHashError):
        return False
