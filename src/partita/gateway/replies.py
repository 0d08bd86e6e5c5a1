"""What Envoy answers by itself, as problem documents (RFC 9457) that look like a service's."""

from __future__ import annotations

from typing import Any

from partita.contract.problem import Problem
from partita.contract.problems import BodyTooLarge, Busy, Malformed, NotFound, Unauthenticated
from partita.gateway.xds import extension, header

__all__ = ["local_replies"]

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:partita:problem:"

# What a failure upstream is, by Envoy's response flags
# (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#response-flags).
_NOT_SENT = ["UH", "UF", "UO", "NC", "RFCF", "LH"]
_CUT_OFF = ["UC", "UR", "LR", "UPE"]
_TOO_LATE = ["UT", "SI", "DT", "UMSDR"]


def local_replies() -> dict[str, Any]:
    """The connection manager's ``local_reply_config``; the first mapper that fits is used."""
    return {
        "mappers": [
            *_upstream(),
            # Documents that the gateway answers by itself, and what the route table says of methods.
            _as_written(200, "application/json"),
            _as_written(405, MEDIA_TYPE),
            # The keys could not be fetched: that says nothing about the token, so it is no 401.
            _mapper(_details("Jwks_remote_fetch"), _body(Busy, reason="the keys of tokens are unknown"), 503, _RETRY),
            _mapper(_status(404), _body(NotFound, what="")),
            # A wrong audience is 403 to Envoy, and an invalid token to RFC 6750, section 3.1, and to the services.
            _mapper(_details("jwt_authn_access_denied"), _INVALID_TOKEN, 401, _BEARER),
            _mapper(_status(401), _body(Unauthenticated, reason="a token is required"), 401, _BEARER),
            _mapper(_status(400), _body(Malformed, reason="%RESPONSE_CODE_DETAILS%")),
            _mapper(_status(413), _body(BodyTooLarge)),
            _mapper(_status(408), _plain("request-timeout", "The request took too long to arrive", 408)),
            _mapper(_status(431), _HEAD_TOO_LARGE),
            _mapper(_status(503), _body(Busy, reason="the gateway is at its bound"), 503, _RETRY),
        ],
        "body_format": {
            "json_format": {
                "type": "about:blank",
                "title": "The gateway refused the request",
                "status": "%RESPONSE_CODE%",
                "detail": "%LOCAL_REPLY_BODY%",
            },
            "content_type": MEDIA_TYPE,
        },
    }


def _upstream() -> list[dict[str, Any]]:
    """Failures of the service behind a route. Whether the work may have been done depends on what was sent."""
    not_sent = _plain("unavailable", "The service cannot be reached", 503, may_have_executed=False)
    cut_off = _plain("connection-lost", "The service's answer was cut off", 502, may_have_executed=True)
    late = _plain("deadline-exceeded", "The service did not answer in time", 504, may_have_executed=True)
    return [
        _mapper(_flags(_CUT_OFF), cut_off, 502),
        _mapper(_flags(_TOO_LATE), late, 504),
        _mapper(_flags(_NOT_SENT), not_sent, 503, _RETRY),
    ]


def _body(problem: type[Problem], **members: Any) -> dict[str, Any]:
    return {"type": TYPE_PREFIX + problem.code, "title": problem.title, "status": problem.status, **members}


def _plain(code: str, title: str, status: int, **members: Any) -> dict[str, Any]:
    return {"type": TYPE_PREFIX + code, "title": title, "status": status, **members}


def _as_written(status: int, content_type: str) -> dict[str, Any]:
    text = {"text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"}, "content_type": content_type}
    return {"filter": _status(status), "body_format_override": text}


def _mapper(
    condition: dict[str, Any], body: dict[str, Any], status: int | None = None, extra: dict[str, Any] | None = None
) -> dict[str, Any]:
    mapper: dict[str, Any] = {
        "filter": condition,
        "body_format_override": {"json_format": body, "content_type": MEDIA_TYPE},
    }
    if status is not None:
        mapper["status_code"] = status
    if extra is not None:
        mapper["headers_to_add"] = [extra]
    return mapper


_HEAD_TOO_LARGE = _plain(
    "head-too-large", "Request Header Fields Too Large", 431, detail="Send fewer or shorter headers."
)
_RETRY = header("retry-after", "1")
_BEARER = header("www-authenticate", "Bearer")
_INVALID_TOKEN = _body(Unauthenticated, reason="%LOCAL_REPLY_BODY%")


def _status(code: int) -> dict[str, Any]:
    value = {"default_value": code, "runtime_key": f"partita.reply.{code}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _flags(flags: list[str]) -> dict[str, Any]:
    return {"response_flag_filter": {"flags": flags}}


def _details(text: str) -> dict[str, Any]:
    """Replies whose code details hold ``text``."""
    return {
        "extension_filter": extension(
            "access_loggers.extension_filters.cel",
            "extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            expression=f'response.code_details.contains("{text}")',
        )
    }
