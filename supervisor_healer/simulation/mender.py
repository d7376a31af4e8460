"""What stands in the simulated configs, and who checks and mends: a child as slow and as wilful as the world wants it.

The content of a config is a word for how it stands and a text that tells it from others (its digest). What the child
has checked holds as long as the content is the same. An order is carried out half its time before it is answered, so
that a healer can be killed before, between and after.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from supervisor_healer.core.model import ConfigSpec, Seen
from supervisor_healer.core.news import ConfigFound, ConfigState, Mended
from supervisor_healer.core.orders import Create, Repair, Restore
from supervisor_healer.simulation.disk import Disk
from supervisor_healer.simulation.healer import Healer
from supervisor_healer.simulation.promises import Promises
from supervisor_healer.simulation.timeline import Timeline

VALID, INVALID, HOPELESS, UNREADABLE, MISSING = "valid", "invalid", "hopeless", "unreadable", "missing"
PARTLY = "partly"  # what can be repaired of it does not make it valid
UNCHECKED = "could not be checked"  # its check takes too long and is given up

#: How a config stands -> what a check of it finds: its state, what is wrong, what a repair would do.
STATES: Mapping[str, tuple[ConfigState, tuple[str, ...], tuple[str, ...]]] = {
    VALID: (ConfigState.VALID, (), ()),
    INVALID: (ConfigState.INVALID, ("long is missing",), ("long added: 0.5",)),
    HOPELESS: (ConfigState.INVALID, ("long is 7, at most 1",), ()),
    PARTLY: (ConfigState.INVALID, ("long is missing", "short is 9, at most 1"), ("long added: 0.5",)),
    UNREADABLE: (ConfigState.UNREADABLE, ("line 3, column 9: expected a value",), ()),
    UNCHECKED: (ConfigState.UNCHECKED, ("it took longer than 20s",), ()),
    MISSING: (ConfigState.MISSING, ("it is not there",), ()),
}
NEVER = float("inf")  # as a delay

Fingerprint = tuple[float | None, str]


@dataclass(frozen=True)
class Content:
    """What stands in a config: `how`, a key of STATES, and its `text`."""

    how: str
    text: str


class Mender:
    """`delay` is how long an order takes, `checking` how long a check, in seconds; NEVER: no answer comes.

    `outcomes`: path -> what comes of its orders, `done`, or `failed` or `changed` for one of the `reasons`.
    """

    def __init__(
        self, time: Timeline, disk: Disk, specs: Mapping[str, ConfigSpec], promises: Promises, healer: Healer
    ) -> None:
        self.specs = specs
        self.delay, self.checking = 0.2, 0.05
        self.outcomes: dict[str, str] = {}
        self.reasons = {"failed": "No space left on device", "changed": "somebody is editing it"}
        self.contents: dict[str, Content] = {}
        self.backups: dict[str, list[Content]] = defaultdict(list)
        self.checks: Counter[str] = Counter()
        self.put_back: dict[str, str] = {}  # path -> the text that an operator has put back
        self._time, self._disk, self._promises, self._healer = time, disk, promises, healer
        self._texts = count(1)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Another healer, with another child: nothing is checked, and no answer of before comes any more."""
        self.known: dict[str, Fingerprint] = {}
        self._asked: set[str] = set()
        self._busy: set[str] = set()

    # --- what stands there ---------------------------------------------------------------------------------------

    def edit(self, path: str, how: str = VALID, text: str = "") -> None:
        """Somebody writes the config, or takes it away."""
        if self._intent(path):  # to a healer that comes back this is the mending that was cut short
            self._promises.wished(self._readers(path))
        self.contents[path] = Content(how, "" if how == MISSING else text or self._new_text())
        if how == MISSING:
            self._disk.remove(path)
        else:
            self._disk.write(path, "a person")

    def is_sound(self, path: str) -> bool:
        """Whether it is valid, and the child has said so."""
        return self.contents[path].how == VALID and self.known.get(path) == self._fingerprint(path)

    def found(self, path: str) -> ConfigFound:
        """What a check of it finds."""
        content = self.contents[path]
        state, problems, repairs = STATES[content.how]
        if content.how == MISSING and self.specs[path].create:
            repairs = ("made from its defaults",)
        return ConfigFound(path, state, problems, repairs, "" if content.how == UNCHECKED else content.text)

    def _intent(self, path: str) -> str:
        """What a healer has begun with it, as the journal says; '' nothing."""
        match self._healer.store.remembered("care", path):
            case {"intent": [str(verb), *_]}:
                return verb
        return ""

    def _readers(self, path: str) -> tuple[str, ...]:
        return self.specs[path].restarted if path in self.specs else ()

    def _new_text(self) -> str:
        return f"text {next(self._texts)}"

    def _fingerprint(self, path: str) -> Fingerprint:
        return self._disk.file(path).mtime, self.contents[path].text

    # --- looking and checking ------------------------------------------------------------------------------------

    def look(self, path: str, seen: Seen) -> Seen:
        """A look at a config, otherwise as `seen`: it has to be checked first, unless that very content was."""
        if path not in self.contents or seen.problem:
            return seen
        if self.known.get(path) != self._fingerprint(path):
            self._check(path)
            return Seen(seen.mtime, "is being checked", passing=True)
        how = self.contents[path].how
        return seen if how in (VALID, MISSING) else Seen(seen.mtime, f"{how}: {STATES[how][1][0]}")

    def _check(self, path: str) -> None:
        if path in self._asked:
            return
        self._asked.add(path)
        life = self._healer.life

        def answer() -> None:
            if life == self._healer.life:
                self.checks[path] += 1
                self._asked.discard(path)
                self.known[path] = self._fingerprint(path)
                self._healer.hear(self.found(path))

        if self.checking < NEVER:
            self._time.after(self.checking, answer)

    # --- orders --------------------------------------------------------------------------------------------------

    def take(self, order: Create | Repair | Restore) -> None:
        """An order of the healer's; begun, it ends with the child, and it is answered to this healer only."""
        path, life, ordered = order.path, self._healer.life, self._time.mono
        answers: list[Mended] = []
        stood: dict[str, Fingerprint] = {}  # what the answer is about
        readers = self._readers(path)
        self._check_order(order)
        self._busy.add(path)

        def act() -> None:
            if life == self._healer.life:
                answers.append(self._carry_out(order, ordered))
                if answers[0].outcome == "done":
                    self._promises.wished(readers)
                if path in self.contents:
                    stood[path] = self._fingerprint(path)

        def answer() -> None:
            if life == self._healer.life:
                self._busy.discard(path)
                self.known.update(stood)
                self._healer.hear(answers[0])

        if self.delay < NEVER:
            self._time.after(self.delay / 2, act)
            self._time.after(self.delay, answer)

    def _carry_out(self, order: Create | Repair | Restore, ordered: float) -> Mended:
        path, verb = order.path, type(order).__name__.lower()
        outcome = self.outcomes.get(path, "done")
        if outcome != "done":
            return Mended(verb, path, outcome, (self.reasons[outcome],), found=self._found(path))
        match order:
            case Create():
                if self._disk.file(path).mtime is not None:
                    return Mended(verb, path, "unneeded", ("it is there",))
                self._disk.file(path).mtime = float(order.mtime)
                self._promises.mended(path, ordered)
                return Mended(verb, path, "done", ("made empty",), mtime=float(order.mtime))
            case Repair():
                if self.contents[path].text != order.digest:
                    return Mended(verb, path, "changed", (self.reasons["changed"],), found=self._found(path))
                self._promises.mended(path, ordered)
                how = HOPELESS if self.contents[path].how == PARTLY else VALID
                return self._replace(path, verb, Content(how, self._new_text()), "long added: 0.5")
            case Restore():
                if not self.backups[path]:
                    return Mended(verb, path, "failed", ("there is no backup",), found=self._found(path))
                restored = self.backups[path].pop()
                self.put_back[path] = restored.text
                return self._replace(path, verb, restored, "the newest backup is back")

    def _replace(self, path: str, verb: str, content: Content, said: str) -> Mended:
        if self.contents[path].how != MISSING:
            self.backups[path].append(self.contents[path])
        self.contents[path] = content
        self._disk.file(path).mtime = self._time.wall  # not `write`: it is no progress
        return Mended(verb, path, "done", (said,), f"{path}.bak", self._found(path), self._time.wall)

    def _found(self, path: str) -> ConfigFound | None:
        return self.found(path) if path in self.contents else None

    # --- the promises --------------------------------------------------------------------------------------------

    def _check_order(self, order: Create | Repair | Restore) -> None:
        path = order.path
        if path in self._busy:
            self._promises.violate("mends", f"{order} while it is being mended")
        if isinstance(order, Create):
            if self._healer.store.remembered("file", path).get("own") != [float(order.mtime), None]:
                self._promises.violate("mends", f"{order} was not remembered before")
        elif self._intent(path) != type(order).__name__.lower():
            self._promises.violate("mends", f"{order} was not remembered before")
        if isinstance(order, Repair) and self.put_back.get(path) == self.contents[path].text:
            self._promises.violate("mends", f"{order} although an operator has put it back")
        self._promises.mend_ordered(order)
