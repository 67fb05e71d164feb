"""One POST to a receiver: to a checked address, bounded in time and size, without following redirects."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any

from imweb.notifications.addresses import Address, Network, Target, permitted, resolve, target_of

MAX_ANSWER = 64 * 1024
EXCERPT = 200
MAX_ADDRESSES = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a try; `final` says that another would end the same, `asked` is the pause wished for (s)."""

    ok: bool
    reason: str = ""
    status: int | None = None
    final: bool = False
    asked: float | None = None


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout: float,
    allowed: Sequence[Network] = (),
    ca_certs: str = "",
) -> Outcome:
    """Send one message; never raises for what a receiver, its name or its certificate does."""
    try:
        target = target_of(url)
    except ValueError as error:
        return Outcome(False, f"the address {error}", final=True)
    deadline = time.monotonic() + timeout
    try:
        found = resolve(target.host, target.port)
    except (OSError, UnicodeError):
        return Outcome(False, f"the name {target.host} cannot be resolved")
    open_to = [address for address in found if permitted(address, allowed)]
    if not open_to:
        return Outcome(False, _refusal(target, found), final=True)
    try:
        with _connect(target, open_to[:MAX_ADDRESSES], deadline, ca_certs) as sock:
            return _exchange(target, sock, body, headers, deadline)
    except TimeoutError:
        return Outcome(False, f"no answer within {timeout:g} seconds")
    except ssl.SSLCertVerificationError as error:
        return Outcome(False, f"the receiver's certificate is refused: {error.verify_message}")
    except _TooLong:
        return Outcome(False, f"the head of the answer is longer than {MAX_ANSWER} bytes")
    except (OSError, http.client.HTTPException) as error:
        return Outcome(False, f"no answer: {type(error).__name__} {error}".strip()[:300])


def _refusal(target: Target, found: Sequence[Address]) -> str:
    shown = ", ".join(str(address) for address in found[:3])
    where = shown if shown == target.host else f"{target.host} is {shown}, which"
    return f"{where} is not open to webhooks: only public addresses and those of IM_NOTIFY_PRIVATE are"


class _TooLong(Exception):
    """More was answered than is read."""


class _Bounded:
    """A socket as http.client uses one, with one deadline over everything and an end to what is read."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> IO[bytes]:
        return io.BufferedReader(_Incoming(self._sock, self._deadline), 4096)

    def close(self) -> None:
        """Leave it open: http.client lets go of a connection before the answer on it has been read."""


class _Incoming(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline, self._room = sock, deadline, MAX_ANSWER

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._room <= 0:
            raise _TooLong
        self._sock.settimeout(_left(self._deadline))
        count = self._sock.recv_into(buffer)
        self._room -= count
        return count


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _connect(target: Target, addresses: Sequence[Address], deadline: float, ca_certs: str) -> socket.socket:
    """Return a connection to the first address that takes one."""
    fault: OSError = OSError("no address")
    for address in addresses:
        try:
            sock = socket.create_connection((str(address), target.port), timeout=_left(deadline))
        except TimeoutError:
            raise
        except OSError as error:
            fault = error
            continue
        if not target.secure:
            return sock
        try:
            sock.settimeout(_left(deadline))
            return _context(ca_certs).wrap_socket(sock, server_hostname=target.host)
        except BaseException:
            sock.close()
            raise
    raise fault


@lru_cache(maxsize=4)
def _context(ca_certs: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_certs or None)


def _exchange(target: Target, sock: socket.socket, body: bytes, headers: Mapping[str, str], deadline: float) -> Outcome:
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = _Bounded(sock, deadline)
    connection.putrequest("POST", target.path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": target.authority, **headers, "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.putheader("Connection", "close")
    connection.endheaders(body)
    answer = connection.getresponse()
    if 200 <= answer.status < 300:
        return Outcome(True, status=answer.status)
    return _failure(answer)


def _failure(answer: http.client.HTTPResponse) -> Outcome:
    status = answer.status
    if 300 <= status < 400:
        reason = f"{status}: the receiver sends us elsewhere, and redirects are not followed; enter the final address"
        return Outcome(False, reason, status, final=True)
    try:
        excerpt = answer.read(EXCERPT).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException, _TooLong):
        excerpt = ""
    reason = f"{status} {answer.reason}: {excerpt}" if excerpt.strip() else f"{status} {answer.reason}"
    wish = answer.headers.get("Retry-After", "").strip()
    asked = float(wish) if status in (429, 503) and wish.isascii() and wish.isdecimal() and len(wish) < 8 else None
    return Outcome(False, reason, status, final=status == 410, asked=asked)
