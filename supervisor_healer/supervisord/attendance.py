"""Whether a listener is there: the process that announced itself, and when it was last heard."""

from __future__ import annotations

import time
from typing import Any

from supervisor.states import EventListenerStates, ProcessStates

from supervisor_healer import words
from supervisor_healer.errors import ProtocolError
from supervisor_healer.protocol import SILENT_AFTER, ListenerNews
from supervisor_healer.supervisord import processes

RUNNING, SILENT, STOPPED, BROKEN = "running", "silent", "stopped", "broken"
_ALIVE = (ProcessStates.RUNNING, ProcessStates.STARTING)  # STARTING, too: it speaks before its startsecs are over


class Attendance:
    """The listener as supervisord sees it. It announces itself by its first publication, with its pid."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord
        self.news: ListenerNews | None = None
        self.last_publish = 0.0
        self._last_publish_mono = 0.0
        self._address = ""
        self._lost_mono = 0.0  # when its process was last seen to leave RUNNING; 0.0 while it is there

    def announce(self, news: ListenerNews, *, full: bool) -> None:
        """Note that this listener is alive.

        Raises ProtocolError for a process that supervisord does not run, for a second listener beside one that is
        at work (or broken, if it is broken itself), and for a new one that begins with less than everything.
        """
        process = self._supervisord.options.pidhistory.get(news["pid"])
        known = self.news is not None and self.news["pid"] == news["pid"]
        if process is None or process.pid != news["pid"] or not (known or process.get_state() in _ALIVE):
            raise ProtocolError(
                f"pid {news['pid']} is not a process that supervisord runs: the healer must be the process that an"
                " [eventlistener] section starts, not a child of it (a wrapper script has to exec it)"
            )
        address = processes.address_of(process)
        in_the_way = (RUNNING, BROKEN) if news["architecture_errors"] else (RUNNING,)  # what is broken gives way
        if not known and address != self._address and self.state() in in_the_way:
            raise ProtocolError(f"another healer is at work, {self.name} (pid {self.pid}): one supervisord needs one")
        if not known and not full:
            raise ProtocolError("the first publication of a listener must be a full one")
        self.news, self._address = news, address
        self.last_publish, self._last_publish_mono = time.time(), time.monotonic()
        if process.get_state() in _ALIVE:  # its last words come while it is STOPPING
            self._lost_mono = 0.0

    def process_changed(self, process: Any) -> None:
        """A process changed its state: if it is the listener's, and it left RUNNING, it is lost from now on."""
        if self._lost_mono == 0.0 and processes.address_of(process) == self._address:
            news = self.news
            if process.get_state() not in _ALIVE or (news is not None and process.pid != news["pid"]):
                self._lost_mono = time.monotonic()

    def state(self) -> str:
        """running, silent (there, but not heard for too long), broken (there, but acting on nothing) or stopped."""
        process, news = self._process(), self.news
        if process is None or news is None or process.pid != news["pid"] or process.get_state() not in _ALIVE:
            if news is not None and self._lost_mono == 0.0:
                self._lost_mono = time.monotonic()  # its group was removed, for instance
            return STOPPED
        if self.silent_for() > SILENT_AFTER:
            return SILENT
        return BROKEN if news["architecture_errors"] else RUNNING

    @staticmethod
    def now() -> float:
        """The monotonic time, by which all waiting is counted here."""
        return time.monotonic()

    def gone_for(self) -> float:
        """Seconds without a running listener, 0.0 while there is one (a silent one counts as there)."""
        return time.monotonic() - self._lost_mono if self.state() == STOPPED and self._lost_mono else 0.0

    def silent_for(self) -> float:
        """Seconds since it was last heard."""
        return time.monotonic() - self._last_publish_mono

    @property
    def pid(self) -> int:
        """Its pid, 0 while it is not there."""
        return 0 if self.news is None or self.state() == STOPPED else self.news["pid"]

    @property
    def name(self) -> str:
        """Its name as Supervisor prints it: of the one that announced itself, else of what looks like one."""
        process = self._process() or self._likely()
        if process is not None:
            return words.clean(processes.short_name(processes.address_of(process)))
        return words.clean(processes.short_name(self._address)) or "healer"

    def since(self) -> float:
        """Epoch seconds since when it is in this state, 0.0 if unknown."""
        state = self.state()
        if self.news is None:
            return 0.0
        if state == STOPPED:
            return time.time() - self.gone_for()
        return self.last_publish if state == SILENT else self.news["started"]

    def trouble(self) -> str:
        """What is wrong with it, in words for a status line; '' while it runs."""
        state = self.state()
        if state == RUNNING:
            return ""
        if state == SILENT:
            return f"healer silent for {words.duration(self.silent_for())}"
        if state == BROKEN:
            return "healer: architecture broken (supervisorctl health)"
        process = self._process() or self._likely()
        if process is None:
            return "healer not running"
        if process.get_state() in _ALIVE:
            return f"healer not running ({processes.statename(process)}, has not reported yet)"
        gone = f" {words.duration(self.gone_for())} ago" if self._lost_mono else ""
        return f"healer not running ({processes.statename(process)}{gone})"

    def advice(self) -> str:
        """Where a person should look when it is not running."""
        if self._process() is None and self._likely() is None:
            return "supervisord runs no event listener for it: is there an [eventlistener:healer] section?"
        return f"see `supervisorctl status {self.name}` and `supervisorctl tail {self.name} stderr`"

    def warnings(self) -> list[str]:
        """What it, or supervisord about it, has to say that stops nothing."""
        process = self._process()
        said = [] if self.news is None else list(self.news["warnings"])
        if process is not None and process.listener_state == EventListenerStates.UNKNOWN and self.pid:
            said.append(f"{self.name} broke the event listener protocol and gets no events: restart it")
        return said

    def _process(self) -> Any | None:
        return processes.find(self._supervisord, self._address) if self._address else None

    def _likely(self) -> Any | None:
        """The event listener that is probably the healer, when none has announced itself."""
        for process in processes.every(self._supervisord):
            if processes.is_listener(process) and "healer" in f"{process.config.name} {process.config.command}":
                return process
        return None
