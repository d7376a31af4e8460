"""Why something is not done now, and until when that may be so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no attempt may begin now. `until`: the mono moment at which that may change, None if no clock decides it.

    `passes`: a relative is in the way, which is over soon. `exhausted`: a budget is used up, which ends in quarantine.
    """

    text: str
    until: float | None = None
    passes: bool = False
    exhausted: bool = False
