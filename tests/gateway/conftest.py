"""A real Envoy for the whole session, before services that say what reached them."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from partita.gateway.admin import Admin
from partita.gateway.config import Gateway
from partita.gateway.envoy import command
from partita.gateway.files import GatewayFiles, Version
from partita.gateway.routes import Endpoint, InlineKeys, JwtRule, RemoteKeys, Route

WAIT_S = 10.0


class Handler(BaseHTTPRequestHandler):
    """Tells what it was asked; a few paths misbehave."""

    protocol_version = "HTTP/1.1"
    server: Service
    disable_nagle_algorithm = True

    def handle_expect_100(self) -> bool:
        """Want the body, except at one path."""
        if not self.path.endswith("/unwanted"):
            return super().handle_expect_100()
        self.send_response(417)
        self.send_header("content-length", "0")
        self.end_headers()
        self.close_connection = True
        return False

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def answer(self) -> None:
        """Any method."""
        service = self.server
        if self.path == "/.well-known/jwks.json":  # Envoy asks for it when it wants to
            self.reply(service.jwks)
            return
        service.seen.append(f"{self.command} {self.path}")
        match self.path.rpartition("/")[2]:
            case "cut":
                service.attempts += 1
                self.close_connection = True
            case "slow":
                service.release.wait(WAIT_S)
                self.close_connection = True
            case "events":
                self.events()
            case "upload":
                self.upload()
            case _:
                size = len(self.body())
                headers = [[name.lower(), value] for name, value in self.headers.items()]
                told = {"service": service.name, "method": self.command, "path": self.path}
                self.reply(json.dumps({**told, "headers": headers, "body_bytes": size}).encode())

    do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def reply(self, body: bytes) -> None:
        """200 with ``body``."""
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        """The request's body."""
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", "0")))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def events(self) -> None:
        """One event, and another when it is told to go on."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(b"data: first\n\n")
        self.server.release.wait(WAIT_S)
        self.wfile.write(b"data: second\n\n")
        self.close_connection = True

    def upload(self) -> None:
        """Say when the first bytes came, then read the others."""
        size = int(self.headers["content-length"])
        first = self.rfile.read(1000)
        self.server.release.set()
        rest = self.rfile.read(size - len(first))
        self.reply(json.dumps({"body_bytes": len(first) + len(rest)}).encode())


class Service(ThreadingHTTPServer):
    """One replica of a service, in threads of this process."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, name: str, jwks: bytes = b"") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.name = name
        self.jwks = jwks
        self.seen: list[str] = []
        self.attempts = 0
        self.release = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return Endpoint("127.0.0.1", self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error here."""

    def stop(self) -> None:
        """Take no more connections."""
        if self._thread.is_alive():
            self.shutdown()
            self.server_close()
            self._thread.join(WAIT_S)


@dataclass
class Reply:
    """An answer from the gateway. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)

    @property
    def told(self) -> dict[str, list[str]]:
        """The headers that reached the service, all values of each."""
        found: dict[str, list[str]] = {}
        for name, value in self.json["headers"]:
            found.setdefault(name, []).append(value)
        return found


@dataclass
class Running:
    """An Envoy that runs, and how to talk to it."""

    files: GatewayFiles
    admin: Admin
    process: subprocess.Popen[bytes]
    log: Path
    endpoint: Endpoint
    versions: list[Version]
    services: dict[str, Service] = field(default_factory=dict)

    def connect(self) -> socket.socket:
        """A connection to its listener."""
        return socket.create_connection((self.endpoint.host, self.endpoint.port), timeout=WAIT_S)

    def raw(self, request: bytes) -> Reply:
        """Send these bytes on a connection of their own, and read one answer."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_reply(connection, head=request.startswith(b"HEAD "))

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Reply:
        """An ordinary request; ``path`` is sent as it is."""
        lines = [f"{method} {path} HTTP/1.1", "host: shop.test", "connection: close"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body:
            lines.append(f"content-length: {len(body)}")
        return self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait(WAIT_S)


def read_reply(connection: socket.socket, *, head: bool = False) -> Reply:
    """One answer from a connection."""
    with HTTPResponse(connection, method="HEAD" if head else "GET") as response:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, response.read())


class Issuer:
    """Signs tokens."""

    def __init__(self, name: str, kid: str) -> None:
        self.name = name
        self.kid = kid
        self.key = Ed25519PrivateKey.generate()

    @property
    def jwks(self) -> bytes:
        """The public half, as a set of JSON Web Keys."""
        x = jwt.utils.base64url_encode(self.key.public_key().public_bytes_raw()).decode()
        key = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": x}
        return json.dumps({"keys": [key]}).encode()

    def token(self, **claims: Any) -> str:
        """A token that is good for an hour after 2026, unless told otherwise."""
        good = {"iss": self.name, "aud": "shop", "sub": "ada", "exp": 4_000_000_000}
        merged = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return jwt.encode(merged, self.key, algorithm="EdDSA", headers={"kid": self.kid})


Start = Callable[..., Running]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts gateways, and ends them with the session."""
    running: list[Running] = []

    def start_one(gateway: Gateway, services: Mapping[str, Service], *, files: GatewayFiles | None = None) -> Running:
        if files is None:
            files = GatewayFiles(tmp_path_factory.mktemp("gateway"))
        versions = files.write(gateway, {name: [service.endpoint] for name, service in services.items()})
        log = files.directory / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(command(files.bootstrap, workers=1), stdout=output, stderr=output)
        admin = Admin(files.admin)
        found = Running(files, admin, process, log, Endpoint("", 0), versions, dict(services))
        running.append(found)
        found.endpoint = asyncio.run(admin.ready())[0]
        return found

    yield start_one
    for each in running:
        each.stop()


@pytest.fixture(scope="session")
def auth() -> Issuer:
    """The auth service's key, which Envoy fetches."""
    return Issuer("shop-auth", "auth-1")


@pytest.fixture(scope="session")
def operator() -> Issuer:
    """The operator's key, which stands in the configuration."""
    return Issuer("operator", "operator-1")


def route(method: str, path: str, service: str = "catalog", **more: Any) -> Route:
    """A public route unless told."""
    operation = more.pop("operation", "operation")
    return Route(service=service, operation=operation, method=method, path=path, **{"access": "public", **more})


ROUTES = (
    route("GET", "/products"),
    route("GET", "/products/{sku}"),
    route("GET", "/products/search", "search"),
    route("PUT", "/products/{sku}"),
    route("GET", "/products/{sku}/reviews/{review}", "search"),
    route(
        "GET", "/a-path-with-a-name-of-more-than-a-hundred-characters/for-which-no-regular-expression/is-too-long/{x}"
    ),
    route("GET", "/cart", "search"),
    route("POST", "/cart"),
    route("GET", "/marks/~!$&'()*+,;=:@-._"),
    route("GET", "/mine", access="token"),
    route("POST", "/orders", access="token"),
    route("GET", "/cut"),
    route("POST", "/cut"),
    route("GET", "/slow", timeout_s=0.05),
    route("GET", "/events", stream=True, timeout_s=0.05),
    route("POST", "/upload"),
    route("POST", "/unwanted"),
    route("GET", "/nowhere", "nowhere"),
)


@pytest.fixture
def replica() -> Iterator[Callable[[str], Service]]:
    """Starts replicas for one test."""
    found: list[Service] = []

    def start_one(name: str) -> Service:
        found.append(Service(name))
        return found[-1]

    yield start_one
    for each in found:
        each.stop()


@pytest.fixture(scope="session")
def services(auth: Issuer) -> Iterator[dict[str, Service]]:
    """The services behind the session's gateway; ``nowhere`` is declared and has no replica."""
    found = {"catalog": Service("catalog"), "search": Service("search"), "auth": Service("auth", auth.jwks)}
    yield found
    for service in found.values():
        service.release.set()
        service.stop()


@pytest.fixture(scope="session")
def rules(auth: Issuer, operator: Issuer) -> tuple[JwtRule, ...]:
    """Two issuers, one of each kind."""
    return (
        JwtRule(issuer=auth.name, audience="shop", keys=RemoteKeys(service="auth")),
        JwtRule(issuer=operator.name, audience="shop", keys=InlineKeys(operator.jwks)),
    )


@pytest.fixture(scope="session")
def shared_gateway(start: Start, services: dict[str, Service], rules: tuple[JwtRule, ...]) -> Running:
    """The session's gateway."""
    return start(Gateway(system="shop", routes=ROUTES, rules=rules, port=0), services)


@pytest.fixture
def gateway(shared_gateway: Running) -> Running:
    """The session's gateway, with services that forgot what they saw."""
    for service in shared_gateway.services.values():
        service.seen.clear()
        service.attempts = 0
        service.release.clear()
    return shared_gateway
