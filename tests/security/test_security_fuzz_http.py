"""Fuzzing what comes as HTTP: raw bytes to the unix socket and the port of a real supervisord with a password."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
from collections.abc import Iterator

import pytest
from fuzzing import Fuzz
from hypothesis import strategies as st
from real_supervisord import Supervisord
from wild import injections, request
from wire import unharmed

pytestmark = pytest.mark.real

PATIENCE = 30.0  # seconds for supervisord to end a conversation whose other side has ended it
PASSWORD = "s3cret"
LOGIN = "Authorization: Basic " + base64.b64encode(f"u:{PASSWORD}".encode()).decode()
CALL = request("healer.getAllWorkerHealth")

PATHS = [
    *("/", "/RPC2", "/RPC2/../RPC2", "/index.html", "/index.html?action=stop&processname=wa", "/?action=refresh"),
    *("/index.html?action=start&processname=%0a", "/index.html?action=restart&processname=wa:*", "/?action=x&action=y"),
    *("/tail.html?processname=wa", "/tail.html?processname=%00", "/tail.html?limit=-1", "/logtail/wa", "/logtail/"),
    *("/logtail/healer/stderr", "/mainlogtail", "/ok.html", "/stylesheets/../../../../etc/passwd", "/images/%2e%2e/x"),
    *("/healer", "/healer/", "/healer/metrics", "/healer/?REQUEST_METHOD=POST", "/%ff%fe", "/%", "/%00", "//", "", "*"),
    *("http://other/RPC2", "/" + "a" * 5000, "/;x=y?z#f", "/\u00e4"),
]
HEADERS = [
    *(f"Content-Length: {size}" for size in ("0", "1", str(len(CALL)), "-1", "-999", "9" * 30, "1e3", "x", "5, 5", "")),
    *(
        "Transfer-Encoding: chunked",
        "Connection: close",
        "Connection: keep-alive",
        "Expect: 100-continue",
        "Range: b=-",
    ),
    *(
        "Authorization: Basic",
        "Authorization: Basic !!!",
        "Authorization: Basic dQ==",
        "Authorization: Digest x",
        LOGIN,
    ),
    *(
        "Authorization: Basic //79",
        "Host: [::1",
        "Host:",
        "Cookie: a=b; ;",
        "If-Modified-Since: never",
        "no colon here",
    ),
    *(": no name", " folded", "X: " + "y" * 5000, "Content-Type: multipart/form-data; boundary="),
]

_lines = st.builds(
    "{} {} HTTP/{}".format,
    st.sampled_from(["GET", "POST", "HEAD", "PUT", "get", "OPTIONS", "\x00", ""]),
    st.one_of(st.sampled_from(PATHS), injections, st.text(max_size=20)),
    st.sampled_from(["1.1", "1.0", "0.9", "2", "", "x"]),
)
_bodies = st.one_of(st.just(CALL.encode()), st.binary(max_size=60), st.just(b"action=stopall"))


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """One to three requests in one stream, in most of which somebody is logged in; and pieces of it put wrong."""
    stream = b""
    for _ in range(draw(st.integers(1, 3))):
        headers = [*draw(st.lists(st.sampled_from(HEADERS), max_size=4))]
        if draw(st.integers(0, 4)):
            headers.append(LOGIN)
        head = "\r\n".join([draw(_lines), *headers, "", ""])
        stream += head.encode(errors="replace") + draw(_bodies)
    for _ in range(draw(st.integers(0, 3))):
        start, length = draw(st.integers(0, len(stream))), draw(st.integers(0, 8))
        stream = stream[:start] + draw(st.binary(max_size=8)) + stream[start + length :]
    return stream


def login(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", *headers, LOGIN, "", ""]).encode() + body


KEPT = (
    b"",
    b"\x00",
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"\xff\xfe\r\n\r\n",
    b"A" * 100_000,
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    *(login("POST /RPC2", f"Content-Length: {size}", body=CALL.encode()) for size in ("0", "-1", "9" * 30, "x", "1e3")),
    login("POST /RPC2", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
    login("POST /RPC2", "Content-Length: 3", body=b"\xff\xfe\xfd"),
    login("GET /", "no colon here"),
    login("GET /logtail/%00"),
    login("GET /tail.html?processname=wa&offset=x&limit=y"),
)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Supervisord]:
    """A supervisord with a port and a password, whose healer has published wa and wb."""
    with Supervisord(inet=21000 + os.getpid() % 19000, password=PASSWORD) as own:
        own.settle()
        yield own


def say(family: socket.AddressFamily, address: str | tuple[str, int], data: bytes) -> bytes:
    """What supervisord answers to these bytes until it ends the conversation, which we have ended."""
    heard = b""
    with socket.socket(family) as talk:
        talk.settimeout(PATIENCE)
        talk.connect(address)
        with contextlib.suppress(ConnectionError):
            talk.sendall(data)
        with contextlib.suppress(OSError):  # it has hung up already
            talk.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while more := talk.recv(65536):
                heard += more
    return heard


def port(supervisord: Supervisord) -> tuple[str, int]:
    (line,) = [line for line in supervisord.conf.read_text().splitlines() if line.startswith("port=")]
    host, _, number = line.removeprefix("port=").partition(":")
    return host, int(number)


def test_fuzz_http_unix(guarded: Supervisord, fuzz: Fuzz) -> None:
    with unharmed(guarded) as witness:

        def check(stream: bytes) -> None:
            say(socket.AF_UNIX, guarded.url.removeprefix("unix://"), stream)
            witness.look()

        fuzz(check, conversations(), KEPT)


def test_fuzz_http_port(guarded: Supervisord, fuzz: Fuzz) -> None:
    with unharmed(guarded) as witness:

        def check(stream: bytes) -> None:
            say(socket.AF_INET, port(guarded), stream)
            witness.look()

        fuzz(check, st.one_of(conversations(), st.binary(max_size=200)), KEPT)


def test_who_is_logged_in_is_heard_and_nobody_else(guarded: Supervisord) -> None:
    """Else the fuzzers above would fuzz a closed door."""
    for sent, answer in ((LOGIN, b"200 OK"), ("Authorization: Basic dTp1", b"401 Unauthorized"), ("X: y", b"401")):
        head = ["POST /RPC2 HTTP/1.1", f"Content-Length: {len(CALL)}", "Connection: close", sent, "", ""]
        with socket.create_connection(port(guarded), PATIENCE) as talk:
            talk.sendall("\r\n".join(head).encode() + CALL.encode())
            assert answer in talk.recv(65536)
