"""Where clients come in: the listener, and how strictly HTTP is read there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partita.gateway.replies import local_replies
from partita.gateway.routes import Endpoint, JwtRule
from partita.gateway.table import ROUTES
from partita.gateway.tokens import token_filter
from partita.gateway.xds import address, extension, typed

__all__ = ["LISTENER", "SERVER_NAME", "STATS", "UNTRUSTED_HEADERS", "UNTRUSTED_PREFIXES", "listener"]

LISTENER = "gateway"
STATS = "gateway"
SERVER_NAME = "partita"

HEADERS_KIB_MAX = 16
HEADERS_MAX = 100
HEADERS_TIMEOUT_S = 10
REQUEST_TIMEOUT_S = 300
STREAM_IDLE_S = 300
CONNECTION_IDLE_S = 60
CONNECTION_BUFFER_BYTES_MAX = 256 * 1024
HTTP2_STREAMS_MAX = 100

# What a client could say to look like another client, like a service, or like a request for another path.
UNTRUSTED_HEADERS = (
    *("forwarded", "via", "x-request-id", "x-real-ip", "x-client-ip", "true-client-ip"),
    *("x-http-method", "x-http-method-override", "x-method-override"),
)
UNTRUSTED_PREFIXES = ("partita-", "x-forwarded-", "x-original-", "x-rewrite-", "x-envoy-")


def listener(hosts: Sequence[str], port: int, rules: Sequence[JwtRule], source: dict[str, Any]) -> dict[str, Any]:
    """The ``Listener``. ``source`` says where the route table is read (a ``ConfigSource``)."""
    first, *others = hosts
    return typed(
        "config.listener.v3.Listener",
        name=LISTENER,
        address=address(Endpoint(first, port)),
        additional_addresses=[{"address": address(Endpoint(host, port))} for host in others],
        # With SO_REUSEPORT a second gateway could take half of the connections of the first, unseen.
        enable_reuse_port=False,
        per_connection_buffer_limit_bytes=CONNECTION_BUFFER_BYTES_MAX,
        filter_chains=[{"filters": [_manager(rules, source)]}],
    )


def _manager(rules: Sequence[JwtRule], source: dict[str, Any]) -> dict[str, Any]:
    filters = [token_filter(rules)] if rules else []
    filters.append(
        extension("filters.http.router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True)
    )
    return extension(
        "filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=STATS,
        rds={"route_config_name": ROUTES, "config_source": source},
        http_filters=filters,
        local_reply_config=local_replies(),
        server_name=SERVER_NAME,
        **_reading(),
        **_identity(),
        **_limits(),
    )


def _reading() -> dict[str, Any]:
    """One way only to read a request, so that the gateway and a service cannot disagree about what it says."""
    return {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "strip_trailing_host_dot": True,
        # The service decides whether it wants a body before the client sends it.
        "proxy_100_continue": True,
        "http_protocol_options": {
            # An offer to change the protocol may be ignored (RFC 9110, section 7.8).
            "ignore_http_11_upgrade": [{"safe_regex": {"regex": ".*"}}],
        },
    }


def _identity() -> dict[str, Any]:
    """Who the client is, is what its connection says."""
    return {
        "use_remote_address": True,
        "xff_num_trusted_hops": 0,
        # No address is internal, not even loopback: Envoy would obey headers from there. An empty list would mean
        # the private networks, so it holds the one address that no client can have.
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        "generate_request_id": True,
        "preserve_external_request_id": False,
        "always_set_request_id_in_response": True,
        "early_header_mutation_extensions": [
            extension(
                "http.early_header_mutation.header_mutation",
                "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                mutations=[
                    *({"remove": name} for name in UNTRUSTED_HEADERS),
                    *({"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in UNTRUSTED_PREFIXES),
                ],
            )
        ],
    }


def _limits() -> dict[str, Any]:
    return {
        "max_request_headers_kb": HEADERS_KIB_MAX,
        "request_headers_timeout": f"{HEADERS_TIMEOUT_S}s",
        "request_timeout": f"{REQUEST_TIMEOUT_S}s",
        "stream_idle_timeout": f"{STREAM_IDLE_S}s",
        "common_http_protocol_options": {
            "idle_timeout": f"{CONNECTION_IDLE_S}s",
            "max_headers_count": HEADERS_MAX,
            # Some frameworks read X_Y and X-Y as one header, and so get past what was stripped here.
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": HTTP2_STREAMS_MAX,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": 1048576,
        },
    }
