"""One file: what the looks at it have found, and how it stands against its limits on both clocks.

The wall clock is what an mtime is written in, and it can be stepped. The monotonic clock cannot, but knows only what
we have seen ourselves. So a worker is convicted by its output only when both say so, and an input counts as fresh only
when neither objects. Worked example, `max_age: 5m, grace: 150s`, last written at 12:00:00: late from 12:05:00,
stale from 12:07:30. A healer that starts at 12:20 without a journal sees 20 minutes on the wall clock but 0 on
its own: late until 12:27:30, then stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from supervisor_healer.core.model import FileSpec, Freshness, Now, Seen

SAME_MTIME = 1e-6  # seconds; an mtime read as a whole number of nanoseconds differs from the float by less
FUTURE_TOLERANCE = 1.0  # seconds an mtime may lie ahead of the wall clock before it is called a future one
NEVER = float("-inf")
INFINITE = float("inf")


class OwnWrite(NamedTuple):
    """The healer's own last write of a file, by its mtime; `before` is that of the last real one, None if none."""

    mtime: float
    before: float | None = None


class Standing(NamedTuple):
    """How a file stands. `counts` is what a judgement uses (a missing output counts as late, then as stale).

    `changes_at` is the next mono moment at which time alone changes it, infinite if it does not.
    """

    freshness: Freshness
    counts: Freshness
    changes_at: float = INFINITE


@dataclass(slots=True)
class Track:
    """What is known of one file. Wall times are mtimes; `*_mono` are moments of the monotonic clock.

    `moved_mono` is the progress put back on the monotonic clock, or when the clock was last distrusted; to a reader the
    file is as old as `still_since`, the same but for the distrust, which must make no input fresh. The move came after
    the look at `found_after` (NEVER for what the first look found) and was found by the one at `found_mono`.
    `aged_from` is the moment from which a person counts the file's age, `held_since` since when it has been neither
    stale, missing nor unknown. `gone_since` is the look that first found it gone, None while it is there. `orderly`:
    its mtime can be compared with another's. `own` is the healer's own write, which is no progress: a file that only
    the healer has written is a `placeholder`, and missing; `last` is the mtime at the last look without it. `ground` is
    what is wrong with the file system under it, `sound_since` since when that is over.
    """

    spec: FileSpec
    looked: Now | None = None
    first_look: float = NEVER
    problem: str = ""
    present: bool = False
    seen_mono: float = NEVER
    gone_since: float | None = None
    mtime: float | None = None
    moved_mono: float = NEVER
    still_since: float = NEVER
    found_after: float = NEVER
    found_mono: float = NEVER
    aged_from: float | None = None
    from_future: bool = False
    orderly: bool = True
    held_since: float | None = None
    hold_needs_move: bool = False
    passing: bool = False
    passing_since: float = NEVER
    own: OwnWrite | None = None
    last: float | None = field(default=None, compare=False)
    placeholder: bool = False
    ground: str = ""
    sound_since: float = NEVER

    def see(self, seen: Seen, now: Now) -> bool:
        """Take in one look; whether it found that the file has moved."""
        before = self.looked
        if before is None:
            self.first_look = now.mono
        self.looked = now
        if seen.passing and not self.passing:
            self.passing_since = now.mono
        self.problem, self.passing = seen.problem, seen.passing
        if seen.ground is not None:
            if self.ground and not seen.ground:
                self.sound_since = now.mono
            self.ground = seen.ground
        if seen.mtime is not None or seen.problem:
            self.gone_since = None
        elif self.gone_since is None:
            self.gone_since = now.mono
        self.last = mtime = self._without_own(seen.mtime)
        self.present = mtime is not None and (not seen.problem or seen.passing)
        moved = False
        if self.present and mtime is not None:
            self.seen_mono = now.mono
            moved = mtime != self.mtime and self._take(mtime, before, now)
            if mtime > now.wall + FUTURE_TOLERANCE:
                self.from_future, self.orderly = True, False
                self.aged_from = self.moved_mono
        if not self.passing:
            self._hold(now)
        return moved

    def _without_own(self, mtime: float | None) -> float | None:
        """The mtime without the healer's own write: the one before that, none for a file that only it has made."""
        self.placeholder = False
        own = self.own
        if own is None or mtime is None or self.spec.max_age is None:
            return mtime
        if abs(mtime - own.mtime) >= SAME_MTIME:
            self.own = None  # somebody else has written it since
            return mtime
        self.placeholder = own.before is None
        return own.before

    def _take(self, mtime: float, before: Now | None, now: Now) -> bool:
        """A changed mtime. One that went back is older content put in place: its age counts, it did not move."""
        went_back = self.mtime is not None and mtime < self.mtime and self.orderly
        self.mtime = mtime
        put_back = now.mono - (now.wall - mtime)
        self.aged_from = min(put_back, now.mono)
        if went_back:
            return False
        previous = self.moved_mono
        earliest = before.mono if before is not None else now.mono
        self.moved_mono = self.still_since = min(max(put_back, earliest), now.mono)
        self.found_mono = now.mono
        if before is not None:
            self.found_after = before.mono
        self.from_future, self.orderly = False, True
        if before is not None and self.moved_mono - previous >= self.spec.limit:
            self.held_since = None  # it was stale in between, though no look has found it so
        if self.hold_needs_move or self.held_since is None:
            self.held_since = self.moved_mono
            self.hold_needs_move = False
        return before is not None

    def _hold(self, now: Now) -> None:
        counts = self.as_input(now).counts
        if counts not in (Freshness.FRESH, Freshness.LATE) or self.hold_needs_move:
            self.held_since = None
        elif self.held_since is None:
            self.held_since = now.mono

    def break_hold(self) -> None:
        """Its producer is being restarted: only a move from now on begins the hold anew."""
        self.held_since, self.hold_needs_move = None, True

    def wrote(self, mtime: float) -> None:
        """The healer has changed it, as of this mtime: the progress that there was stays what it is."""
        self.own = OwnWrite(mtime, self.last)

    def distrust(self, now: Now) -> None:
        """The clock was stepped, or we slept: count from here, and trust no older mtime for the order of two files."""
        if self.mtime is not None:
            self.moved_mono = now.mono
            self.aged_from = now.mono - max(0.0, now.wall - self.mtime)
            self.orderly = False
        if self.first_look != NEVER:
            self.first_look = now.mono
        if self.held_since is not None:
            self.held_since = now.mono

    def ages(self, now: Now) -> tuple[float, float]:
        """(by the wall clock, by the monotonic one) in seconds, of a file that has been seen."""
        assert self.mtime is not None
        mono = now.mono - self.moved_mono
        return (mono if self.from_future else max(0.0, now.wall - self.mtime)), mono

    def _gone(self, now: Now) -> bool:
        """Gone for so long that it is missing, not being rotated or replaced."""
        if self.present:
            return False
        return self.placeholder or self.mtime is None or now.mono - self.seen_mono >= self.spec.limit

    def as_input(self, now: Now) -> Standing:
        """As a reader must see it: the larger of the two ages counts, and no distrust makes it younger."""
        if self.looked is None or self.problem:
            return Standing(Freshness.UNKNOWN, Freshness.UNKNOWN)
        if self.spec.max_age is None:
            return self._as_config()
        if self._gone(now):
            return Standing(Freshness.MISSING, Freshness.MISSING)
        age = max(*self.ages(now), now.mono - self.still_since)
        return self._standing(now, age, age)

    def _as_config(self) -> Standing:
        """It need not move: fresh while it is there."""
        here = Freshness.FRESH if self.present else Freshness.MISSING
        return Standing(here, here)

    def as_output(self, now: Now, *, floor: Now | None = None, one_look: bool = False) -> Standing:
        """As its producer is judged by it: late as soon as one clock says so, stale only when both do.

        `floor` is the producer's start plus its start-up grace, from which a missing output's time counts.
        `one_look` judges by the wall clock alone: an operator has asked and does not want to wait.
        """
        if self.looked is None or (self.problem and not self.passing):
            return Standing(Freshness.UNKNOWN, Freshness.UNKNOWN)
        if self.spec.max_age is None:
            return self._as_config()
        if not self.present:
            return self._absent_output(now, floor, one_look)
        wall, mono = self.ages(now)
        return self._standing(now, wall, wall) if one_look else self._standing(now, max(wall, mono), min(wall, mono))

    def _absent_output(self, now: Now, floor: Now | None, one_look: bool) -> Standing:
        """Not there: its time counts from its last progress, or from the producer's start if that came later."""
        wall_from = NEVER if self.mtime is None or self.from_future else self.mtime
        mono_from = max(self.moved_mono, self.first_look)
        if floor is not None:
            wall_from, mono_from = max(wall_from, floor.wall), max(mono_from, floor.mono)
        by_wall = now.mono - (now.wall - wall_from) + self.spec.limit
        deadline = by_wall if one_look else max(by_wall, mono_from + self.spec.limit)
        if now.mono >= deadline:
            return Standing(Freshness.MISSING if self._gone(now) else Freshness.STALE, Freshness.STALE)
        if self._gone(now):
            return Standing(Freshness.MISSING, Freshness.LATE, deadline)
        age = max(self.ages(now))  # rotated or being replaced
        return self._standing(now, age, min(age, self.spec.limit - (deadline - now.mono)))

    def _standing(self, now: Now, age_for_late: float, age_for_stale: float) -> Standing:
        """Deadline first, then one comparison: stale is `age >= max_age + grace`."""
        if age_for_stale >= self.spec.limit:
            return Standing(Freshness.STALE, Freshness.STALE)
        if self.spec.max_age is not None and age_for_late < self.spec.max_age:
            return Standing(Freshness.FRESH, Freshness.FRESH, now.mono + self.spec.max_age - age_for_late)
        return Standing(Freshness.LATE, Freshness.LATE, now.mono + self.spec.limit - age_for_stale)

    def moved_since(self, wall: float, mono: float) -> bool:
        """Whether it moved after a moment given on both clocks (a start): by its mtime, or between two looks since.

        The second also holds on file systems whose mtimes have a coarse grain.
        """
        if self.mtime is None:
            return False
        return (self.orderly and self.mtime > wall) or self.found_after >= mono

    def moved_after(self, other: Track) -> bool:
        """Whether its last move came after the other file's: by mtimes where both can be trusted, else as seen.

        As seen: the other's move had been found by a look after which ours came. Which of two moves between the same
        looks came first is not known, and then no work is pending.
        """
        if self.mtime is None or other.mtime is None:
            return self.mtime is not None
        if self.orderly and other.orderly:
            return self.mtime > other.mtime
        earliest = self.moved_mono if self.orderly else self.found_after
        latest = other.moved_mono if other.orderly else other.found_mono
        return self.found_after > NEVER and earliest >= latest

    def memory(self) -> dict[str, object]:
        """What a healer that starts later needs to know, as plain JSON values."""
        if self.looked is None:
            return {} if self.own is None else {"own": list(self.own)}
        return {
            "looked": [self.looked.wall, self.looked.mono], "first_look": self.first_look, "present": self.present,
            "seen_mono": _finite(self.seen_mono), "mtime": self.mtime, "moved_mono": _finite(self.moved_mono),
            "still_since": _finite(self.still_since),
            "found_mono": _finite(self.found_mono), "found_after": _finite(self.found_after),
            "aged_from": self.aged_from, "from_future": self.from_future, "orderly": self.orderly,
            "held_since": self.held_since, "hold_needs_move": self.hold_needs_move,
            "gone_since": self.gone_since, "own": None if self.own is None else list(self.own),
        }  # fmt: skip

    def recall(self, memory: Mapping[str, object]) -> None:
        """Take back what `memory` gave, on the same boot (the monotonic clock must be the same one)."""
        self.recall_own(memory)
        if "looked" not in memory:
            return
        wall, mono = _pair(memory.get("looked"))
        self.looked = Now(wall, mono)
        self.first_look = _number(memory.get("first_look"), mono)
        self.present = memory.get("present") is True
        self.seen_mono = _number(memory.get("seen_mono"), NEVER)
        self.mtime = _optional(memory.get("mtime"))
        self.moved_mono = _number(memory.get("moved_mono"), NEVER)
        self.still_since = _number(memory.get("still_since"), self.moved_mono)
        self.found_mono = _number(memory.get("found_mono"), NEVER)
        self.found_after = _number(memory.get("found_after"), NEVER)
        self.aged_from = _optional(memory.get("aged_from"))
        self.from_future = memory.get("from_future") is True
        self.orderly = memory.get("orderly") is not False
        self.held_since = _optional(memory.get("held_since"))
        self.hold_needs_move = memory.get("hold_needs_move") is True
        self.gone_since = _optional(memory.get("gone_since"))

    def recall_own(self, memory: Mapping[str, object]) -> None:
        """Take back which mtime is the healer's own: that holds on any boot."""
        match memory.get("own"):
            case [int() | float() as mtime, int() | float() | None as before]:
                self.own = OwnWrite(float(mtime), before)


def _finite(value: float) -> float | None:
    return None if value == NEVER else value


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, (int, float)) else default


def _optional(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _pair(value: object) -> tuple[float, float]:
    if isinstance(value, list) and len(value) == 2:
        return _number(value[0], 0.0), _number(value[1], 0.0)
    return 0.0, 0.0
