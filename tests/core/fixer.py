"""What stands in the world's configs, and who checks and mends: a child as slow and as wilful as a test wants it.

The content of a config is a word for how it stands and a text that tells it from others (its digest). What the child
has checked holds as long as the content is the same. An order is carried out half its time before it is answered, so
that a healer can be killed before, between and after.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from supervisor_healer.core.care import MENDS
from supervisor_healer.core.model import ConfigSpec, Seen
from supervisor_healer.core.news import ConfigFound, ConfigState, Mended, RestoreRequest
from supervisor_healer.core.orders import Create, Repair, Restore

if TYPE_CHECKING:
    from world import World

VALID, INVALID, HOPELESS, UNREADABLE, MISSING = "valid", "invalid", "hopeless", "unreadable", "missing"
PARTLY = "partly"  # what can be repaired of it does not make it valid
UNCHECKED = "could not be checked"  # its check takes too long and is given up
STATES = {
    VALID: (ConfigState.VALID, (), ()),
    INVALID: (ConfigState.INVALID, ("long is missing",), ("long added: 0.5",)),
    HOPELESS: (ConfigState.INVALID, ("long is 7, at most 1",), ()),
    PARTLY: (ConfigState.INVALID, ("long is missing", "short is 9, at most 1"), ("long added: 0.5",)),
    UNREADABLE: (ConfigState.UNREADABLE, ("line 3, column 9: expected a value",), ()),
    UNCHECKED: (ConfigState.UNCHECKED, ("it took longer than 20s",), ()),
    MISSING: (ConfigState.MISSING, ("it is not there",), ()),
}
NEVER = float("inf")  # as a delay


@dataclass(frozen=True)
class Content:
    how: str
    text: str


@dataclass
class Fixer:
    """`delay` is how long an order takes, `checking` how long a check; NEVER: no answer comes."""

    world: World
    specs: Mapping[str, ConfigSpec]
    delay: float = 0.2
    checking: float = 0.05
    outcomes: dict[str, str] = field(default_factory=dict)  # path -> what comes of its orders: done, failed, changed
    reasons: dict[str, str] = field(
        default_factory=lambda: {"failed": "No space left on device", "changed": "somebody is editing it"}
    )
    contents: dict[str, Content] = field(default_factory=dict)
    backups: dict[str, list[Content]] = field(default_factory=lambda: defaultdict(list))
    checks: Counter[str] = field(default_factory=Counter)
    orders: list[tuple[float, Create | Repair | Restore]] = field(default_factory=list)
    done: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    put_back: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._texts = count(1)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Another healer, with another child: nothing is checked, and no answer of before comes any more."""
        self._life = object()
        self.known: dict[str, tuple[float | None, str]] = {}
        self._asked: set[str] = set()
        self._busy: set[str] = set()

    # --- what stands there ---------------------------------------------------------------------------------------

    def edit(self, path: str, how: str = VALID, text: str = "") -> None:
        """Somebody writes the config, or takes it away."""
        self.contents[path] = Content(how, "" if how == MISSING else text or f"text {next(self._texts)}")
        if how == MISSING:
            self.world.remove(path)
        else:
            self.world.write(path, "a person")

    def fingerprint(self, path: str) -> tuple[float | None, str]:
        return self.world.file(path).mtime, self.contents[path].text

    def is_sound(self, path: str) -> bool:
        """Whether it is valid, and the child has said so."""
        return self.contents[path].how == VALID and self.known.get(path) == self.fingerprint(path)

    def found(self, path: str) -> ConfigFound:
        content = self.contents[path]
        state, problems, repairs = STATES[content.how]
        if content.how == MISSING and self.specs[path].create:
            repairs = ("made from its defaults",)
        return ConfigFound(path, state, problems, repairs, "" if content.how == UNCHECKED else content.text)

    # --- looking and checking ------------------------------------------------------------------------------------

    def look(self, path: str, seen: Seen) -> Seen:
        """A look at a config: it has to be checked first, unless that very content was."""
        if path not in self.contents or seen.problem:
            return seen
        if self.known.get(path) != self.fingerprint(path):
            self._check(path)
            return Seen(seen.mtime, "is being checked", passing=True)
        how = self.contents[path].how
        return seen if how in (VALID, MISSING) else Seen(seen.mtime, f"{how}: {STATES[how][1][0]}")

    def _check(self, path: str) -> None:
        if path in self._asked:
            return
        self._asked.add(path)
        life = self._life

        def answer() -> None:
            if life is self._life:
                self.checks[path] += 1
                self._asked.discard(path)
                self.known[path] = self.fingerprint(path)
                self.world.tell_healer(self.found(path))

        if self.checking < NEVER:
            self.world.after(self.checking, answer)

    # --- orders --------------------------------------------------------------------------------------------------

    def take(self, order: Create | Repair | Restore) -> None:
        """An order of the healer's; it is carried out whatever becomes of him, and answered to this healer only."""
        path, life, ordered = order.path, self._life, self.world.mono
        answers: list[Mended] = []
        stood: dict[str, tuple[float | None, str]] = {}  # what the answer is about
        self.orders.append((self.world.elapsed, order))
        self._check_order(order)
        self._busy.add(path)

        def act() -> None:
            if life is self._life:
                answers.append(self._carry_out(order, ordered))
                if path in self.contents:
                    stood[path] = self.fingerprint(path)

        def answer() -> None:
            if life is self._life:
                self._busy.discard(path)
                self.known.update(stood)
                self.world.tell_healer(answers[0])

        if self.delay < NEVER:
            self.world.after(self.delay / 2, act)
            self.world.after(self.delay, answer)

    def _carry_out(self, order: Create | Repair | Restore, ordered: float) -> Mended:
        path, verb = order.path, type(order).__name__.lower()
        outcome = self.outcomes.get(path, "done")
        if outcome != "done":
            return Mended(verb, path, outcome, (self.reasons[outcome],), found=self._found(path))
        match order:
            case Create():
                if self.world.file(path).mtime is not None:
                    return Mended(verb, path, "unneeded", ("it is there",))
                self.world.file(path).mtime = float(order.mtime)
                self.done[path].append(ordered)
                return Mended(verb, path, "done", ("made empty",), mtime=float(order.mtime))
            case Repair():
                if self.contents[path].text != order.digest:
                    return Mended(verb, path, "changed", ("somebody is editing it",), found=self._found(path))
                self.done[path].append(ordered)
                how = HOPELESS if self.contents[path].how == PARTLY else VALID
                return self._replace(path, verb, Content(how, f"text {next(self._texts)}"), "long added: 0.5")
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
        self.world.file(path).mtime = self.world.wall  # not `write`: it is no progress
        return Mended(verb, path, "done", (said,), f"{path}.bak", self._found(path), self.world.wall)

    def _found(self, path: str) -> ConfigFound | None:
        return self.found(path) if path in self.contents else None

    # --- the promises --------------------------------------------------------------------------------------------

    def _check_order(self, order: Create | Repair | Restore) -> None:
        world, path = self.world, order.path
        if world.mode.value == "observe" or world.halted:
            world.broken(f"{order} in mode observe, or after the halt")
        if path in self._busy:
            world.broken(f"{order} while it is being mended")
        if isinstance(order, Create):
            if world.remembered("file", path).get("own") != [float(order.mtime), None]:
                world.broken(f"{order} was not remembered before")
        elif (world.remembered("care", path).get("intent") or [""])[0] != type(order).__name__.lower():
            world.broken(f"{order} was not remembered before")
        if isinstance(order, Repair) and self.put_back.get(path) == self.contents[path].text:
            world.broken(f"{order} although an operator has put it back")
        recent = [moment for moment in self.done[path] if world.mono - moment < MENDS.within]
        if not isinstance(order, Restore) and len(recent) >= MENDS.max:
            world.broken(f"{order} after {len(recent)} others")

    # --- operators -----------------------------------------------------------------------------------------------

    def restore(self, path: str, id: str) -> str:  # noqa: A002
        self.world.tell_healer(RestoreRequest(id, path))
        return id
