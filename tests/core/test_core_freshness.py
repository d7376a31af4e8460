"""One file against its limits, at the boundary and on both sides of it, on both clocks.

In all of them `max_age: 5m, grace: 150s`, the file was last written at wall 12:00:00, and mono started with it at 0.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_healer.core.freshness import NEVER, Standing, Track
from supervisor_healer.core.model import FileSpec, Freshness, Now, Seen

NOON = 1_700_000_000.0
SPEC = FileSpec("a.out", max_age=300.0, grace=150.0)
FRESH, LATE, STALE, MISSING, UNKNOWN = Freshness


def at(seconds: float, step: float = 0.0) -> Now:
    return Now(NOON + seconds + step, seconds)


def seen_at(*looks: tuple[float, float | None], spec: FileSpec = SPEC) -> Track:
    """A track after looks at (mono second, mtime as a second)."""
    track = Track(spec)
    for moment, mtime in looks:
        track.see(Seen(None if mtime is None else NOON + mtime), at(moment))
    return track


def as_output(track: Track, second: float, **options: object) -> tuple[Freshness, Freshness]:
    standing = track.as_output(at(second), **options)  # type: ignore[arg-type]
    return standing.freshness, standing.counts


@pytest.mark.parametrize(
    ("second", "freshness"),
    [(0.0, FRESH), (299.9, FRESH), (300.0, LATE), (300.1, LATE), (449.9, LATE), (450.0, STALE), (450.1, STALE)],
)
def test_fresh_late_stale(second: float, freshness: Freshness):
    track = seen_at((0, 0))
    assert track.as_input(at(second)).freshness is freshness
    assert as_output(track, second) == (freshness, freshness)


def test_a_standing_knows_when_time_alone_changes_it():
    track = seen_at((0, 0))
    assert track.as_input(at(10)).changes_at == 300
    assert track.as_input(at(310)).changes_at == 450
    assert track.as_input(at(500)).changes_at == float("inf")


def test_never_looked_at_and_unreadable_are_unknown():
    track = Track(SPEC)
    assert track.as_input(at(0)) == track.as_output(at(0)) == Standing(UNKNOWN, UNKNOWN)
    track.see(Seen(None, "permission denied"), at(1))
    assert track.as_input(at(1)) == track.as_output(at(1)) == Standing(UNKNOWN, UNKNOWN)
    track.see(Seen(NOON), at(2))
    assert track.as_input(at(2)).freshness is FRESH


def test_a_file_without_max_age_is_fresh_while_it_exists():
    config = FileSpec("a.conf")
    track = seen_at((0, -1e6), spec=config)
    assert track.as_input(at(1e6)).freshness is FRESH
    assert as_output(track, 1e6) == (FRESH, FRESH)
    track.see(Seen(), at(1e6))
    assert track.as_input(at(1e6)).freshness is MISSING
    assert config.limit == float("inf")


# --- missing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "freshness"),
    [(20, FRESH), (310, LATE), (450, STALE), (459.9, STALE), (460, MISSING), (460.1, MISSING)],
)
def test_an_input_that_is_rotated_keeps_its_progress_until_it_is_gone_for_its_limit(
    second: float, freshness: Freshness
):
    track = seen_at((0, 0), (10, 0), (second, None))  # last seen at 10
    assert track.as_input(at(second)).freshness is freshness


def test_an_input_never_seen_is_missing_at_once():
    assert seen_at((0, None)).as_input(at(0)) == Standing(MISSING, MISSING)


@pytest.mark.parametrize(("second", "counts"), [(0, LATE), (449.9, LATE), (450, STALE), (450.1, STALE)])
def test_a_missing_output_counts_from_the_first_look(second: float, counts: Freshness):
    assert as_output(seen_at((0, None)), second) == (MISSING, counts)


@pytest.mark.parametrize(("second", "counts"), [(849.9, LATE), (850, STALE), (850.1, STALE)])
def test_a_missing_output_counts_from_the_start_and_its_grace(second: float, counts: Freshness):
    track = seen_at((0, None))
    assert as_output(track, second, floor=at(400)) == (MISSING, counts)


def test_a_missing_output_counts_from_its_last_progress():
    track = seen_at((0, 0), (1000, 999), (1001, None))
    assert as_output(track, 1448.9, floor=at(0)) == (LATE, LATE)
    assert as_output(track, 1449, floor=at(0)) == (STALE, STALE)
    assert as_output(track, 1450, floor=at(0)) == (MISSING, STALE)


def test_an_output_rotated_before_a_start_is_not_stale_before_the_start_has_had_its_time():
    track = seen_at((0, 0), (10, 0), (11, None))
    assert as_output(track, 20, floor=at(600)) == (FRESH, FRESH)
    assert as_output(track, 455, floor=at(600)) == (LATE, LATE)
    assert as_output(track, 460, floor=at(600)) == (MISSING, LATE)
    assert as_output(track, 1050, floor=at(600)) == (MISSING, STALE)


def test_an_operator_convicts_a_missing_output_by_one_look_and_the_wall_clock():
    assert as_output(seen_at((0, None)), 0, one_look=True) == (MISSING, STALE)
    track = seen_at((1000, None))
    assert as_output(track, 1000, one_look=True, floor=at(550.1)) == (MISSING, LATE)
    assert as_output(track, 1000, one_look=True, floor=at(550)) == (MISSING, STALE)


# --- moves ---------------------------------------------------------------------------------------------------


def test_a_move_is_put_back_on_the_monotonic_clock():
    track = seen_at((0, 0), (100, 70))
    assert track.moved_mono == 70
    assert (track.found_after, track.found_mono) == (0, 100)


def test_a_move_is_not_put_before_the_look_that_did_not_find_it_nor_after_now():
    assert seen_at((0, 0), (50, 0), (100, 20)).moved_mono == 50  # a copy that kept an older time
    assert seen_at((0, 0), (100, 100.5)).moved_mono == 100


def test_the_first_look_counts_from_now():
    track = seen_at((1000, 0))
    assert track.moved_mono == 1000
    assert track.as_input(at(1000)).freshness is STALE  # an input takes the larger age
    assert as_output(track, 1000) == (LATE, LATE)  # an output is convicted by both
    assert as_output(track, 1450) == (STALE, STALE)
    assert as_output(track, 1000, one_look=True) == (STALE, STALE)


def test_a_look_tells_whether_the_file_has_moved():
    track = Track(SPEC)
    assert not track.see(Seen(NOON), at(1))
    assert not track.see(Seen(NOON), at(2))
    assert track.see(Seen(NOON + 3), at(3))


def test_an_older_file_put_in_place_is_no_move_but_its_age_counts():
    """The newest match of a glob was removed, or a backup was put back."""
    track = seen_at((0, 0), (100, 100))
    assert not track.see(Seen(NOON - 1000), at(110))
    assert track.moved_mono == 100
    assert track.as_input(at(110)).freshness is STALE
    assert as_output(track, 110) == (LATE, LATE)


def test_moved_since_a_start_by_mtime_or_between_two_looks():
    track = seen_at((0, 0), (100, 90))
    assert track.moved_since(NOON + 80, 80)
    assert not track.moved_since(NOON + 90, 90)
    assert not Track(SPEC).moved_since(NOON, 0)
    coarse = seen_at((0, 0), (90, 0), (100, 90))  # the file system rounds 91 down to 90
    assert coarse.moved_since(NOON + 90, 90)


def test_which_of_two_files_moved_last():
    never, early, late = Track(SPEC), seen_at((0, 0), (50, 40)), seen_at((0, 0), (50, 45))
    assert late.moved_after(early)
    assert not early.moved_after(late)
    assert not early.moved_after(early)
    assert early.moved_after(never)
    assert not never.moved_after(early)


# --- timestamps in the future ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("ahead", "future"), [(0.9, False), (1.0, False), (1.1, True)])
def test_a_timestamp_in_the_future_is_one_beyond_a_second(ahead: float, future: bool):
    assert seen_at((0, ahead)).from_future is future


def test_a_file_from_the_future_ages_by_the_monotonic_clock():
    track = seen_at((0, 0), (100, 86400))
    assert track.moved_mono == 100
    assert as_output(track, 399.9) == (FRESH, FRESH)
    assert as_output(track, 550) == (STALE, STALE)
    assert as_output(track, 550, one_look=True) == (STALE, STALE)


def test_a_file_from_the_future_that_is_gone_ages_by_the_monotonic_clock():
    track = seen_at((0, 0), (100, 86400), (101, 86400), (102, None))
    assert as_output(track, 549.9) == (LATE, LATE)
    assert as_output(track, 550) == (STALE, STALE)
    assert as_output(track, 551) == (MISSING, STALE)


def test_the_order_with_a_file_from_the_future_is_that_of_the_looks():
    future, other = seen_at((0, 0), (100, 86400)), seen_at((0, 0), (120, 115))
    assert other.moved_after(future)
    assert not future.moved_after(other)


def test_the_order_of_moves_between_the_same_two_looks_is_not_known_where_mtimes_deceive():
    one, other = seen_at((0, 0), (100, 40)), seen_at((0, 0), (100, 60))
    assert other.moved_after(one)
    for track in (one, other):
        track.distrust(at(100))
    assert not other.moved_after(one)
    assert not one.moved_after(other)
    other.see(Seen(NOON + 150), at(160))
    assert other.moved_after(one)


def test_what_the_first_look_found_came_after_nothing_where_mtimes_deceive():
    one, other = seen_at((0, 0)), seen_at((0, 0))
    one.distrust(at(0))
    assert not one.moved_after(other)
    assert not other.moved_after(one)


def test_leaving_the_future_is_a_move():
    track = seen_at((0, 86400))
    assert track.see(Seen(NOON + 10), at(10))
    assert track.orderly


# --- the hold: in order, without a break ------------------------------------------------------------------------


def test_a_hold_begins_with_the_first_sight_and_lateness_does_not_break_it():
    track = seen_at((0, 0))
    assert track.held_since == 0
    track.see(Seen(NOON), at(310))
    assert track.as_input(at(310)).freshness is LATE
    assert track.held_since == 0


@pytest.mark.parametrize("broken", [Seen(None, "unreadable"), Seen(NOON)])
def test_a_hold_is_broken_by_staleness_and_by_an_unreadable_file(broken: Seen):
    track = seen_at((0, 0))
    track.see(broken, at(450))
    assert track.held_since is None


def test_a_hold_is_broken_by_absence_for_the_limit():
    track = seen_at((0, 0), (400, 400), (449, None))
    assert track.held_since == 0
    track.see(Seen(), at(860))
    assert track.held_since is None


def test_a_hold_begins_anew_with_the_move():
    track = seen_at((0, 0), (460, 0), (500, 490))
    assert track.held_since == 490


@pytest.mark.parametrize(("moved", "held"), [(449.9, 0), (450, 450), (451, 451)])
def test_a_hold_is_broken_by_a_gap_that_no_look_has_seen(moved: float, held: float):
    assert seen_at((0, 0), (460, moved)).held_since == held


def test_after_its_producer_was_restarted_only_a_move_begins_a_hold():
    track = seen_at((0, 0))
    track.break_hold()
    track.see(Seen(NOON), at(10))
    assert track.held_since is None
    track.see(Seen(NOON + 20), at(25))
    assert track.held_since == 20
    assert not track.hold_needs_move


def test_an_unreadable_file_begins_its_hold_anew_when_it_can_be_read():
    track = seen_at((0, 0))
    track.see(Seen(None, "unreadable"), at(10))
    track.see(Seen(NOON), at(20))
    assert track.held_since == 20


# --- a clock that cannot be trusted ------------------------------------------------------------------------------


def test_after_distrust_every_age_counts_from_now():
    track = seen_at((0, 0), (100, 100))
    track.distrust(at(400, step=7200))
    assert track.moved_mono == 400
    assert track.first_look == 400
    assert track.held_since == 400
    assert track.as_output(at(500, step=7200)).counts is LATE  # two hours old by the wall clock
    assert track.as_output(at(850, step=7200)).counts is STALE


def test_after_distrust_the_order_is_that_of_the_looks_until_a_file_moves_again():
    output, source = seen_at((0, 0), (100, 100)), seen_at((0, 0), (100, 99))
    for track in (output, source):
        track.distrust(at(200, step=-7200))
    source.see(Seen(NOON + 300 - 7200), at(300, step=-7200))
    assert source.moved_after(output)
    assert not output.moved_after(source)


def test_distrust_of_a_file_that_was_never_seen_changes_nothing():
    track = Track(SPEC)
    track.distrust(at(5))
    assert track == Track(SPEC)
    missing = seen_at((0, None))
    missing.distrust(at(5))
    assert missing.first_look == 5
    assert missing.mtime is None


def test_after_a_step_back_the_next_write_is_a_move():
    track = seen_at((0, 0), (100, 100))
    track.distrust(at(110, step=-6))
    assert track.see(Seen(NOON + 112 - 15), at(112, step=-6))


# --- memory ------------------------------------------------------------------------------------------------------

moments = st.floats(0, 1e6)


@given(st.lists(st.tuples(moments, st.one_of(st.none(), moments), st.booleans()), max_size=6), st.booleans())
def test_a_track_survives_json(looks: list[tuple[float, float | None, bool]], distrusted: bool):
    track = Track(SPEC)
    for moment, mtime, readable in sorted(looks, key=lambda look: look[0]):
        track.see(Seen(None if mtime is None else NOON + mtime, "" if readable else "unreadable"), at(moment))
    if distrusted:
        track.distrust(at(1e6))
    again = Track(SPEC)
    again.recall(json.loads(json.dumps(track.memory(), allow_nan=False)))
    if looks:
        track.problem = ""  # what was unreadable is looked at anew
        assert again == track
    else:
        assert track.memory() == {}


def test_a_damaged_memory_is_as_good_as_none():
    track = Track(SPEC)
    track.recall({"looked": "?", "mtime": "x", "first_look": None})
    assert track.mtime is None
    assert track.first_look == 0.0
    assert track.moved_mono == NEVER
