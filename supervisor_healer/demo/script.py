"""The demonstration: a scripted incident on a real supervisord, which fails unless everything it shows is true.

supervisor-healer demo           three incidents in about a minute; exit status 0 only if all of it really happened
supervisor-healer demo --run     the same pipeline, left running in the background to play with
supervisor-healer demo --stop    the end of that
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

import psutil

from supervisor_healer.demo import checkout, playthings
from supervisor_healer.demo.prepare import prepare
from supervisor_healer.demo.screen import BOLD, GREEN, RED, Screen
from supervisor_healer.demo.stage import Stage
from supervisor_healer.demo.story import play
from supervisor_healer.demo.witness import UnmetError
from supervisor_healer.errors import HealerError

ANSWERS_WITHIN = 10.0  # seconds for one call to supervisord


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration and return its exit status: 0 all of it happened, 1 not, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="supervisor-healer demo",
        description="Freezes workers of a small pipeline under a real supervisord, deletes a field of its config and"
        " one of its files, and shows how all is healed."
        " About a minute; exit status 0 only if all of it really happened.",
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--run", action="store_true", help="start the pipeline in the background, to play with")
    choice.add_argument("--stop", action="store_true", help="stop the pipeline that --run started")
    options = parser.parse_args(argv)

    screen = Screen(sys.stdout)
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(ANSWERS_WITHIN)
    try:
        stage = Stage(checkout.find())
        if options.stop:
            return stop(stage, screen)
        stage.refuse_a_second()
        prepare(stage.place.run_folder)
        return run(stage, screen) if options.run else demonstrate(stage, screen)
    except (HealerError, OSError) as error:
        print(f"supervisor-healer demo: {error}", file=sys.stderr)
        return 1
    finally:
        socket.setdefaulttimeout(patience)


def demonstrate(stage: Stage, screen: Screen) -> int:
    """Every scene, and the end of everything they started, however they went."""
    status = 1
    try:
        with interruptible():
            pid = stage.start()
            screen.say(f"supervisord started, pid {pid}, with {stage.place.shown()}")
            play(stage, screen)
            status = 0
    except UnmetError as unmet:
        screen.plain(f"\nFAILED. {unmet}", RED)
    except KeyboardInterrupt:
        screen.plain("\ninterrupted", RED)
        status = 130
    except (HealerError, OSError, xmlrpc.client.Error, psutil.Error, subprocess.SubprocessError) as error:
        screen.plain(f"\nFAILED. {type(error).__name__}: {error}", RED)
    finally:
        with uninterruptible():
            killed = stage.stop()
    if killed:
        screen.plain(f"these had to be killed: {killed}", RED)
        status = status or 1
    if status == 0:
        screen.say("supervisord and all its processes are gone")
        screen.plain("\nAll of it happened.", GREEN)
    folder = checkout.RUN_FOLDER if Path.cwd() == stage.place.root else stage.place.run_folder
    screen.plain(f"Logs: {folder}/healer.log, {folder}/supervisord.log, {folder}/console/")
    if status == 0:
        screen.plain("To play with the same pipeline: make run, or: supervisor-healer demo --run")
    return status


def run(stage: Stage, screen: Screen) -> int:
    """Leave the pipeline running, and say how to play with it."""
    pid = stage.start(background=True)
    if not stage.healer_watches():
        screen.plain("The healer does not watch it yet; see var/demo/healer.log and var/demo/supervisord.log.\n", RED)
    if stage.place.detour:
        screen.plain(
            f"The path to this checkout is too long for a unix socket, or has characters that supervisord's\n"
            f"configuration cannot take; {stage.place.home} leads to it until `make stop`.\n"
        )
    screen.plain(f"The pipeline runs (supervisord, pid {pid}). Play with it:", BOLD)
    for is_title, text in playthings.lines(f"supervisorctl -c {stage.place.shown()}"):
        screen.plain(text, BOLD if is_title else "")
    screen.plain("\nFrom the checkout, with the virtual environment activated: source .venv/bin/activate")
    return 0


def stop(stage: Stage, screen: Screen) -> int:
    """Stop what `run` left running."""
    pid = stage.pid()
    if not pid:
        stage.refuse_a_second()  # one that is there and does not answer
        screen.plain("the demonstration pipeline is not running")
        return 0
    with uninterruptible():
        killed = stage.stop()
    screen.plain(f"stopped supervisord, pid {pid}" + (f"; these had to be killed: {killed}" if killed else ""))
    return 1 if killed else 0


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demonstration as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with handling(interrupt, signal.SIGTERM, signal.SIGHUP):
        yield


@contextlib.contextmanager
def uninterruptible() -> Iterator[None]:
    """Nothing keeps us from stopping what was started (each of these is followed by an exit)."""
    with handling(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield


@contextlib.contextmanager
def handling(handler: signal._HANDLER, *numbers: signal.Signals) -> Iterator[None]:
    """`handler` for these signals, and what was there before afterwards."""
    before = [(number, signal.signal(number, handler)) for number in numbers]
    try:
        yield
    finally:
        for number, old in before:
            signal.signal(number, old)


if __name__ == "__main__":
    sys.exit(main())
