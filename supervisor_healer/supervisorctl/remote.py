"""The healer's commands without supervisorctl: for a server given by its URL, or by a configuration file.

(supervisorctl loads no plugin when it is given only `-s`.)
"""

from __future__ import annotations

import os
import sys
import xmlrpc.client
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

from supervisor.options import ClientOptions
from supervisor.xmlrpc import SupervisorTransport

from supervisor_healer.supervisorctl import session
from supervisor_healer.supervisorctl.parsing import HelpAsked, Parser, UsageError, help_text
from supervisor_healer.supervisorctl.typed import Typed, plain, with_console_script
from supervisor_healer.terminal import say


class Address(NamedTuple):
    """Where a supervisord is reached, and as whom."""

    url: str
    username: str | None
    password: str | None


class _Options(ClientOptions):  # type: ignore[misc] # it has no types
    """supervisorctl's own reading of its configuration, that raises where supervisorctl exits."""

    def usage(self, msg: str) -> NoReturn:
        """Raise UsageError: there is no configuration, or it does not say where the server is."""
        raise UsageError(str(msg).removeprefix("Error: "))


def main(command: str, words: list[str]) -> int:
    """Run one of the healer's commands: connection options may stand anywhere among its arguments."""
    try:
        address, rest, typed = _address(command, words)
    except HelpAsked as asked:
        _say(str(asked))
        return 0
    except UsageError as error:
        _complain(str(error))
        return session.usage_status(command)
    try:
        return session.execute(command, rest, lambda: proxy(address), address.url, _say, _complain, typed)
    except xmlrpc.client.ProtocolError:
        _complain(
            f"ERROR: {address.url} requires authentication: give -u and -p, or the environment variables"
            " SUPERVISOR_USERNAME and SUPERVISOR_PASSWORD, or -c with the configuration"
        )
        return session.unreachable(command)


def proxy(address: Address) -> Any:
    """An XML-RPC proxy of this server. Nothing is connected yet."""
    transport = SupervisorTransport(address.username, address.password, address.url)
    # ServerProxy takes no unix: URL; Supervisor's transport knows the real one
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)


def configured(configuration: str) -> Address:
    """The server of a configuration's [supervisorctl] section; '' looks for it where supervisorctl does.

    Raises UsageError if it cannot be read: supervisorctl, too, calls that bad usage.
    """
    options = _Options()
    try:
        options.realize(["-c", configuration, "status"] if configuration else ["status"], doc="")
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error
    return Address(str(options.serverurl), options.username or None, options.password or None)


def _address(command: str, words: list[str]) -> tuple[Address, list[str], Typed]:
    """The address that the options among `words` give, the other words, and how a command for it is typed."""
    parser = Parser(prog=command, add_help=False, allow_abbrev=False)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("-s", "--serverurl", default="")
    where.add_argument("-c", "--configuration", default="")
    parser.add_argument("-u", "--username")
    parser.add_argument("-p", "--password")
    if {"-h", "--help"} & set(words):
        raise HelpAsked(
            f"{help_text(command)}\n\nserver:\n  -s URL [-u USER] [-p PASSWORD]  unix:///path/to.sock or http://host:port;"
            " SUPERVISOR_USERNAME\n                                  and SUPERVISOR_PASSWORD in the environment do, too"
            "\n  -c CONF                         the configuration whose [supervisorctl] section says where"
        )
    args, rest = parser.parse_known_args(words)
    try:
        found = Address(_url(args.serverurl), None, None) if args.serverurl else configured(args.configuration)
    except UsageError as error:
        option = "-s: " if args.serverurl else "-c: " if args.configuration else ""
        raise UsageError(f"{command}: {option}{error}") from error
    username = args.username or found.username or os.environ.get("SUPERVISOR_USERNAME")
    password = args.password or found.password or os.environ.get("SUPERVISOR_PASSWORD")
    typed: Typed = plain
    if args.serverurl:
        typed = with_console_script("-s", found.url)
    elif args.configuration:
        typed = with_console_script("-c", os.path.abspath(args.configuration))
    return Address(found.url, username, password), rest, typed


def _url(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for what is no number
        good = bool(parts.hostname) if parts.scheme == "http" else url.startswith("unix:///")
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"{url!r} is not a server (expected unix:///path/to.sock or http://host:port)")
    return url


def _say(text: str) -> None:
    say(text, sys.stdout)


def _complain(text: str) -> None:
    say(text, sys.stderr)
