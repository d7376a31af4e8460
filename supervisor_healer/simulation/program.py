"""What one worker's program does, and how it can fail."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from supervisor_healer.core.model import Process, ProcessState, WorkerSpec

LONG_AGO = float("-inf")
SETTLED = 3  # times the life of the process before
UP = (ProcessState.RUNNING, ProcessState.STARTING)


@dataclass
class Program:
    """One worker's process and what its program does.

    It reads its triggering inputs every `period` seconds and, if one has moved since it last worked, writes its
    outputs `work` seconds later; without inputs it writes every `period`. What it has consumed survives it, unless it
    `forgets`: then a new process waits for the next move of an input. All durations are seconds.
    """

    spec: WorkerSpec
    period: float = 10.0
    work: float = 0.0
    forgets: bool = False
    startsecs: float = 1.0
    stop_delay: float = 0.05
    autorestart: bool = False
    autostart: bool = True
    retries: int = 3
    every: dict[str, int] = field(default_factory=dict)  # output -> written only every n-th time
    needs: dict[str, float] = field(default_factory=dict)  # input -> how old it may be: it waits while one is older
    slow_starts: float = 0.0  # from a start to the first work
    # how it stands
    state: ProcessState = ProcessState.STOPPED
    pid: int = 0
    start: float = 0.0
    start_mono: float = 0.0
    generation: int = 0
    by_operator: bool = False
    exited_well: bool = False
    rounds: int = 0
    consumed: float = LONG_AGO
    tries: int = 0
    crashes: deque[float] = field(default_factory=lambda: deque(maxlen=2))  # mono; the last ones
    known: bool = True  # supervisord has it in its configuration
    # what ails it
    hung: bool = False  # this process writes nothing any more
    hung_until: float = 0.0  # mono; ... or only until then: it recovers by itself
    cursed: bool = False  # every process writes nothing, until cured
    doomed: int = 0  # so many further starts crash before startsecs
    crash_after: float = 0.0  # every process crashes so long after its start; 0: never
    mute: frozenset[str] = frozenset()  # outputs that it does not write, although it works
    delayed: float = 0.0  # its work takes so much longer than it should

    def __post_init__(self) -> None:
        self.address = self.spec.program if ":" in self.spec.program else f"{self.spec.program}:{self.spec.program}"

    @property
    def up(self) -> bool:
        """Whether there is a process that could work."""
        return self.state in UP

    def idles(self, mono: float) -> bool:
        """Whether its process is there and does nothing."""
        return self.cursed or self.hung or mono < self.hung_until

    @property
    def restarts_itself(self) -> bool:
        """Whether supervisord starts it again without anybody's asking."""
        if self.state is ProcessState.BACKOFF:
            return True
        return self.state is ProcessState.EXITED and self.autorestart and not self.by_operator

    def row(self) -> Process:
        """As supervisord tells of it."""
        never = self.start == 0.0 and not self.autostart
        down = self.state not in (*UP, ProcessState.BACKOFF)
        return Process(
            self.address,
            self.state,
            self.pid,
            self.start,
            self.restarts_itself,
            down and (self.by_operator or never),
            self.exited_well,
        )

    def ails(self, mono: float) -> bool:
        """Whether something is wrong with it that a restart might end (or that looks exactly like that)."""
        ailment = self.doomed or self.crash_after or self.mute or self._crashed_lately(mono)
        return self.idles(mono) or not self.up or bool(ailment)

    def _crashed_lately(self, mono: float) -> bool:
        """Whether it has crashed twice, and not yet lived so long since that anybody could tell that this is over."""
        if len(self.crashes) < 2:
            return False
        before, last = self.crashes
        return mono - last <= SETTLED * (last - before) + self.startsecs

    def cure(self) -> None:
        """Whatever ails the program ends; a process that hangs goes on hanging only if it is left so by the caller."""
        self.hung = self.cursed = False
        self.hung_until = self.crash_after = self.delayed = 0.0
        self.doomed = 0
        self.mute = frozenset()
