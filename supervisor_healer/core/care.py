"""What is known of the mending of one file or config: what is under way, what came of it, what outlives the healer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from supervisor_healer.core.model import Intensity, Now
from supervisor_healer.core.news import ConfigFound, ConfigState

MENDS = Intensity(6, 3600.0)  # of one file: more than that is a fight with somebody
SETTLED = 2.0  # seconds that a file must have been gone before the cycle makes it anew: it may be being replaced
PATIENCE = 60.0  # seconds after which nobody waits any more for what is being mended; it goes on
CHECK_PATIENCE = 10.0  # ... and for what is being checked


@dataclass(slots=True)
class Care:
    """What is done about one file or config.

    `busy` is what is under way ('' nothing) since `began` (mono), `trouble` why it could not be mended. `mends` are the
    moments (mono) of the last mends, `said` what was last told of it in the history, `outcome` what came of it in the
    last round, as an exit status and in words.
    """

    busy: str = ""
    began: float = 0.0
    trouble: str = ""
    mends: list[float] = field(default_factory=list)
    said: str = ""
    outcome: tuple[int, str] | None = None

    def is_awaited(self, now: Now) -> bool:
        """Whether it is being mended, and somebody may still wait for that."""
        return bool(self.busy) and now.mono < self.began + PATIENCE

    def is_fine(self) -> None:
        """There is nothing to be mended, whoever has seen to that: what comes next is told anew."""
        self.trouble = self.said = ""

    def as_json(self) -> dict[str, object]:
        """What must outlive the healer, as plain JSON values."""
        return {"mends": list(self.mends)}

    def recall(self, data: Mapping[str, Any], past: Callable[[float], float]) -> None:
        """Take back what `as_json` gave; `past` puts a moment on this monotonic clock."""
        self.mends = [past(moment) for moment in data["mends"]]


@dataclass(slots=True)
class ConfigCare(Care):
    """Of a config besides: what the last check `found`, and more that must outlive the healer.

    `left_alone`: the content (digest) that an operator has put back. `intent`: the verb of what was begun, the digest
    before it, and the request it is for. `asked`: a request to restore it, which waits for its first check.
    `answered`: what became of the last requests. `backup`: the last one that we know of. `trouble_of`: the content
    (digest) that the trouble was about, None for whatever stands there.
    """

    found: ConfigFound | None = None
    trouble_of: str | None = None
    backup: str = ""
    left_alone: str = ""
    intent: tuple[str, str, str] | None = None
    asked: str = ""
    answered: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def is_left_alone(self) -> bool:
        """Whether an operator has put back just this content."""
        return self.found is not None and bool(self.left_alone) and self.found.digest == self.left_alone

    @property
    def is_valid(self) -> bool:
        """Whether the last check has found nothing wrong."""
        return self.found is not None and self.found.state is ConfigState.VALID

    def take(self, found: ConfigFound) -> None:
        """What a check has found. Trouble with another content is over; a valid one has none."""
        self.found = found
        if self.trouble_of is not None and self.trouble_of != found.digest:
            self.trouble, self.trouble_of = "", None
        if self.is_valid:
            self.is_fine()

    def as_json(self) -> dict[str, object]:
        """What must outlive the healer, as plain JSON values."""
        return {
            "left_alone": self.left_alone,
            "mends": list(self.mends),
            "intent": None if self.intent is None else list(self.intent),
            "answered": self.answered,
            "backup": self.backup,
        }

    def recall(self, data: Mapping[str, Any], past: Callable[[float], float]) -> None:
        """Take back what `as_json` gave; `past` puts a moment on this monotonic clock."""
        Care.recall(self, data, past)
        self.left_alone = str(data["left_alone"])
        if data["intent"] is not None:
            verb, digest, request = map(str, data["intent"])
            self.intent = (verb, digest, request)
        self.answered = dict(data["answered"])
        self.backup = str(data.get("backup", ""))
