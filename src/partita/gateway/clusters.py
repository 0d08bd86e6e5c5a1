"""Services as Envoy's clusters: how many calls each may have in flight, and where its replicas are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partita.gateway.routes import Endpoint
from partita.gateway.xds import address, typed

__all__ = ["assignment", "cluster"]

CONNECT_TIMEOUT_S = 1.0
CONNECTIONS_MAX = 1024
PENDING_MAX = 1024
REQUESTS_MAX = 2048
RETRIES_PERCENT_MAX = 20.0
# A replica of two that vanishes makes half of the requests in flight fail at once; each deserves its second try.
RETRIES_MIN = 64
CONNECTION_BUFFER_BYTES_MAX = 256 * 1024


def cluster(service: str, source: dict[str, Any], *, idle_s: float) -> dict[str, Any]:
    """The ``Cluster`` of a service. ``source`` says where its endpoints are read (a ``ConfigSource``).

    ``idle_s`` is how long an unused connection is kept. It stays below the services' own keep-alive time: a request
    on a connection that the service is closing cannot be told from one that was executed.
    """
    options = "extensions.upstreams.http.v3.HttpProtocolOptions"
    http = typed(
        options,
        common_http_protocol_options={"idle_timeout": f"{idle_s}s"},
        explicit_http_config={"http_protocol_options": {}},
    )
    return typed(
        "config.cluster.v3.Cluster",
        name=service,
        type="EDS",
        eds_cluster_config={"eds_config": source, "service_name": service},
        connect_timeout=f"{CONNECT_TIMEOUT_S}s",
        lb_policy="LEAST_REQUEST",
        per_connection_buffer_limit_bytes=CONNECTION_BUFFER_BYTES_MAX,
        circuit_breakers={"thresholds": [_bounds()]},
        outlier_detection=_ejection(),
        typed_extension_protocol_options={f"envoy.{options}": http},
    )


def _bounds() -> dict[str, Any]:
    """What a service may have in flight from here; beyond it, calls are answered 503 at once."""
    return {
        "max_connections": CONNECTIONS_MAX,
        "max_pending_requests": PENDING_MAX,
        "max_requests": REQUESTS_MAX,
        "retry_budget": {
            "budget_percent": {"value": RETRIES_PERCENT_MAX},
            "min_retry_concurrency": RETRIES_MIN,
        },
    }


def _ejection() -> dict[str, Any]:
    """Only replicas that cannot be reached, for a short time, and never more than half of them."""
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 5,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": "1s",
        "base_ejection_time": "2s",
        "max_ejection_time": "10s",
        "max_ejection_percent": 50,
    }


def assignment(service: str, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The ``ClusterLoadAssignment`` of a service; without endpoints, calls are answered 503."""
    return typed(
        "config.endpoint.v3.ClusterLoadAssignment",
        cluster_name=service,
        endpoints=[{"lb_endpoints": [{"endpoint": {"address": address(endpoint)}} for endpoint in endpoints]}],
    )
