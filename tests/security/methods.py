"""What the door may show: every method of the healer's namespace, with the kinds of its arguments."""

from __future__ import annotations

METHODS: dict[str, tuple[str, ...]] = {
    "getAPIVersion": (),
    "getAllWorkerHealth": (),
    "getWorkerHealth": ("name",),
    "getAllConsumerHealth": (),
    "getConsumerHealth": ("path",),
    "getAllFileHealth": (),
    "getFileHealth": ("path",),
    "getReport": (),
    "explain": ("path",),
    "getHistory": ("anybody", "limit"),
    "getRequest": ("name",),
    "getListenerState": (),
    "heal": ("name", "options"),
    "unmonitor": ("name", "seconds"),
    "monitor": ("name",),
    "verify": (),
    "restore": ("path",),
    "publish": ("message",),
    "takeRequests": (),
    "getProcessTable": (),
    "stopWorker": ("message",),
    "startWorker": ("message",),
    "signalWorker": ("message",),
}
OPTIONAL = {"heal": 1, "unmonitor": 1}  # how many of the arguments may be left out
