"""The exit statuses of the commands, and Supervisor's fault codes that lead to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Struct = Mapping[str, Any]

# Supervisor's fault codes (supervisor.xmlrpc.Faults), without the weight of importing it.
UNKNOWN_METHOD, INCORRECT_PARAMETERS, BAD_NAME, NOT_RUNNING = 1, 2, 10, 70

# The monitoring-plugin convention, for health, explain and verify.
WELL, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
MONITORING = ("health", "explain", "verify")
WORST_FIRST = (CRITICAL, WARNING, UNKNOWN, WELL)

_BY_STATE = {
    **dict.fromkeys(("healthy", "idle", "starting", "stopped", "unmonitored"), WELL),
    **dict.fromkeys(("late", "catching_up", "healing", "verifying"), WARNING),
    **dict.fromkeys(("blocked", "stalled", "down", "quarantined"), CRITICAL),
}
_BY_FRESHNESS = {"fresh": WELL, "late": WARNING, **dict.fromkeys(("stale", "missing", "unknown"), CRITICAL)}


def worst(statuses: Iterable[int], order: tuple[int, ...]) -> int:
    """The status that stands first in `order`; 0 if there is none."""
    found = set(statuses)
    return next((status for status in order if status in found), min(found, default=0))


def health_status(worker: Struct) -> int:
    """The monitoring status of a worker or consumer: critical only for one that is critical, else a warning."""
    return _weighed(_BY_STATE.get(worker["state"], UNKNOWN), critical=worker["critical"])


def file_status(freshness: str, *, critical: bool) -> int:
    """The monitoring status of a file that no worker here answers for."""
    return _weighed(_BY_FRESHNESS.get(freshness, UNKNOWN), critical=critical)


def _weighed(status: int, *, critical: bool) -> int:
    return WARNING if status == CRITICAL and not critical else status
