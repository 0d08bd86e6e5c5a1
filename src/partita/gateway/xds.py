"""The shapes that Envoy's documents are made of (https://www.envoyproxy.io/docs/envoy/latest/api-v3/api)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from partita.gateway.routes import Endpoint

__all__ = ["address", "extension", "header", "typed", "watched"]


def typed(type_name: str, **fields: Any) -> dict[str, Any]:
    """A message that names its type, which is given without ``envoy.``."""
    return {"@type": f"type.googleapis.com/envoy.{type_name}", **fields}


def extension(name: str, type_name: str, **fields: Any) -> dict[str, Any]:
    """A ``TypedExtensionConfig``."""
    return {"name": f"envoy.{name}", "typed_config": typed(type_name, **fields)}


def header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> dict[str, Any]:
    """A ``HeaderValueOption``."""
    return {"header": {"key": name, "value": value}, "append_action": action}


def address(endpoint: Endpoint) -> dict[str, Any]:
    """An ``Address``."""
    return {"socket_address": {"address": endpoint.host, "port_value": endpoint.port}}


def watched(path: Path) -> dict[str, Any]:
    """A ``ConfigSource``: the file at ``path``, read again whenever a file is moved into its directory."""
    return {
        "path_config_source": {"path": str(path), "watched_directory": {"path": str(path.parent)}},
        "resource_api_version": "V3",
    }
