"""supervisord's processes, simulated as `supervisor.process` does it, on a clock that moves only when told to.

Like the real one it notices what its children did only when its loop turns: once a second, and with every call. So
a process that crashes within its startsecs may count as RUNNING, then EXITED, if nobody calls in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from supervisor_healer.listener.events import Event

LOOP = 1.0  # seconds after which supervisord's loop turns by itself
EXITS_AFTER = 0.05  # seconds that a program which `exits` at once lives
UP = {"STARTING", "RUNNING", "BACKOFF"}  # what Supervisor calls running: what `stop` can stop


@dataclass
class Program:
    """A [program:x] section, and how its process behaves: what `stop_delay` it needs to end once asked to, the code
    with which it `exits` at once whenever it is started, and the codes with which signals by name end it."""

    name: str
    group: str = ""
    autostart: bool = False
    autorestart: str = "never"
    startsecs: float = 0
    startretries: int = 3
    exitcodes: tuple[int, ...] = (0,)
    stopwaitsecs: float = 10
    stop_delay: float = 0
    exits: int | None = None
    exits_on: Mapping[str, int] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{self.group or self.name}:{self.name}"


@dataclass
class FakeProcess:
    """supervisord's view of a process (named as in supervisor.process.Subprocess), and the process itself."""

    program: Program
    state: str = "STOPPED"
    pid: int = 0
    laststart: float = 0.0
    delay: float = 0.0
    backoff: int = 0
    exitstatus: int | None = None
    killing: bool = False
    # the process itself
    dies_at: float | None = None
    code: int = 0
    frozen: bool = False
    terminated: bool = False  # SIGTERM waits for it to be thawed


class FakeProcessTable:
    """Processes, the loop over them, and the events that tell of them."""

    def __init__(self, programs: Iterable[Program], wall: float, mono: float) -> None:
        self.wall, self.mono = wall, mono
        self.stopping = False  # supervisord shuts down
        self.processes = {program.address: FakeProcess(program) for program in programs}
        self._events: list[Event] = []
        self._serial = 0
        self._next_pid = 1000
        self._last_loop = mono
        self._last_tick = int(wall // 5)
        self._emit("SUPERVISOR_STATE_CHANGE_RUNNING", "")
        self._loop()

    def take_events(self) -> list[Event]:
        """The events since the last time, as the listener would get them."""
        events, self._events = self._events, []
        return events

    # --- what happens to them ----------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks; supervisord's loop turns whenever it is due."""
        end = self.mono + seconds
        while self._last_loop + LOOP <= end:
            self._move(self._last_loop + LOOP)
            self._loop()
        self._move(end)

    def step_clock(self, seconds: float) -> None:
        """Set the wall clock forward (or back)."""
        self.wall += seconds

    def exit(self, address: str, code: int) -> None:
        """The process ends by itself; -1 is by a signal. supervisord does not know yet."""
        process = self.processes[address]
        process.dies_at, process.code = self.mono, code

    def freeze(self, address: str) -> None:
        """SIGSTOP."""
        self.processes[address].frozen = True

    def thaw(self, pid: int) -> None:
        """SIGCONT."""
        for process in self.processes.values():
            if process.pid == pid and process.frozen:
                process.frozen = False
                if process.terminated:
                    process.dies_at = self.mono + process.program.stop_delay

    def shut_down(self) -> None:
        """`supervisorctl shutdown`: everything is stopped, nothing is started."""
        self.stopping = True
        self._emit("SUPERVISOR_STATE_CHANGE_STOPPING", "")
        for process in self.processes.values():
            if process.state in {"RUNNING", "STARTING"}:
                self._stop(process)
            elif process.state == "BACKOFF":
                self._change(process, "FATAL", "")

    # --- inside ----------------------------------------------------------------------------------------------

    def _move(self, mono: float) -> None:
        self.wall += mono - self.mono
        self.mono = mono

    def _loop(self) -> None:
        self._last_loop = self.mono
        for process in self.processes.values():
            self._transition(process)
        self._reap()
        if int(self.wall // 5) != self._last_tick:
            self._last_tick = int(self.wall // 5)
            self._emit("TICK_5", f"when:{self._last_tick * 5}")

    def _transition(self, process: FakeProcess) -> None:
        program, state = process.program, process.state
        if not self.stopping:
            as_expected = process.exitstatus in program.exitcodes
            if state == "EXITED":
                if program.autorestart == "always" or (program.autorestart == "unexpected" and not as_expected):
                    self._spawn(process)
            elif state == "STOPPED" and not process.laststart:
                if program.autostart:
                    self._spawn(process)
            elif state == "BACKOFF" and process.backoff <= program.startretries and self.mono > process.delay:
                self._spawn(process)
        if state == "STARTING" and self.wall - process.laststart >= program.startsecs:
            process.delay, process.backoff = 0.0, 0
            self._change(process, "RUNNING", f" pid:{process.pid}")
        if state == "BACKOFF" and process.backoff > program.startretries:
            process.delay, process.backoff = 0.0, 0
            self._change(process, "FATAL", "")
        elif state == "STOPPING" and self.mono >= process.delay:
            process.dies_at, process.code = self.mono, -1  # SIGKILL

    def _spawn(self, process: FakeProcess) -> None:
        address = process.program.address
        process.killing, process.exitstatus = False, None
        process.frozen = process.terminated = False
        process.laststart = self.wall
        self._starting(address)
        self._change(process, "STARTING", f" tries:{process.backoff}")
        self._next_pid += 1
        process.pid = self._next_pid
        exits = process.program.exits
        process.dies_at, process.code = (None, 0) if exits is None else (self.mono + EXITS_AFTER, exits)

    def _stop(self, process: FakeProcess) -> None:
        if process.state == "BACKOFF":
            self._change(process, "STOPPED", f" pid:{process.pid}")
            return
        process.killing = True
        process.delay = self.mono + process.program.stopwaitsecs
        self._change(process, "STOPPING", f" pid:{process.pid}")
        process.terminated = True
        if not process.frozen:
            end = self.mono + process.program.stop_delay
            process.dies_at = end if process.dies_at is None else min(end, process.dies_at)

    def _reap(self) -> None:
        for process in self.processes.values():
            if process.pid and process.dies_at is not None and process.dies_at <= self.mono:
                self._finish(process)

    def _finish(self, process: FakeProcess) -> None:
        if process.killing:
            process.killing = False
            process.exitstatus = process.code
            self._change(process, "STOPPED", f" pid:{process.pid}")
        elif self.wall - process.laststart < process.program.startsecs:
            process.exitstatus = None
            self._change(process, "BACKOFF", f" tries:{process.backoff + 1}")
        else:
            process.delay, process.backoff = 0.0, 0
            process.exitstatus = process.code
            if process.state == "STARTING":
                self._change(process, "RUNNING", f" pid:{process.pid}")
            as_expected = int(process.code in process.program.exitcodes)
            self._change(process, "EXITED", f" expected:{as_expected} pid:{process.pid}")
        process.pid = 0
        process.dies_at = None

    def _change(self, process: FakeProcess, state: str, extra: str) -> None:
        before, process.state = process.state, state
        if state == "BACKOFF":
            process.backoff += 1
            process.delay = self.mono + process.backoff
        group, _, name = process.program.address.partition(":")
        self._emit(f"PROCESS_STATE_{state}", f"processname:{name} groupname:{group} from_state:{before}{extra}")

    def _emit(self, name: str, body: str) -> None:
        self._serial += 1
        headers = {"server": "fake", "eventname": name, "serial": str(self._serial), "poolserial": str(self._serial)}
        self._events.append(Event(name, self._serial, self._serial, headers, body))

    def _starting(self, address: str) -> None:
        """Called with each start, whoever wanted it."""
