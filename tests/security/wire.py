"""Raw requests to a real supervisord, which has to survive them without a word of an exception."""

from __future__ import annotations

import contextlib
import http.client
import os
import xmlrpc.client
from collections.abc import Iterator

from door import Answer
from real_supervisord import Supervisord
from supervisor.xmlrpc import UnixStreamHTTPConnection


def post(url: str, body: str) -> Answer:
    """What the supervisord at this unix socket answers to this body of an XML-RPC request."""
    connection = UnixStreamHTTPConnection("localhost", timeout=60)
    connection.socketfile = url.removeprefix("unix://")
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


class Witness:
    """Looks whether it is still the same supervisord, which answers as before and has logged no exception."""

    def __init__(self, supervisord: Supervisord) -> None:
        self._supervisord = supervisord
        self._pid = supervisord.rpc.supervisor.getPID()
        self._log = (supervisord.folder / "supervisord.log").open()
        self._log.seek(0, os.SEEK_END)

    def look(self) -> None:
        """Since the last look nothing has happened that should not."""
        rpc = self._supervisord.rpc
        assert rpc.supervisor.getPID() == self._pid
        assert rpc.supervisor.getState()["statename"] == "RUNNING"
        assert rpc.healer.getAPIVersion() == "1.0"
        said = self._log.read()
        assert "Traceback" not in said
        assert "supervisor_healer" not in said

    def close(self) -> None:
        self._log.close()


@contextlib.contextmanager
def unharmed(supervisord: Supervisord) -> Iterator[Witness]:
    """The block does supervisord no harm, and its healer goes on working with it."""
    with contextlib.closing(Witness(supervisord)) as witness:
        yield witness
        witness.look()
        supervisord.settle()
        assert supervisord.rpc.healer.getListenerState()["state"] == "running"
