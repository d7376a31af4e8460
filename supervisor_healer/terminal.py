"""Printing for a person who may be a pipe."""

from __future__ import annotations

import os
from typing import Any


def say(text: str, stream: Any) -> None:
    """Print a line at once, also into a pipe, whatever the terminal's encoding cannot show.

    When nobody reads any more (``| head``), the rest goes nowhere, and the exit status is still the true one.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
