"""The command lines of the healer's commands, for supervisorctl and for the console script alike."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import NoReturn

from supervisor_healer.errors import HealerError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ALL = "all"


class UsageError(HealerError):
    """The command line makes no sense; the text is complete."""


class HelpAsked(HealerError):  # noqa: N818 - nothing went wrong
    """The command line asked for help; the text is it."""


class Parser(argparse.ArgumentParser):
    """An argument parser that neither prints nor exits: supervisorctl's shell must live on."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of leaving the program."""
        raise UsageError(f"{self.prog}: {message}\n{self.format_usage().rstrip()}")

    def print_help(self, file: object = None) -> None:  # noqa: ARG002 - argparse's signature
        """Raise HelpAsked instead of printing: `-h` ends in here."""
        raise HelpAsked(self.format_help().rstrip())


def duration(text: str) -> float:
    """`30s`, `5m`, `24h` or `7d` in seconds.

    >>> duration("5m")
    300.0
    """
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])", text)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration (expected for example 30s, 5m, 24h or 7d)")
    return float(match[1]) * _UNITS[match[2]]


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of entries")
    return int(text)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for machines")


def _heal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="a worker, its group:name, group:*, or all")
    parser.add_argument(
        "--restore",
        default="",
        metavar="PATH",
        help="instead: put the newest backup of this config back; twice puts it back and forth",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    parser.add_argument("--force", action="store_true", help="do not ask for fresh inputs (an operator's stop holds)")
    parser.add_argument("--no-wait", action="store_true", help="print the id of the request and do not wait for it")
    _json(parser)


def _health(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="a worker, its group:name, or group:*; default: all")
    _json(parser)


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="a worker, its group:name, group:*, a consumer, or a file's path"
    )
    _json(parser)


def _history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name",
        nargs="?",
        default="",
        metavar="NAME",
        help="a worker, consumer or component healer, or a path; default: all",
    )
    parser.add_argument("-n", type=_count, default=20, metavar="N", help="the last N entries (default 20; 0: all kept)")
    parser.add_argument("-v", "--verbose", action="store_true", help="with the evidence of each entry")
    _json(parser)


def _unmonitor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a worker, its group:name, group:*, or all")
    parser.add_argument(
        "seconds",
        nargs="?",
        type=duration,
        default=0.0,
        metavar="FOR",
        help="30s, 5m, 24h or 7d; default: until monitor",
    )
    _json(parser)


def _monitor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a worker, its group:name, group:*, or all")
    _json(parser)


def _report(parser: argparse.ArgumentParser) -> None:
    _json(parser)


def _verify(parser: argparse.ArgumentParser) -> None:
    _json(parser)


def _graph(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", default="", metavar="NAME", help="a worker, consumer or file, with what is up and down of it"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--mermaid", action="store_true", help="a Mermaid flowchart, for a document")
    form.add_argument("--dot", action="store_true", help="a Graphviz digraph, for a document")
    form.add_argument("--json", action="store_true", help="nodes and edges as JSON for machines")


class Form:
    """One command as a person types it: what it takes, and one line of what it does."""

    def __init__(self, does: str, fill: Callable[[argparse.ArgumentParser], None], more: str = "") -> None:
        self.does = does
        self.fill = fill
        self.more = more


FORMS = {
    "heal": Form(
        "Judge workers now and heal what may be healed, showing each step.",
        _heal,
        "Exit status: 0 healed, or nothing to heal, or a dry run; 1 failed, or a config or file needs a person; 2 bad"
        " usage or unknown name; 7 no healer running; 75 refused for now (blocked, down with stale inputs, stopped,"
        " unknown, host budget, mode observe). A restore keeps what it replaces as the newest backup, so that a second"
        " one brings that back.",
    ),
    "health": Form(
        "Show a line a worker: state, for how long, and why. `!` marks critical workers.",
        _health,
        "Exit status: 0 well; 1 something is late or not well; 2 a critical worker is not well; 3 unknown.",
    ),
    "explain": Form(
        "Tell why a worker, a consumer or a file is in its state: evidence, rule, root causes, who is affected, and"
        " what happens next.",
        _explain,
        "Exit status: as of health, and of verify for a file.",
    ),
    "history": Form("Show what was done, and refused, when and why.", _history),
    "unmonitor": Form(
        "Go on watching a worker, but do not act on it. `all`: nor on any file or config, and ask no component healer.",
        _unmonitor,
    ),
    "monitor": Form("Act on a worker again; with `all` on everything.", _monitor),
    "report": Form(
        "Show the report of the latest healing cycle: what failed and what to type, what is blocked and by whom, what"
        " was healed. `!` marks what is critical.",
        _report,
        "Exit status: 0; 7 no healer running (what is shown is its last report).",
    ),
    "verify": Form(
        "Look at the whole pipeline afresh, heal nothing, and say in a line a stage whether it works.",
        _verify,
        "Exit status: as of health, over workers, consumers, and the files and configs that no worker here writes.",
    ),
    "graph": Form(
        "Draw the pipeline in the order of the data flow, with states; the root causes of what is blocked are marked.",
        _graph,
        "Exit status: 0; 2 unknown name; 7 no healer running (what it last knew is drawn, in state unknown).",
    ),
}


def parse(command: str, arguments: list[str]) -> argparse.Namespace:
    """The arguments of one of our commands. Raises UsageError, or HelpAsked."""
    parsed = parser_for(command).parse_args(arguments)
    names = getattr(parsed, "names", [])
    if command == "heal":
        _check_heal(parsed)
    if _ALL in names:
        if command == "explain":
            raise UsageError("explain: needs the name of a worker, a consumer or a file")
        if len(names) > 1:
            raise UsageError(f"{command}: `all` stands alone")
        if command == "health":
            parsed.names = []
    return parsed


def _check_heal(parsed: argparse.Namespace) -> None:
    """Refuse what argparse cannot: names and a path at once, or neither."""
    beside = [f"--{option}" for option in ("dry-run", "force") if getattr(parsed, option.replace("-", "_"))]
    if parsed.restore and (parsed.names or beside):
        clash = beside[0] if beside else "NAME"
        parser_for("heal").error(f"argument --restore: not allowed with argument {clash}")
    if not parsed.restore and not parsed.names:
        parser_for("heal").error("the following arguments are required: NAME (or --restore PATH)")


def parser_for(command: str) -> Parser:
    """The parser of one of our commands."""
    form = FORMS[command]
    parser = Parser(prog=command, description=form.does, epilog=form.more or None, allow_abbrev=False)
    form.fill(parser)
    return parser


def help_text(command: str) -> str:
    """What `help COMMAND` says."""
    return parser_for(command).format_help().rstrip()
