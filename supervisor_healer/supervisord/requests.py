"""What people asked for: kept here, fetched by the listener, each id acted on once.

A request never travels in an event: events for a dead listener wait in its buffer, and the one in hand at its
death comes again, so that such a request would act twice, or hours later. Here it lies until a listener takes
it, or until it expires.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from supervisor_healer import words
from supervisor_healer.protocol import (
    NO_HEALER,
    ORPHAN_EXPIRES,
    REQUEST_EXPIRES,
    REQUESTS_KEPT,
    WireProgress,
    WireRequest,
    WireStep,
)


@dataclass(slots=True)
class Request:
    """One request and what has become of it.

    `told`: its end came from a listener, and is final. `earlier`: the steps that a listener before the one with
    `pid` has told; the one that took over knows only its own.
    """

    wire: WireRequest
    accepted_mono: float
    state: str = "queued"
    exit_status: int = 0
    reason: str = ""
    steps: list[WireStep] = field(default_factory=list)
    told: bool = False
    earlier: list[WireStep] = field(default_factory=list)
    pid: int = 0

    @property
    def open(self) -> bool:
        """Whether it is still to be acted on, or being acted on."""
        return self.state != "done"


class RequestBook:
    """All requests that are remembered, oldest first."""

    def __init__(self) -> None:
        self._requests: dict[str, Request] = {}
        self._open: dict[str, Request] = {}  # those of them that are; when thousands ask, each must cost little
        self._counter = 0

    def accept(self, verb: str, name: str, now: float, *, dry_run: bool, force: bool, seconds: float) -> str | None:
        """Keep a request and answer its id; None if as many as can be kept are all open."""
        if len(self._requests) >= REQUESTS_KEPT and not self._forget_oldest():
            return None
        self._counter += 1
        # random, since supervisord counts from one again after a restart, and the listener's journal does not
        request_id = f"{verb}-{self._counter}-{os.urandom(6).hex()}"
        self._requests[request_id] = self._open[request_id] = Request(
            {"id": request_id, "verb": verb, "name": name, "dry_run": dry_run, "force": force, "seconds": seconds}, now
        )
        return request_id

    def get(self, request_id: str) -> Request | None:
        """The request with this id, or None if it was never made or is forgotten."""
        return self._requests.get(request_id)

    def take(self) -> list[WireRequest]:
        """Hand over every open request. One in hand stays open: the next listener gets it if this one dies."""
        for request in self._open.values():
            request.state = "running"
        return [request.wire for request in self._open.values()]

    def count_open(self) -> int:
        """How many are open."""
        return len(self._open)

    def progress(self, news: list[WireProgress], pid: int) -> None:
        """Take in what the listener `pid` says of its requests. Ids that are forgotten here are passed over."""
        for report in news:
            request = self._requests.get(report["id"])
            if request is None or request.told:
                continue
            if request.pid != pid:
                request.pid, request.earlier = pid, request.steps
            request.steps = [*request.earlier, *report["steps"]]
            if report["state"] == "done":
                request.state, request.told = "done", True
                request.exit_status, request.reason = report["exit_status"], report["reason"]
                self._open.pop(report["id"], None)
            elif request.open:
                request.state = "running"  # the listener speaks of it, so it has it
                request.reason = report["reason"]

    def expire(self, now: float, listener_gone_for: float) -> None:
        """End what waited too long: for a listener to take it, or for a listener to come back.

        `listener_gone_for` is 0.0 while one is there. What a listener had taken waits longer than what it had
        not: its journal knows whether it has acted, so that the next one can complete it. But not for ever: what
        was asked for a minute before a long absence is not what anybody wants after it.
        """
        if not self._open or not self._may_expire(now, listener_gone_for):
            return
        for request in list(self._open.values()):
            waited = now - request.accepted_mono
            if request.state == "running":
                if listener_gone_for > REQUEST_EXPIRES:
                    self._end(request, "the healer went away with this request in hand, and did not come back")
            elif waited > REQUEST_EXPIRES:
                self._end(request, f"expired: no healer has taken it within {words.duration(REQUEST_EXPIRES)}")
            elif min(waited, listener_gone_for) > ORPHAN_EXPIRES:
                self._end(request, "expired: the healer went away before it took this request")

    def _may_expire(self, now: float, listener_gone_for: float) -> bool:
        """Whether the oldest has waited, or no listener been there, for long enough to end any of them."""
        oldest = next(iter(self._open.values()))
        return now - oldest.accepted_mono > REQUEST_EXPIRES or listener_gone_for > min(ORPHAN_EXPIRES, REQUEST_EXPIRES)

    def _end(self, request: Request, reason: str) -> None:
        del self._open[request.wire["id"]]
        request.state, request.exit_status, request.reason = "done", NO_HEALER, reason

    def _forget_oldest(self) -> bool:
        if len(self._open) == len(self._requests):
            return False
        del self._requests[next(request_id for request_id in self._requests if request_id not in self._open)]
        return True
