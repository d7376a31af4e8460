"""One command from its words to its exit status: every failure becomes a line that an operator can act on."""

from __future__ import annotations

import errno
import http.client
import xmlrpc.client
from collections.abc import Callable
from typing import Any
from xml.parsers.expat import ExpatError

from supervisor_healer.protocol import DONE, FAILED, NO_HEALER, USAGE
from supervisor_healer.supervisorctl import commands, statuses
from supervisor_healer.supervisorctl.parsing import HelpAsked, UsageError, parse
from supervisor_healer.supervisorctl.typed import Typed, plain, retyped

Out = Callable[[str], None]

UNAUTHORIZED = 401


def execute(
    command: str,
    words: list[str],
    connect: Callable[[], Any],
    where: str,
    out: Out,
    complain: Out,
    typed: Typed = plain,
) -> int:
    """Run `command` with the words after it against the server that `connect` gives, found at `where`.

    `typed`: how commands that are printed for a person have to be typed here; what is for machines says them plainly.
    Lets nothing through but xmlrpc.client.ProtocolError 401, which a shell may answer by asking for a password.
    """
    try:
        args = parse(command, words)
        return commands.run(command, args, connect(), out if args.json else lambda line: out(retyped(line, typed)))
    except HelpAsked as asked:
        out(str(asked))
        return DONE
    except UsageError as error:
        complain(str(error))
        return usage_status(command)
    except xmlrpc.client.Fault as fault:
        return _fault(command, fault, complain)
    except xmlrpc.client.ProtocolError as error:
        if error.errcode == UNAUTHORIZED:
            raise
        complain(f"ERROR: supervisord at {where} answered {error.errcode} {error.errmsg}: see its log")
        return unreachable(command)
    except KeyboardInterrupt:
        complain("interrupted")
        return statuses.UNKNOWN if command in statuses.MONITORING else FAILED
    except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError) as error:
        complain(f"ERROR: {_connection(where, error)}")
        return unreachable(command)


def usage_status(command: str) -> int:
    """The exit status of a wrong command line: where 2 would mean critical, 3."""
    return statuses.UNKNOWN if command in statuses.MONITORING else USAGE


def unreachable(command: str) -> int:
    """The exit status when there is no supervisord, or no healer's namespace in it."""
    return statuses.UNKNOWN if command in statuses.MONITORING else NO_HEALER


def _fault(command: str, fault: xmlrpc.client.Fault, complain: Out) -> int:
    if fault.faultCode == statuses.UNKNOWN_METHOD:
        complain(
            "ERROR: this supervisord has no `healer` namespace, or that of an older version. It needs the section\n"
            "  [rpcinterface:healer]\n"
            "  supervisor.rpcinterface_factory = supervisor_healer.supervisord:make_healer_rpcinterface\n"
            "(restart supervisord after adding it, and after an upgrade; with supervisor_healer installed beside it)"
        )
        return unreachable(command)
    complain(f"ERROR: {fault.faultString}")
    if command in statuses.MONITORING:
        return statuses.UNKNOWN
    return USAGE if fault.faultCode == statuses.INCORRECT_PARAMETERS else FAILED


def _connection(where: str, error: Exception) -> str:
    """What went wrong on the way, in words."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ECONNREFUSED:
        return f"{where} refused connection: is supervisord running?"
    if number == errno.ENOENT:
        return f"{where}: no such socket: is supervisord running?"
    if number in (errno.EACCES, errno.EPERM):
        return f"{where}: permission denied: the socket's owner or mode (chmod, chown in [unix_http_server]) forbids it"
    if isinstance(error, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
        return f"{where}: supervisord closed the connection: did it shut down?"
    return f"{where}: {error or type(error).__name__}"
