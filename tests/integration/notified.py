"""What tests of notifications stand on: real receivers on loopback for webhooks and mail, and a clock that is moved."""

from __future__ import annotations

import email
import email.policy
import http.server
import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import timezone

from imweb.configuration import store
from imweb.notifications import delivering, following
from imweb.notifications.models import Delivery
from imweb.notifications.rules import RULES

SECRET = "a secret of the tests, long enough"
VARIABLE = "IM_NOTIFY_SECRET_TEST"
Json = dict[str, Any]


@dataclass(slots=True)
class Received:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        """Return the payload."""
        found: Json = json.loads(self.body)
        return found


@dataclass(slots=True)
class Receiver:
    """A receiver of webhooks; `behave` answers each request, by default with 204."""

    url: str = ""
    got: list[Received] = field(default_factory=list)
    behave: Callable[[http.server.BaseHTTPRequestHandler], None] | None = None


@contextmanager
def receiver(tls: Path | None = None, host: str = "127.0.0.1") -> Iterator[Receiver]:
    """Give a real HTTP server on a free port of loopback; with TLS by the key and certificate in a folder."""
    found = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            if found.behave:
                found.behave(self)
            else:
                answer(204)(self)

        def log_message(self, *_args: Any) -> None:
            return

    class Server(http.server.ThreadingHTTPServer):
        # A receiver that hangs must not hold up the end of its test.
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_args: Any) -> None:
            return

    with Server((host, 0), Handler) as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls / "receiver.pem", tls / "receiver.key")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        found.url = f"{'https' if tls else 'http'}://{host}:{server.server_port}/hook"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield found
        server.shutdown()


def certify(folder: Path, host: str) -> Path:
    """Make a key and a certificate for a host, signed by itself; return the file that a caller has to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = timezone.now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    (folder / "receiver.key").write_bytes(private)
    (folder / "receiver.pem").write_bytes(made.public_bytes(encoding))
    return folder / "receiver.pem"


def answer(status: int, body: bytes = b"", **headers: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    """Return a behaviour that answers so."""

    def act(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return act


@contextmanager
def mailbox() -> Iterator[tuple[int, list[EmailMessage]]]:
    """Give the port of a real SMTP server and the messages it took."""
    got: list[EmailMessage] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = []
                    while (part := self.rfile.readline()) not in (b".\r\n", b""):
                        lines.append(part)
                    got.append(email.message_from_bytes(b"".join(lines), policy=email.policy.default))
                self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1], got
        server.shutdown()


def rule(name: str = "hook", **fields: Any) -> None:
    """Define a rule."""
    data = {"name": name, "title": name.title(), "events": ["status"], "channel": "console", "users": ["lead"]}
    if fields.get("channel") == "webhook":
        data |= {"users": [], "secret_env": VARIABLE}
    store.save(RULES, data | fields, by="admin")


def follow() -> int:
    """Read the history as the task does."""
    store.forget()
    return following.follow()


def deliver(name: str = "hook") -> int:
    """Send what is due as the task does."""
    store.forget()
    return delivering.run(name)


def make_due() -> None:
    """Let the time pass that deliveries wait for."""
    Delivery.objects.filter(state__in=Delivery.OPEN).update(next_attempt_at=timezone.now() - timedelta(seconds=1))
