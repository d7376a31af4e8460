"""The console script `supervisor-healer`.

`listen` is started by supervisord, lives for months and must be up in milliseconds: nothing heavy is imported
before it is known what is wanted.
"""

from __future__ import annotations

import sys

from supervisor_healer.errors import UnwritableError
from supervisor_healer.terminal import say

FAILED, INTERRUPTED = 1, 130

USAGE = """\
usage: supervisor-healer COMMAND ...

  listen ARCHITECTURE             the event listener; started by supervisord, not by hand
  check ARCHITECTURE [-c CONF]    check the architecture, and the supervisord configuration with it
  demo                            a small pipeline that breaks and heals, in var/demo
  simulate ARCHITECTURE --scenario FILE
                                  what the healer would do if that happened, minute by minute
  replay JOURNAL ARCHITECTURE     what a changed architecture would have done in the incidents of a journal
  simulate [--seeds N]            the promises, checked in simulated worlds with everything that can go wrong
  version                         print the version

at a server, given by -s URL [-u USER] [-p PASSWORD], or by -c CONF, before or after the command, or found as
supervisorctl finds it:

  heal NAME...|all                judge workers now and heal what may be healed
  heal --restore PATH             put the newest backup of a config back
  health [NAME...]                a line a worker: state, since, reason
  explain NAME...                 why a worker, consumer or file is in its state
  history [NAME] [-n N] [-v]      what was done, and refused, when and why
  unmonitor NAME|all [FOR]        watch, but do not act
  monitor NAME|all                act again
  report                          the latest healing cycle: what failed, what to type, what is blocked, what was healed
  verify                          look at the whole pipeline afresh and say, a line a stage, whether it works
  graph [NAME] [--mermaid|--dot]  the pipeline with states

`supervisor-healer COMMAND --help` says more.
"""

# The options of a server that may stand before the command, as supervisorctl takes them; each has a value.
SERVER_OPTIONS = ("-s", "--serverurl", "-c", "--configuration", "-u", "--username", "-p", "--password")


def main(argv: list[str] | None = None) -> int:
    """Run one command; answers the exit status."""
    given = sys.argv[1:] if argv is None else argv
    options, words = _server_options(given)
    if not words:
        print((f"supervisor-healer: no command after {given[0]}\n\n" if given else "") + USAGE, end="", file=sys.stderr)
        return 2
    command, rest = words[0], options + words[1:]
    if command == "listen":
        return _listen(rest)
    try:
        return _other(command, rest)
    except UnwritableError as error:
        print(f"supervisor-healer {command}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(f"supervisor-healer {command}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _server_options(words: list[str]) -> tuple[list[str], list[str]]:
    """The options of a server that stand before the command, and the rest."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        option, equals, _ = words[at].partition("=")
        attached = words[at][:2] in SERVER_OPTIONS and len(words[at]) > 2  # -sURL
        if option not in SERVER_OPTIONS and not attached:
            break
        at += 1 if equals or attached else 2
    return words[:at], words[at:]


def _listen(words: list[str]) -> int:
    if len(words) != 1 or words[0].startswith("-"):
        asked = words[:1] in (["-h"], ["--help"])
        print(
            "usage: supervisor-healer listen ARCHITECTURE\n\n"
            "The event listener. supervisord starts it, from an [eventlistener:healer] section:\n"
            "  command = supervisor-healer listen %(here)s/architecture.yaml\n"
            "  events = PROCESS_STATE,TICK_5,REMOTE_COMMUNICATION,SUPERVISOR_STATE_CHANGE\n"
            "  buffer_size = 1024\n"
            "  autorestart = true",
            file=sys.stdout if asked else sys.stderr,
        )
        return 0 if asked else 2
    from supervisor_healer.listener.main import run  # noqa: PLC0415

    return run(words[0])


def _other(command: str, words: list[str]) -> int:
    """Everything that a person waits for."""
    if command in ("-h", "--help", "help"):
        say(USAGE.rstrip("\n"), sys.stdout)
        return 0
    if command in ("version", "--version"):
        from supervisor_healer import __version__  # noqa: PLC0415

        say(__version__, sys.stdout)
        return 0
    if command == "demo":
        from supervisor_healer.demo.script import main as demo  # noqa: PLC0415

        return demo(words)
    if command == "check":
        return _check(words)
    if command == "simulate":
        from supervisor_healer.simulation.main import main as simulate  # noqa: PLC0415

        return simulate(words)
    if command == "replay":
        from supervisor_healer.replay import main as replay  # noqa: PLC0415

        return replay(words)
    from supervisor_healer.supervisorctl import parsing, remote  # noqa: PLC0415

    if command in parsing.FORMS:
        return remote.main(command, words)
    print(f"supervisor-healer: no such command: {command}\n\n{USAGE}", end="", file=sys.stderr)
    return 2


def _check(words: list[str]) -> int:
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="supervisor-healer check",
        description="Check the architecture file and, with it, the supervisord configuration; report every error at"
        " once. Exit status: 0 no errors, 1 errors, 2 bad usage, or a file is not there.",
    )
    parser.add_argument("architecture", metavar="ARCHITECTURE", help="the architecture file")
    parser.add_argument("-c", "--configuration", metavar="CONF", help="the supervisord configuration")
    args = parser.parse_args(words)
    from supervisor_healer.architecture.check import run  # noqa: PLC0415

    return run(args.architecture, args.configuration, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
