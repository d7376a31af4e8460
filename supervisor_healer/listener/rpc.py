"""XML-RPC to supervisord over one kept connection: a deadline for each step, and errors that say what to do.

Not `supervisor.childutils.getRPCInterface`: its transport has no timeout, so that one hanging supervisord would
hang the healer with it, and importing it costs 14 MB.
"""

from __future__ import annotations

import base64
import errno
import http.client
import select
import socket
import urllib.parse
import xmlrpc.client
from collections.abc import Mapping
from typing import NamedTuple

from supervisor_healer.errors import ProtocolError, UnreachableError

TIMEOUT = 5.0  # seconds for each step of a call; supervisord answers in milliseconds, or something is wrong

# Supervisor's fault codes (supervisor.xmlrpc.Faults)
_UNKNOWN_METHOD = 1
_SHUTDOWN_STATE = 6

_HELP_SECTIONS = {
    "healer": "[rpcinterface:healer] with supervisor.rpcinterface_factory ="
    " supervisor_healer.supervisord:make_healer_rpcinterface",
    "supervisor": "[rpcinterface:supervisor] with supervisor.rpcinterface_factory ="
    " supervisor_healer.supervisord:make_main_rpcinterface",
}
_HELP_SERVER = "supervisord needs a [unix_http_server] or [inet_http_server] section"
_HELP_PASSWORD = (
    'add environment=SUPERVISOR_USERNAME="...",SUPERVISOR_PASSWORD="..." to the [eventlistener] section:'  # nosec B105
    " Supervisor passes a listener the address of its server, not the password"
)
_HELP_SOCKET_MODE = (
    "a listener with user= cannot use the default 0700 socket: set chmod=0770 and chown=root:GROUP in"
    " [unix_http_server], GROUP being one of that user's, or use [inet_http_server]"
)


class ShuttingDownError(UnreachableError):
    """supervisord is shutting down or reloading, and takes no calls any more."""


class RefusedError(UnreachableError):
    """supervisord answered with a fault; `code` is one of supervisor.xmlrpc.Faults."""

    def __init__(self, method: str, fault: xmlrpc.client.Fault) -> None:
        super().__init__(f"supervisord refused {method}: {fault.faultString} (fault {fault.faultCode})")
        self.code = fault.faultCode


class Channel:
    """One connection to supervisord, opened by the first call and replaced when it is lost.

    `call` raises UnreachableError when there is no answer, its subclass ShuttingDownError while supervisord shuts
    down, its subclass RefusedError for a fault, and ProtocolError for an answer that makes no sense.
    """

    def __init__(self, environ: Mapping[str, str], timeout: float = TIMEOUT) -> None:
        """Take address and credentials from `environ`, where supervisord puts the former and the admin the latter.

        `timeout` is in seconds. Nothing is connected yet. Raises UnreachableError when there is no usable address.
        """
        self.url = environ.get("SUPERVISOR_SERVER_URL", "")
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None
        self._address = _parse_url(self.url)
        self._headers = {"Content-Type": "text/xml", "Accept": "text/xml", "User-Agent": "supervisor_healer"}
        user, password = environ.get("SUPERVISOR_USERNAME", ""), environ.get("SUPERVISOR_PASSWORD", "")
        self._has_password = bool(user or password)
        if self._has_password:
            token = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
            self._headers["Authorization"] = f"Basic {token}"

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, method: str, *params: str, may_repeat: bool = True) -> object:
        """The value that ``namespace.method`` returns for `params`. For `may_repeat` see `_exchange`."""
        body = xmlrpc.client.dumps(params, method, encoding="utf-8").encode("utf-8")
        status, reason, answer = self._exchange(method, body, may_repeat)
        if status == http.HTTPStatus.UNAUTHORIZED:
            what = "does not accept the name and password given" if self._has_password else "asks for a password"
            raise UnreachableError(f"supervisord at {self.url} {what}: {_HELP_PASSWORD}")
        if status != http.HTTPStatus.OK:
            raise UnreachableError(f"supervisord at {self.url} answered {method} with {status} {reason}")
        try:
            values, _ = xmlrpc.client.loads(answer)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == _SHUTDOWN_STATE:
                raise ShuttingDownError("supervisord is shutting down") from fault
            if fault.faultCode == _UNKNOWN_METHOD:
                raise UnreachableError(_no_such_method(method)) from fault
            raise RefusedError(method, fault) from fault
        except Exception as error:  # the parser raises whatever expat and the converters do
            raise ProtocolError(f"{method}: the answer is not XML-RPC: {error}") from error
        return values[0] if len(values) == 1 else None

    def _exchange(self, method: str, body: bytes, may_repeat: bool) -> tuple[int, str, bytes]:
        """Send one request and read its answer; a connection that was lost meanwhile is replaced, once.

        supervisord closes connections that are half an hour old, so a kept one may be gone. Normally that is seen
        before anything is sent. If it breaks *after* that, supervisord may have acted and died before answering,
        and the call is sent again only if a repetition cannot do harm (`may_repeat`): a publication says the same
        twice, requests stay open until they are done, and a stop names the pid that it means. A start does not:
        the worker may have been started, crashed, and be started once more, uncounted.
        """
        reused = self._is_open()
        try:
            return self._send(body)
        except (http.client.BadStatusLine, BrokenPipeError, ConnectionResetError) as error:
            # RemoteDisconnected, the usual sight of a dropped connection, is a BadStatusLine
            self.close()
            if not (reused and may_repeat):
                raise UnreachableError(f"supervisord at {self.url} hung up on {method}") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(method, error) from error
        try:
            return self._send(body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(method, error) from error

    def _send(self, body: bytes) -> tuple[int, str, bytes]:
        if self._connection is None:
            self._connection = _Connection(self._address, self._timeout)
            self._connection.connect()
        connection = self._connection
        connection.request("POST", "/RPC2", body, self._headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != http.HTTPStatus.OK:
            self.close()  # medusa leaves the rest of a refused request in the stream
        return response.status, response.reason, answer

    def _is_open(self) -> bool:
        """Whether there is a connection that can still be used; one that supervisord has closed is given up.

        Between two calls nothing may arrive. If the socket is readable all the same, it is the end of the stream.
        """
        connection = self._connection
        if connection is None or connection.sock is None:
            self.close()
            return False
        poller = select.poll()
        poller.register(connection.sock, select.POLLIN)
        if poller.poll(0):
            self.close()
            return False
        return True

    def _unreachable(self, method: str, error: Exception) -> UnreachableError:
        """What went wrong with the connection, and what to do about it."""
        where = f"supervisord at {self.url}"
        number = error.errno if isinstance(error, OSError) else None
        if isinstance(error, TimeoutError):
            return UnreachableError(f"{where} did not answer {method} within {self._timeout:g}s: it is busy or hanging")
        if number == errno.ENOENT:
            return UnreachableError(f"{where}: no such socket; is it running, and was the socket removed meanwhile?")
        if number in {errno.EACCES, errno.EPERM}:
            return UnreachableError(f"{where}: permission denied; {_HELP_SOCKET_MODE}")
        if number == errno.ECONNREFUSED:
            return UnreachableError(f"{where}: connection refused; nothing listens there any more")
        return UnreachableError(f"{where}: {method}: {error or type(error).__name__}")


# --- the connection ------------------------------------------------------------------------------------------


class _Address(NamedTuple):
    path: str  # of a unix socket, or ''
    host: str
    port: int


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix or inet socket, with a timeout on each connect, send and receive."""

    def __init__(self, address: _Address, timeout: float) -> None:
        super().__init__(address.host, address.port, timeout=timeout)
        self._path = address.path

    def connect(self) -> None:
        """Open the socket. Raises OSError."""
        if not self._path:
            super().connect()
            return
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(self.timeout)
            sock.connect(self._path)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


def _parse_url(url: str) -> _Address:
    if not url:
        raise UnreachableError(f"no SUPERVISOR_SERVER_URL in the environment: {_HELP_SERVER}")
    if url.startswith("unix://") and len(url) > len("unix://"):
        return _Address(url.removeprefix("unix://"), "localhost", 80)
    try:
        parsed = urllib.parse.urlsplit(url)
        host, port = parsed.hostname, parsed.port
    except ValueError as error:
        raise UnreachableError(f"SUPERVISOR_SERVER_URL={url} is not an address: {error}") from error
    if parsed.scheme != "http" or not host:
        raise UnreachableError(
            f"SUPERVISOR_SERVER_URL={url} is not an address (expected unix:///PATH or http://HOST:PORT)"
        )
    return _Address("", host, port or 80)


def _no_such_method(method: str) -> str:
    namespace = method.partition(".")[0]
    return f"supervisord knows no {method}: its configuration needs {_HELP_SECTIONS[namespace]}"
