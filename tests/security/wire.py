"""Raw requests to a real supervisord, which has to survive them without a word of an exception."""

from __future__ import annotations

import contextlib
import http.client
import xmlrpc.client
from collections.abc import Iterator

from door import Answer
from real_supervisord import Supervisord
from supervisor.xmlrpc import UnixStreamHTTPConnection


def post(supervisord: Supervisord, body: str) -> Answer:
    """What supervisord answers to this body of an XML-RPC request."""
    connection = UnixStreamHTTPConnection("localhost", timeout=60)
    connection.socketfile = supervisord.url.removeprefix("unix://")
    try:
        connection.request("POST", "/RPC2", body.encode(errors="replace"))
        response = connection.getresponse()
        if response.status != http.client.OK:
            return Answer(response.status)
        (value,), _ = xmlrpc.client.loads(response.read())
        return Answer(http.client.OK, value)
    except xmlrpc.client.Fault as fault:
        return Answer(http.client.OK, fault=fault)
    finally:
        connection.close()


@contextlib.contextmanager
def unharmed(supervisord: Supervisord) -> Iterator[None]:
    """After the block it is the same supervisord, it answers as before, and has logged no exception."""
    pid, before = supervisord.rpc.supervisor.getPID(), len(supervisord.log)
    yield
    said = supervisord.log[before:]
    assert "Traceback" not in said
    assert "supervisor_healer" not in said
    assert supervisord.rpc.supervisor.getState()["statename"] == "RUNNING"
    assert supervisord.rpc.supervisor.getPID() == pid
    supervisord.settle()
    assert supervisord.rpc.healer.getListenerState()["state"] == "running"
