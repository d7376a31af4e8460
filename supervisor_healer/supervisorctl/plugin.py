"""The glue to supervisorctl: its shell calls `do_heal("the rest of the line")` and reads `ctl.exitstatus`."""

from __future__ import annotations

import os
import shlex
import xmlrpc.client

from supervisor.supervisorctl import ControllerPluginBase

from supervisor_healer.supervisorctl import parsing, session, typed
from supervisor_healer.terminal import say


class HealerControllerPlugin(ControllerPluginBase):  # type: ignore[misc] # it has no types
    """The healer's commands; each sets the exit status anew, so that none leaks into the next command."""

    name = "healer"

    def do_heal(self, line: str) -> None:
        """Judge workers now and heal what may be healed."""
        self._run("heal", line)

    def help_heal(self) -> None:
        """Answer `help heal`."""
        self._say(parsing.help_text("heal"))

    def do_health(self, line: str) -> None:
        """Show a line a worker: state, since, reason."""
        self._run("health", line)

    def help_health(self) -> None:
        """Answer `help health`."""
        self._say(parsing.help_text("health"))

    def do_explain(self, line: str) -> None:
        """Tell why a worker, a consumer or a file is in its state."""
        self._run("explain", line)

    def help_explain(self) -> None:
        """Answer `help explain`."""
        self._say(parsing.help_text("explain"))

    def do_history(self, line: str) -> None:
        """Show what was done, and refused, when and why."""
        self._run("history", line)

    def help_history(self) -> None:
        """Answer `help history`."""
        self._say(parsing.help_text("history"))

    def do_unmonitor(self, line: str) -> None:
        """Go on watching a worker, but do not act on it."""
        self._run("unmonitor", line)

    def help_unmonitor(self) -> None:
        """Answer `help unmonitor`."""
        self._say(parsing.help_text("unmonitor"))

    def do_monitor(self, line: str) -> None:
        """Act on a worker again."""
        self._run("monitor", line)

    def help_monitor(self) -> None:
        """Answer `help monitor`."""
        self._say(parsing.help_text("monitor"))

    def do_report(self, line: str) -> None:
        """Show the report of the latest healing cycle."""
        self._run("report", line)

    def help_report(self) -> None:
        """Answer `help report`."""
        self._say(parsing.help_text("report"))

    def do_verify(self, line: str) -> None:
        """Look at the whole pipeline afresh, heal nothing."""
        self._run("verify", line)

    def help_verify(self) -> None:
        """Answer `help verify`."""
        self._say(parsing.help_text("verify"))

    def do_graph(self, line: str) -> None:
        """Draw the pipeline with states."""
        self._run("graph", line)

    def help_graph(self) -> None:
        """Answer `help graph`."""
        self._say(parsing.help_text("graph"))

    def do_help(self, arg: str) -> None:  # noqa: D102 - with a docstring `help` would be listed as one of our topics
        # supervisorctl asks every plugin in turn, its own first: so `help heal` begins with its "No help on heal",
        # and without this `help status` would end with ours.
        if not arg.strip() or arg.strip() in parsing.FORMS:
            super().do_help(arg.strip())

    def _run(self, command: str, line: str) -> None:
        try:
            words = shlex.split(line)
        except ValueError as error:
            self._say(f"{command}: {error}: {line}")
            self.ctl.exitstatus = 2
            return
        try:
            self.ctl.exitstatus = session.execute(
                command,
                words,
                self.ctl.get_server_proxy,
                str(self.ctl.options.serverurl),
                self._say,
                self._say,
                self._typed(),
            )
        except xmlrpc.client.ProtocolError:
            if self.ctl.options.interactive:
                raise  # supervisorctl's shell asks for name and password, and comes again
            self._say("ERROR: the server requires authentication: set username and password in [supervisorctl]")
            self.ctl.exitstatus = session.unreachable(command)

    def _typed(self) -> typed.Typed:
        """How a command is typed at this server: with its configuration, unless supervisorctl finds that by itself."""
        options = self.ctl.options
        found = next((path for path in options.searchpaths if os.path.exists(path)), "")
        given = str(options.configfile or "")
        if not given or (found and os.path.abspath(given) == os.path.abspath(found)):
            return typed.plain
        return typed.with_configuration(os.path.abspath(given))

    def _say(self, text: str) -> None:
        say(text, self.ctl.stdout)
