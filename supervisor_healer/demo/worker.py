"""What all workers of the demonstration have in common: a loop, a clean end, and three ways to fail.

kill -STOP PID            frozen: alive for supervisord, and does nothing
kill -KILL PID            killed
touch hang/NAME           hung: alive, runs its loop, and writes nothing for as long as that file exists,
                          also after a restart (a restart that does not cure)
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

Step = Callable[[], None]


def run(
    name: str,
    start: Callable[[Path], AbstractContextManager[Step]],
    pace: float,
    argv: Sequence[str] | None = None,
    load_for: float = 0.0,
) -> int:
    """Run worker `name` until SIGTERM or SIGINT, and return its exit status.

    `start` gets the run folder and gives, as a context, the step to take every `pace` seconds; before the first one
    the worker is busy for `load_for` seconds, as one that loads a model is.
    """
    parser = argparse.ArgumentParser(prog=name, description=f"The worker {name} of the demonstration pipeline.")
    parser.add_argument("--dir", type=Path, default=Path(), help="the run folder (default: the current one)")
    parser.add_argument("--load", type=float, default=load_for, help="seconds until it is ready (default: %(default)s)")
    options = parser.parse_args(argv)
    folder: Path = options.dir

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())

    print(f"{name}: started, pid {os.getpid()}", flush=True)
    if options.load:
        print(f"{name}: loading its model, {options.load:g} s", flush=True)
        stop.wait(options.load)
    flag = folder / "hang" / name
    hung = False
    with start(folder) as step:
        while not stop.wait(pace):
            if flag.exists() != hung:
                hung = not hung
                print(f"{name}: hanging while {flag} exists" if hung else f"{name}: going on", flush=True)
            # One that was frozen may find the pause over and a SIGTERM waiting: it ends without another step.
            if not hung and not stop.is_set():
                step()
    print(f"{name}: stopped", flush=True)
    return 0


@contextmanager
def hangups() -> Iterator[threading.Event]:
    """An event that each SIGHUP sets, for a worker that reads its configuration again when it is told to."""
    event = threading.Event()
    before = signal.signal(signal.SIGHUP, lambda _number, _frame: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGHUP, before)
