"""The exceptions of the package, each carrying the place it speaks of."""

from __future__ import annotations

from dataclasses import dataclass


class HealerError(Exception):
    """Anything that the healer reports to a person instead of a traceback."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file that a person wrote.

    `line` counts from 1; 0 when the file as a whole is meant. `field` is a dotted path such as
    ``workers.ensemble_predictor.inputs[0]``, or '' when the file as a whole is meant. `severity` is
    ``error`` or ``warning``.
    """

    path: str
    line: int
    field: str
    what: str
    expected: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        """``path:line: field: what is wrong (what was expected)``, the form of every report."""
        place = f"{self.path}:{self.line}" if self.line else self.path
        field = f"{self.field}: " if self.field else ""
        expected = f" (expected {self.expected})" if self.expected else ""
        return f"{place}: {field}{self.what}{expected}"


class ArchitectureError(HealerError):
    """The architecture file cannot be used; `problems` holds every error found, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class ProtocolError(HealerError):
    """A message between the three processes is not of the form, or of the version, that was expected."""


class UnreachableError(HealerError):
    """supervisord did not answer, or refused to talk to us; the text says which, and what to do."""


class UnwritableError(HealerError):
    """What was to be printed could not be; the text says why."""
