"""Calls to supervisord: what goes over the wire, what is made of every kind of trouble, and the real supervisord."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.client import AskingClient, Sighting
from real_supervisor import PLAIN_RPC, RealSupervisor, program, until

from supervisor_healer import protocol
from supervisor_healer.core.model import Process, ProcessState
from supervisor_healer.errors import ProtocolError, UnreachableError
from supervisor_healer.listener.rpc import RefusedError, ShuttingDownError
from supervisor_healer.listener.supervisor_client import row_to_process

# --- a supervisord that does as it is told --------------------------------------------------------------------

DROP = "drop the connection without an answer"
HANG = "never answer"


def xml(value: Any) -> bytes:
    return xmlrpc.client.dumps((value,), methodresponse=True).encode()


def ours(body: object) -> bytes:
    return xml(protocol.encode(body))


def fault(code: int, text: str = "OH NO") -> bytes:
    return xmlrpc.client.dumps(xmlrpc.client.Fault(code, text), methodresponse=True).encode()


class Scripted:
    """Answers requests on a unix socket, one step of the script each, and keeps what it was asked."""

    def __init__(self, *script: bytes | str, hang_up_after: int = 0) -> None:
        self.script = list(script)
        self.hang_up_after = hang_up_after  # requests on one connection, 0: never
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.headers: list[str] = []
        self.connections = 0
        self.folder = tempfile.mkdtemp(prefix="hl-")
        self.path = f"{self.folder}/s"
        self.done = threading.Event()
        self.hung_up = threading.Event()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self.path)
        self._server.listen(5)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        self._server.close()
        os.unlink(self.path)
        os.rmdir(self.folder)

    def client(self, timeout: float = 20.0, **environ: str) -> contextlib.closing[AskingClient]:
        environ = {"SUPERVISOR_SERVER_URL": f"unix://{self.path}", **environ}
        return contextlib.closing(AskingClient(environ, timeout=timeout))

    def _serve(self) -> None:
        while not self.done.is_set():
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self.hung_up.clear()
            with connection, connection.makefile("rb") as stream:
                count = 0
                while self._one(connection, stream):
                    count += 1
                    if count == self.hang_up_after:
                        break
            self.hung_up.set()

    def _one(self, connection: socket.socket, stream: Any) -> bool:
        try:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = stream.readline()
                if not line:
                    return False
                head += line
            length = int(head.lower().split(b"content-length:")[1].split()[0])
            params, method = xmlrpc.client.loads(stream.read(length))
            self.headers.append(head.decode())
            self.calls.append((str(method), params))
            step = self.script.pop(0)
            if step is DROP:
                return False
            if step is HANG:
                self.done.wait(60)
                return False
            assert isinstance(step, bytes)
            if not step.startswith(b"HTTP/"):
                step = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(step) + step
            connection.sendall(step)
            return True
        except OSError:
            return False


RUNNING = xml({"statecode": 1, "statename": "RUNNING"})
ROW: protocol.ProcessRow = {
    "group": "g", "name": "w", "statename": "RUNNING", "pid": 7, "start": 1.5, "autorestart": "never",
    "exitcodes": [0, 2], "exitstatus": -1, "by_operator": False, "listener": False,
}  # fmt: skip
REQUEST: protocol.WireRequest = {
    "id": "heal-1", "verb": "heal", "name": "wörker", "dry_run": False, "force": True, "seconds": 0.0,
}  # fmt: skip
ANSWER: protocol.OrderAnswer = {"outcome": "accepted", "reason": "", "statename": "STOPPING", "pid": 7}
NEWS: protocol.Publication = {
    "listener": {
        "pid": 1, "started": 1.0, "mode": "heal", "architecture": "a.yaml", "architecture_errors": [],
        "warnings": [], "loaded": True, "restarts_left": 5,
    },
    "full": False, "workers": [], "gone": [], "consumers": [], "files": [], "files_gone": [],
    "ages": {}, "history": [], "requests": [], "report": {},
}  # fmt: skip


def test_every_call() -> None:
    with (
        Scripted(
            ours({"requests": 2, "generation": 5, "budget_left": {"wa": 2}}),
            ours([REQUEST]),
            ours([ROW, ROW]),
            ours(ANSWER),
            ours(ANSWER),
            RUNNING,
        ) as server,
        server.client() as client,
    ):
        assert client.publish(NEWS) == {"requests": 2, "generation": 5, "budget_left": {"wa": 2}}
        assert client.take_requests() == [REQUEST]
        assert client.process_table() == [ROW, ROW]
        assert client.stop_worker("g:w", 7) == ANSWER
        assert client.start_worker("g:ü") == ANSWER
        assert client.state() == "RUNNING"
        assert server.connections == 1
        sent = [(method, *(json.loads(text) for text in params)) for method, params in server.calls]
    assert sent == [
        ("healer.publish", {"version": protocol.VERSION, "body": NEWS}),
        ("healer.takeRequests",),
        ("healer.getProcessTable",),
        ("healer.stopWorker", {"version": protocol.VERSION, "body": {"address": "g:w", "pid": 7}}),
        ("healer.startWorker", {"version": protocol.VERSION, "body": {"address": "g:ü", "pid": 0}}),
        ("supervisor.getState",),
    ]
    assert "Authorization" not in server.headers[0]


def test_credentials() -> None:
    with (
        Scripted(RUNNING) as server,
        server.client(SUPERVISOR_USERNAME="u", SUPERVISOR_PASSWORD="pä:ß" + "x" * 99) as client,
    ):
        client.state()
    (line,) = [line for line in server.headers[0].splitlines() if line.startswith("Authorization: Basic ")]
    assert len(line) > 120


def test_one_process() -> None:
    info = {"statename": "FATAL", "pid": 0, "start": 1720000000, "spawnerr": "no such file", "exitstatus": 0}
    with Scripted(xml(info), fault(10, "BAD_NAME: x"), fault(30, "FAILED: y")) as server, server.client() as client:
        assert client.process("g:w") == Sighting("FATAL", 0, 1720000000.0, "no such file")
        assert client.process("g:w") is None
        with pytest.raises(RefusedError, match=r"refused supervisor.getProcessInfo: FAILED: y \(fault 30\)"):
            client.process("g:w")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"no xml at all", "not XML-RPC"),
        (xml("{"), "healer.getProcessTable: not JSON"),
        (xml(5), "expected a JSON string, got int"),
        (xml(json.dumps({"version": 99, "body": []})), f"protocol version 99, expected {protocol.VERSION}"),
        (ours({}), "expected a list of ProcessRow, got {}"),
        (ours([5]), "expected an object of ProcessRow, got 5"),
        (ours([{**ROW, "pid": "7"}]), "ProcessRow.pid: expected int, got '7'"),
        (ours([{**ROW, "pid": True}]), "ProcessRow.pid: expected int, got True"),
        (ours([{**ROW, "start": None}]), "ProcessRow.start: expected float, got None"),
        (ours([{**ROW, "exitcodes": [0, "x" * 999]}]), "ProcessRow.exitcodes: expected int, got 'xxx"),
        (ours([{**ROW, "start": 10**400}]), "ProcessRow.start: expected float, got 1000"),
        (xml(json.dumps({"version": "9" * 1000, "body": []})), "protocol version str, expected"),
        (xml(json.dumps({"version": ["x" * 1000], "body": []})), "protocol version list, expected"),
        (xml(" " * protocol.MESSAGE_MAX + "{"), "a message of 16777217 characters"),
        (ours([{**ROW, "exitcodes": 0}]), "ProcessRow.exitcodes: expected"),
        (ours([{**ROW, "by_operator": 1}]), "ProcessRow.by_operator: expected bool, got 1"),
        (ours([{key: value for key, value in ROW.items() if key != "group"}]), "ProcessRow without 'group'"),
    ],
)
def test_answers_that_make_no_sense(answer: bytes, text: str) -> None:
    with Scripted(answer, RUNNING) as server, server.client() as client:
        with pytest.raises(ProtocolError) as caught:
            client.process_table()
        assert text in str(caught.value)
        assert len(str(caught.value)) < 400
        assert client.state() == "RUNNING"


def test_numbers_and_more_keys() -> None:
    with Scripted(ours([{**ROW, "start": 0, "new": "key"}])) as server, server.client() as client:
        (row,) = client.process_table()
    assert row == {**ROW, "start": 0.0}
    assert isinstance(row["start"], float)


# --- lost connections ----------------------------------------------------------------------------------------


def test_a_connection_that_was_closed_meanwhile() -> None:
    """Seen before anything is sent, so that even a start goes through."""
    with Scripted(RUNNING, ours(ANSWER), RUNNING, hang_up_after=1) as server, server.client() as client:
        client.state()
        assert server.hung_up.wait(20)
        assert client.start_worker("g:w") == ANSWER
        assert server.hung_up.wait(20)
        client.state()
        assert server.connections == 3
        assert len(server.calls) == 3


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (lambda client: client.process_table(), [ROW]),
        (lambda client: client.stop_worker("g:w", 7), ANSWER),
        (lambda client: client.take_requests(), [REQUEST]),
        (lambda client: client.publish(NEWS), {"requests": 0, "generation": 0, "budget_left": {}}),
    ],
)
def test_a_connection_that_breaks_in_a_call(call: Callable[[AskingClient], object], answer: object) -> None:
    with Scripted(RUNNING, DROP, ours(answer)) as server, server.client() as client:
        client.state()
        assert call(client) == answer
        assert server.calls[1] == server.calls[2]


def test_a_start_is_not_sent_twice() -> None:
    """It may have started the worker, which may have crashed since."""
    with Scripted(RUNNING, DROP, ours(ANSWER)) as server, server.client() as client:
        client.state()
        with pytest.raises(UnreachableError, match=r"hung up on healer\.startWorker"):
            client.start_worker("g:w")
        assert len(server.calls) == 2
        assert client.start_worker("g:w") == ANSWER


def test_a_connection_that_breaks_again_and_again() -> None:
    with Scripted(RUNNING, DROP, DROP, DROP) as server, server.client() as client:
        client.state()
        with pytest.raises(UnreachableError, match=r"supervisor.getState"):
            client.state()
        assert len(server.calls) == 3
        with pytest.raises(UnreachableError, match="hung up"):  # a new connection is not tried twice
            client.state()


def test_no_answer_in_time() -> None:
    with Scripted(HANG) as server, server.client(timeout=0.2) as client:
        begun = time.monotonic()
        with pytest.raises(UnreachableError, match=r"did not answer supervisor.getState within 0.2s"):
            client.state()
        assert time.monotonic() - begun < 10


# --- trouble, and what to do about it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("", "no SUPERVISOR_SERVER_URL in the environment: supervisord needs a [unix_http_server]"),
        ("unix://", "is not an address"),
        ("https://localhost:1", "is not an address (expected unix:///PATH or http://HOST:PORT)"),
        ("http://", "is not an address"),
        ("http://h:port", "is not an address"),
        ("nonsense", "is not an address"),
    ],
)
def test_no_address(url: str, text: str) -> None:
    with pytest.raises(UnreachableError) as caught:
        AskingClient({"SUPERVISOR_SERVER_URL": url} if url else {})
    assert text in str(caught.value)


def test_nobody_there(tmp_path: Path) -> None:
    with contextlib.closing(AskingClient({"SUPERVISOR_SERVER_URL": f"unix://{tmp_path}/gone"})) as client:
        with pytest.raises(UnreachableError, match="no such socket"):
            client.state()
        with pytest.raises(UnreachableError, match="no such socket"):
            client.state()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with (
            contextlib.closing(AskingClient({"SUPERVISOR_SERVER_URL": url})) as client,
            pytest.raises(UnreachableError, match="connection refused"),
        ):
            client.state()


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (fault(6, "SHUTDOWN_STATE"), ShuttingDownError, "shutting down"),
        (fault(1, "UNKNOWN_METHOD"), UnreachableError, "[rpcinterface:healer]"),
        (fault(2, "INCORRECT_PARAMETERS: pid: expected"), RefusedError, "pid: expected"),
        (
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
            UnreachableError,
            'environment=SUPERVISOR_USERNAME="',
        ),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno", UnreachableError, "500 Internal"),
        (b"HTTP/9 200 ok\r\n\r\n", UnreachableError, "healer.getProcessTable"),
        (b"HTTP/nonsense\r\n\r\n", UnreachableError, "hung up on healer.getProcessTable"),
    ],
)
def test_refusals(answer: bytes, kind: type[Exception], text: str) -> None:
    with Scripted(answer) as server, server.client() as client:
        with pytest.raises(kind) as caught:
            client.process_table()
        assert text in str(caught.value)


@pytest.fixture(scope="module")
def guarded() -> Iterator[RealSupervisor]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with RealSupervisor(program("w", startsecs=0), rpc=PLAIN_RPC, password="pass:wörd", inet=port) as real:
        real.environ["INET"] = f"http://127.0.0.1:{port}"
        yield real


@pytest.mark.real
def test_real_password(guarded: RealSupervisor) -> None:
    url = guarded.environ["SUPERVISOR_SERVER_URL"]
    with contextlib.closing(AskingClient({"SUPERVISOR_SERVER_URL": url})) as client:
        for _ in range(2):
            with pytest.raises(UnreachableError, match=r"asks for a password: add environment=SUPERVISOR_USERNAME="):
                client.state()
    wrong = {**guarded.environ, "SUPERVISOR_PASSWORD": "wrong"}
    with (
        contextlib.closing(AskingClient(wrong)) as client,
        pytest.raises(UnreachableError, match="does not accept"),
    ):
        client.state()
    inet = {**guarded.environ, "SUPERVISOR_SERVER_URL": guarded.environ["INET"]}
    with contextlib.closing(AskingClient(inet)) as client:
        assert client.state() == "RUNNING"
        assert client.process("w:w") == guarded.client.process("w:w")
    with pytest.raises(UnreachableError, match=r"knows no healer.getProcessTable: .*\[rpcinterface:healer\]"):
        guarded.client.process_table()
    assert guarded.client.process("w") is not None
    assert guarded.client.process("no:body") is None


AS_NOBODY = """
import os, sys
from supervisor_healer.errors import UnreachableError
from supervisor_healer.listener.supervisor_client import SupervisorClient
client = SupervisorClient({"SUPERVISOR_SERVER_URL": sys.argv[1]})
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    client.process_table()
except UnreachableError as error:
    print(error)
"""


@pytest.mark.real
def test_real_socket_of_another_user(guarded: RealSupervisor) -> None:
    if os.getuid():
        pytest.skip("only root can become another user")
    guarded.folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, guarded.environ["SUPERVISOR_SERVER_URL"]],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "permission denied; a listener with user= cannot use the default 0700 socket: set chmod=" in done.stdout


@pytest.mark.real
def test_real_end() -> None:
    with RealSupervisor(program("slow", stop_delay=600, startsecs=0, stopwaitsecs=600), rpc=PLAIN_RPC) as real:
        real.rpc.supervisor.startProcess("slow")
        until(lambda: real.ready_pid("slow"), "the worker is up")
        real.rpc.supervisor.shutdown()
        with pytest.raises(ShuttingDownError):
            real.client.state()
        with pytest.raises(UnreachableError):  # in our namespace, too, once it is there
            real.client.process_table()


# --- the words of the core -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, {}),
        ({"statename": "STARTING"}, {"state": ProcessState.STARTING}),
        ({"statename": "BACKOFF", "pid": 0}, {"state": ProcessState.BACKOFF, "pid": 0, "restarts_itself": True}),
        ({"statename": "FATAL", "autorestart": "always"}, {"state": ProcessState.FATAL}),
        ({"statename": "STOPPED", "by_operator": True}, {"state": ProcessState.STOPPED, "by_operator": True}),
        ({"statename": "STOPPED", "exitstatus": 0}, {"state": ProcessState.STOPPED}),
        (  # just added, with autostart: supervisord starts it within a second
            {"statename": "STOPPED", "start": 0.0, "pid": 0},
            {"state": ProcessState.STOPPED, "start": 0.0, "pid": 0, "restarts_itself": True},
        ),
        (
            {"statename": "STOPPED", "start": 0.0, "pid": 0, "by_operator": True},
            {"state": ProcessState.STOPPED, "start": 0.0, "pid": 0, "by_operator": True},
        ),
        ({"statename": "EXITED", "exitstatus": 0}, {"state": ProcessState.EXITED, "exited_well": True}),
        ({"statename": "EXITED", "exitstatus": 2}, {"state": ProcessState.EXITED, "exited_well": True}),
        ({"statename": "EXITED", "exitstatus": 1}, {"state": ProcessState.EXITED}),
        (
            {"statename": "EXITED", "exitstatus": 0, "autorestart": "always"},
            {"state": ProcessState.EXITED, "exited_well": True, "restarts_itself": True},
        ),
        (
            {"statename": "EXITED", "exitstatus": 0, "autorestart": "unexpected"},
            {"state": ProcessState.EXITED, "exited_well": True},
        ),
        (
            {"statename": "EXITED", "exitstatus": -1, "autorestart": "unexpected"},
            {"state": ProcessState.EXITED, "restarts_itself": True},
        ),
        ({"statename": "NEW_IN_SUPERVISOR_9"}, {"state": ProcessState.UNKNOWN}),
    ],
)
def test_row_to_process(row: dict[str, Any], expected: dict[str, Any]) -> None:
    found = row_to_process({**ROW, **row})  # type: ignore[typeddict-item]
    assert found == Process(**{"address": "g:w", "state": ProcessState.RUNNING, "pid": 7, "start": 1.5, **expected})
