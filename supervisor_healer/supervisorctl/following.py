"""Following requests until they are done, showing each step as it happens."""

from __future__ import annotations

import time
import xmlrpc.client
from collections.abc import Callable
from typing import Any

from supervisor_healer.protocol import FAILED, NO_HEALER
from supervisor_healer.supervisorctl import rendering
from supervisor_healer.supervisorctl.statuses import BAD_NAME

Struct = dict[str, Any]

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.25  # seconds between two looks, growing while nothing happens
LOOK_AFTER_LISTENER = 1.0  # seconds between two looks at the healer itself
GIVE_UP_AFTER = {"stopped": 15.0, "silent": 60.0, "broken": 0.0}  # seconds of a healer in this state


def follow(server: Any, asked: dict[str, str], tell: Callable[[str], None]) -> list[Struct]:
    """Poll these requests (id -> name) until each is done, or nobody is left to do it; answer their last structs.

    A deferred answer of supervisord's would come up to a second late, and show no steps: hence the polling.
    Ctrl-C ends the following, not the requests; what is still open then counts as failed.
    """
    done: dict[str, Struct] = {}
    shown = dict.fromkeys(asked, 0)
    vigil = _Vigil(server)
    pause = FIRST_PAUSE
    try:
        while len(done) < len(asked):
            pause = min(LONGEST_PAUSE, pause * 1.5)
            nobody = vigil.nobody_left()
            for request_id, name in asked.items():
                if request_id in done:
                    continue
                request = _look(server, request_id, name)
                for step in request["steps"][shown[request_id] :]:
                    tell(rendering.step_line(name, step))
                    pause = FIRST_PAUSE
                shown[request_id] = len(request["steps"])
                if request["state"] != "done" and nobody:
                    hint = f"{nobody}; it has taken this request, and will go on with it if it is back in time"
                    request |= {"exit_status": NO_HEALER, "reason": hint if request["state"] == "running" else nobody}
                elif request["state"] != "done":
                    continue
                done[request_id] = request
                tell(rendering.result_line(name, request["exit_status"], request["reason"]))
            if len(done) < len(asked):
                time.sleep(pause)
    except KeyboardInterrupt:
        for request_id, name in asked.items():
            if request_id not in done:
                look = "supervisorctl history" if name == "all" else f"supervisorctl history {name}"
                tell(f"{name}: not followed any longer; the request goes on: see `{look}`")
                done[request_id] = ended(request_id, name, FAILED, "interrupted; the request goes on")
    return [done[request_id] for request_id in asked]


class _Vigil:
    """Notices that there is no healer any more to act on a request; one that restarts is waited for."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._next_look = time.monotonic() + LOOK_AFTER_LISTENER
        self._since: dict[str, float] = {}
        self._verdict = ""

    def nobody_left(self) -> str:
        """Why waiting is of no use, or ''."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_AFTER_LISTENER
            listener = self._server.healer.getListenerState()
            state = listener["state"]
            self._since = {state: self._since.get(state, now)}
            if state in GIVE_UP_AFTER and now - self._since[state] >= GIVE_UP_AFTER[state]:
                look = "health" if state == "broken" else f"tail {listener['name']} stderr"
                self._verdict = f"{listener['trouble']}; see `supervisorctl {look}`"
        return self._verdict


def _look(server: Any, request_id: str, name: str) -> Struct:
    try:
        request: Struct = server.healer.getRequest(request_id)
        return request
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != BAD_NAME:
            raise
        return ended(request_id, name, FAILED, "supervisord has forgotten this request: was it reloaded?")


def ended(request_id: str, name: str, status: int, reason: str) -> Struct:
    """A request as supervisord would answer it, of one that it does not know, or no longer."""
    return {"id": request_id, "name": name, "state": "done", "exit_status": status, "steps": [], "reason": reason}
