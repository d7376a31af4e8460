"""Printing for a person who may be a pipe, or a disk that is full."""

from __future__ import annotations

import os
from typing import Any

from supervisor_healer.errors import UnwritableError


def say(text: str, stream: Any) -> None:
    """Print a line at once, also into a pipe, whatever the terminal's encoding cannot show.

    When nobody reads any more (``| head``), the rest goes nowhere, and the exit status is still the true one. Raises
    UnwritableError where it cannot be written for another reason.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
    except BrokenPipeError:
        _turn_away(stream)
    except OSError as error:
        _turn_away(stream)
        raise UnwritableError(f"cannot write: {error.strerror or error}") from error


def _turn_away(stream: Any) -> None:
    """What is still in the stream's buffer, and all that comes, goes nowhere: else Python complains when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
