"""Signed tokens: EdDSA (Ed25519) JSON Web Tokens for users and for services (RFC 7519, RFC 8037)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from partita.contract.problems import Unauthenticated
from partita.core.call import User

__all__ = [
    "KeySet",
    "ServiceTokens",
    "SigningKey",
    "UserTokens",
    "jwk_of",
    "keys_of",
    "mint_service_token",
    "mint_user_token",
]

ALGORITHM = "EdDSA"
LEEWAY_S = 10
TOKEN_CHARS_MAX = 8192
CACHED_TOKENS_MAX = 4096
KeySet = Mapping[str, Ed25519PublicKey]


class SigningKey:
    """A private Ed25519 key and its name (``kid``)."""

    def __init__(self, kid: str, private: Ed25519PrivateKey) -> None:
        self.kid = kid
        self.private = private

    @classmethod
    def generate(cls, kid: str) -> SigningKey:
        """A new key."""
        return cls(kid, Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, kid: str, pem: bytes) -> SigningKey:
        """A key kept as PKCS #8 PEM. Raises ``ValueError`` for anything else."""
        key = serialization.load_pem_private_key(pem, None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"the key {kid} is a {type(key).__name__}, not an Ed25519 key")
        return cls(kid, key)

    def pem(self) -> bytes:
        """The private key as PKCS #8 PEM, unencrypted."""
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def public(self) -> Ed25519PublicKey:
        """The public half."""
        return self.private.public_key()

    def sign(self, claims: dict[str, Any]) -> str:
        """A JWT of ``claims``, signed."""
        return jwt.encode(claims, self.private, algorithm=ALGORITHM, headers={"kid": self.kid})


def jwk_of(kid: str, public: Ed25519PublicKey) -> dict[str, str]:
    """A public key as a JSON Web Key (RFC 8037, section 2)."""
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    x = jwt.utils.base64url_encode(raw).decode()
    return {"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "alg": ALGORITHM, "x": x}


class _Jwk(msgspec.Struct):
    kty: str
    kid: str = ""
    crv: str = ""
    x: str = ""
    use: str = "sig"


class _Jwks(msgspec.Struct):
    keys: list[_Jwk]


def keys_of(document: bytes) -> KeySet:
    """The Ed25519 signature keys of a JSON Web Key Set, by name. Raises ``ValueError`` for what is none."""
    try:
        found = msgspec.json.decode(document, type=_Jwks)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not a JSON Web Key Set: {error}") from None
    return {
        key.kid: Ed25519PublicKey.from_public_bytes(jwt.utils.base64url_decode(key.x))
        for key in found.keys
        if (key.kty, key.crv, key.use) == ("OKP", "Ed25519", "sig")
    }


def mint_user_token(
    key: SigningKey, *, issuer: str, audience: str, user: User, now_s: float, life_s: float, **claims: Any
) -> str:
    """A token that names ``user``. ``now_s`` is in seconds since 1970."""
    return key.sign(
        {
            "iss": issuer, "aud": audience, "sub": str(user.id), "roles": list(user.roles),
            "iat": int(now_s), "exp": int(now_s + life_s), **claims,
        }
    )  # fmt: skip


def mint_service_token(key: SigningKey, *, system: str, caller: str, callee: str, now_s: float, life_s: float) -> str:
    """A token by which ``caller`` proves itself to ``callee`` and to nobody else."""
    return key.sign({"iss": system, "sub": caller, "aud": callee, "iat": int(now_s), "exp": int(now_s + life_s)})


class _Verified(msgspec.Struct, gc=False):
    value: Any
    until: float


class _Cache:
    """Tokens that were verified, until they expire. Bounded: full, it forgets everything, and verifies again."""

    def __init__(self) -> None:
        self._known: dict[str, _Verified] = {}

    def get(self, token: str) -> Any:
        found = self._known.get(token)
        if found is None or found.until < time.time():
            return None
        return found.value

    def put(self, token: str, value: Any, until: float) -> None:
        if len(self._known) >= CACHED_TOKENS_MAX:
            self._known.clear()
        self._known[token] = _Verified(value, until)


def _refused(reason: str) -> Unauthenticated:
    return Unauthenticated(reason=reason)


def _claims(token: str, key: Ed25519PublicKey, issuer: str, audience: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.ExpiredSignatureError:
        raise _refused("the token has expired") from None
    except jwt.InvalidTokenError as error:
        raise _refused(f"the token is not valid: {error}") from None
    return claims


def _kid(token: str) -> str:
    if len(token) > TOKEN_CHARS_MAX:
        raise _refused(f"the token has more than {TOKEN_CHARS_MAX} characters")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise _refused("the token is no JSON Web Token") from None
    if header.get("alg") != ALGORITHM or "crit" in header:
        raise _refused(f"the token is not signed with {ALGORITHM}")
    return str(header.get("kid", ""))


class UserTokens:
    """Verifies users' tokens. ``keys`` fetches the issuer's keys; it is asked again for a name that is unknown, not
    more often than every ``refetch_s`` seconds."""

    refetch_s = 5.0

    def __init__(self, *, issuer: str, audience: str, keys: Callable[[], Awaitable[KeySet]]) -> None:
        self._issuer = issuer
        self._audience = audience
        self._fetch = keys
        self._keys: KeySet = {}
        self._fetched = float("-inf")
        self._cache = _Cache()

    def knows(self, token: str) -> bool:
        """Whether the token was verified here before, or names this issuer; nothing is verified by this."""
        if self._cache.get(token) is not None:
            return True
        try:
            claims = jwt.decode(token[:TOKEN_CHARS_MAX], options={"verify_signature": False})
        except jwt.InvalidTokenError:
            return False
        return claims.get("iss") == self._issuer

    async def verify(self, token: str) -> User:
        """The user whom a token names. Raises ``Unauthenticated``."""
        user: User | None = self._cache.get(token)
        if user is not None:
            return user
        kid = _kid(token)
        if kid not in self._keys and time.monotonic() - self._fetched >= self.refetch_s:
            self._keys = await self._fetch()
            self._fetched = time.monotonic()
        key = self._keys.get(kid)
        if key is None:
            raise _refused("the token is signed with a key that is not known here")
        claims = _claims(token, key, self._issuer, self._audience)
        try:
            user = User(id=UUID(claims["sub"]), roles=tuple(str(role) for role in claims.get("roles", ())))
        except (ValueError, TypeError):
            raise _refused("the token names no user") from None
        self._cache.put(token, user, float(claims["exp"]))
        return user


class ServiceTokens:
    """Verifies the tokens by which other services of the system prove themselves to this one."""

    def __init__(self, *, system: str, audience: str, keys: KeySet) -> None:
        self._system = system
        self._audience = audience
        self._keys = keys
        self._cache = _Cache()

    def verify(self, token: str) -> str:
        """The calling service's name. Raises ``Unauthenticated``."""
        caller: str | None = self._cache.get(token)
        if caller is not None:
            return caller
        key = self._keys.get(_kid(token))
        if key is None:
            raise _refused("the service's token is signed with a key that is not known here")
        claims = _claims(token, key, self._system, self._audience)
        caller = str(claims["sub"])
        self._cache.put(token, caller, float(claims["exp"]))
        return caller
