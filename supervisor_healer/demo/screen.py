"""What the demonstration prints: a timeline, and between its lines the real output of real commands."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Iterable
from typing import TextIO

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"


class Screen:
    """A timeline that begins now. Coloured only on a terminal, and not where NO_COLOR is set."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.start = time.time()
        self.color = stream.isatty() and not os.environ.get("NO_COLOR")

    def scene(self, title: str) -> None:
        """A heading."""
        self._print(f"\n{self._paint(title, BOLD)}")

    def say(self, text: str, *, at: float | None = None, color: str = "") -> None:
        """One line of the timeline, for now or for the epoch time `at`."""
        moment = f"+{(time.time() if at is None else at) - self.start:.1f}s"
        self._print(f"{moment:>7}  {self._paint(text, color)}")

    def fact(self, text: str) -> None:
        """Something that was to happen, and did."""
        self.say(f"ok: {text}", color=GREEN)

    def show(self, command: str, output: str) -> None:
        """A command as a person would type it, and what it printed."""
        self._print(textwrap.indent(f"$ {command}", " " * 9))
        if output.strip():
            self._print(self._paint(textwrap.indent(output.rstrip("\n"), " " * 9), DIM))

    def lines(self, texts: Iterable[str]) -> None:
        """Something to look at, such as what has changed in a file."""
        for text in texts:
            self._print(self._paint(textwrap.indent(text, " " * 9), DIM))

    def plain(self, text: str, color: str = "") -> None:
        """A line without a time."""
        self._print(self._paint(text, color))

    def _paint(self, text: str, color: str) -> str:
        return f"\033[{color}m{text}\033[0m" if color and self.color else text

    def _print(self, text: str) -> None:
        print(text, file=self.stream, flush=True)
