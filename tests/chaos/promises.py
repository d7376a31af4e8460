"""The promises of the healer, held against an account of what happened; each check returns what breaks its promise.

All times carry a tolerance in the healer's favour: what is reported is a violation, and no matter of milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chaos.account import Account
from chaos.spawns import CLOCK_ERROR, HealersStart, Order, What

# The gate may have looked so many seconds before the process was down, or was started: the journal is written in
# between, and an idle supervisord may take a second to see an end.
BEFORE = 2.0
SLACK = 0.5  # seconds that two starts may lie closer together than the orders that led to them
LEFT = 15.0  # seconds after which a stopped worker counts as left behind; the healer may have been killed meanwhile
FORCED = 30.0  # seconds in which a `heal --force` may act
ASKED = 10.0  # seconds after which an operator's heal has opened its new window


def stale_inputs(account: Account) -> Iterator[str]:
    """1. No restart unless every required input is fresh, but by an operator's force."""
    for start in account.healers_starts():
        since, by = start.decided - BEFORE, start.decided + CLOCK_ERROR
        if not account.seen(since, by) or _asked(account, start, "force", FORCED):
            continue
        for path in account.declared.inputs[start.worker]:
            if not account.films[path].was_fresh(since, by, account.declared.max_age.get(path, float("inf"))):
                yield f"{start.worker} was started at {start.at:.3f}, but {path} was not fresh"


def undone_stops(account: Account) -> Iterator[str]:
    """2. What an operator has stopped stays down until an operator, or a new supervisord, starts it."""
    for stop in account.orders:
        if stop.kind == "stop" and stop.done:
            released = _released(account, stop)
            for start in account.healers_starts():
                if start.worker == stop.worker and stop.end + CLOCK_ERROR < start.at < released - CLOCK_ERROR:
                    yield f"{start.worker} was started at {start.at:.3f}, but an operator had stopped it"


def overspent(account: Account) -> Iterator[str]:
    """3. No worker is restarted more often than it may be, in any window that no operator's heal has opened anew."""
    most, within = account.declared.restarts
    for name in account.declared.workers:
        starts = [start for start in account.healers_starts() if start.worker == name]
        for first, last in zip(starts, starts[most:], strict=False):
            anew = any(
                order.kind in ("heal", "force") and order.worker in (name, "")
                and order.begin < last.at and first.at - ASKED < order.begin
                for order in account.orders
            )  # fmt: skip
            if last.at - first.at < within - SLACK and not anew:
                yield f"{name} was started {most + 1} times from {first.at:.3f} to {last.at:.3f}"


def overspent_together(account: Account) -> Iterator[str]:
    """3. Nor are all of them together."""
    most, within = account.declared.overall
    starts = account.healers_starts()
    for first, last in zip(starts, starts[most:], strict=False):
        if last.at - first.at < within - SLACK:
            yield f"{most + 1} workers were started from {first.at:.3f} to {last.at:.3f}"


def left_stopped(account: Account) -> Iterator[str]:
    """Whom the healer has stopped it starts again."""
    for name in account.declared.workers:
        last = next((event for event in reversed(account.events) if event.worker in (name, "")), None)
        if last is None or last.what is not What.STOPPED or account.now - last.at < LEFT:
            continue
        if not any(order.worker == name and order.kind == "stop" for order in _unreleased(account)):
            yield f"{name} was stopped at {last.at:.3f}, and nobody has started it again"


def lost_bytes(account: Account) -> Iterator[str]:
    """6. A config that somebody has changed after the driver did has a backup with what the driver had written."""
    for one in account.overwritten:
        kept = account.backups.get(one.path, set())
        if one.written is not None and one.found != one.written and one.written not in kept:
            yield f"{one.path} was {one.written!r}, is {one.found!r}, and there is no backup of it"


def changed_bystanders(account: Account) -> Iterator[str]:
    """Files that are nobody's business are as they were."""
    return (f"{path} has changed" for path in account.changed)


def orphans(account: Account) -> Iterator[str]:
    """Every process belongs to somebody."""
    return iter(account.strangers)


CHECKS: dict[str, Callable[[Account], Iterator[str]]] = {
    check.__name__: check
    for check in (
        stale_inputs,
        undone_stops,
        overspent,
        overspent_together,
        left_stopped,
        lost_bytes,
        changed_bystanders,
        orphans,
    )
}


def violations(account: Account) -> list[str]:
    """What breaks a promise, each with the name of its check."""
    return [f"{name}: {text}" for name, check in CHECKS.items() for text in check(account)]


def _asked(account: Account, start: HealersStart, kind: str, within: float) -> bool:
    return any(
        order.kind == kind and order.worker in (start.worker, "") and order.begin <= start.at < order.end + within
        for order in account.orders
    )


def _released(account: Account, stop: Order) -> float:
    """When the stop ended: an operator has started the worker again (supervisord may have refused), or a new
    supervisord began."""
    starts = [
        order.begin
        for order in account.orders
        if (order.kind in ("start", "restart") and order.worker == stop.worker) or order.kind == "reload"
    ]
    boots = [event.at for event in account.events if event.what is What.BOOT]
    return min((at for at in starts + boots if at > stop.begin), default=float("inf"))


def _unreleased(account: Account) -> Iterator[Order]:
    return (order for order in account.orders if order.kind == "stop" and _released(account, order) == float("inf"))
