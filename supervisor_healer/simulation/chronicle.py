"""What a healer of the simulated world has said and ordered."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from supervisor_healer.core.orders import Answer, Consult, Create, Note, Repair, Restore, Signal, Start, Stop
from supervisor_healer.core.report import Report

Errand = Create | Repair | Restore | Signal | Consult  # what is neither supervisord's nor words


@dataclass
class Chronicle:
    """What the healer has said and ordered, in order; moments are seconds from the world's beginning."""

    history: list[tuple[float, Note]] = field(default_factory=list)
    orders: list[tuple[float, Stop | Start]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    told: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    reports: list[Report] = field(default_factory=list)
    errands: list[tuple[float, Errand]] = field(default_factory=list)
