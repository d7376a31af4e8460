"""What a look shows of the simulated files, and what is true of them."""

from __future__ import annotations

import pytest

from supervisor_healer.core.model import Seen
from supervisor_healer.simulation.disk import Disk, written_as
from supervisor_healer.simulation.timeline import BOOT, EPOCH, HOUR, Timeline


@pytest.fixture
def time() -> Timeline:
    return Timeline()


@pytest.fixture
def disk(time: Timeline) -> Disk:
    return Disk(time)


def test_a_write_moves_the_mtime_and_is_known_by_its_writer(time: Timeline, disk: Disk):
    assert disk.look("x") == Seen(None, ground="")
    time.mono += 7.0
    disk.write("x", "a", generation=3)
    assert disk.look("x") == Seen(EPOCH + 7.0, ground="")
    assert disk.file("x").last_by == {"a": (BOOT + 7.0, 3)}


@pytest.mark.parametrize(("grain", "lag", "ahead", "shown"), [(2.0, 0, 0, 6.0), (0, 3.0, 0, 4.5), (0, 0, HOUR, 3607.5)])
def test_an_mtime_may_be_coarse_behind_or_ahead_and_the_truth_is_none_of_it(
    time: Timeline, disk: Disk, grain: float, lag: float, ahead: float, shown: float
):
    disk.grain, disk.lag, disk.ahead["x"] = grain, lag, ahead
    time.mono += 7.5
    disk.write("x")
    assert disk.look("x").mtime == EPOCH + shown
    assert disk.file("x").written == BOOT + 7.5


def test_what_is_removed_is_not_there_and_its_last_write_stays_true(time: Timeline, disk: Disk):
    disk.write("x")
    time.mono += 5.0
    disk.remove("x")
    time.mono += 5.0
    disk.remove("x")
    assert disk.look("x").mtime is None
    assert (disk.file("x").written, disk.file("x").gone_at) == (BOOT, BOOT + 5.0)


def test_a_file_that_cannot_be_judged_says_why(disk: Disk):
    disk.write("x")
    disk.file("x").problem = "permission denied"
    assert disk.look("x") == Seen(None, "permission denied")


def test_a_glob_shows_its_newest_match_and_counts_the_one_written_last(time: Timeline, disk: Disk):
    disk.write("x_1", mtime=time.wall + HOUR)
    time.mono += 5.0
    disk.write("x_2")
    assert disk.look("x_*").mtime == EPOCH + HOUR
    assert disk.newest("x_*").path == "x_2"
    disk.remove("x_2")
    assert disk.newest("x_*").path == "x_1"
    assert disk.newest("y_*").mtime is None
    assert written_as("x_*") == "x_1"


def test_the_file_system_under_it_is_told_only_where_asked(disk: Disk):
    disk.ground["x"] = "full"
    assert disk.look("x").ground == ""
    assert disk.look("x", with_ground=True).ground == "full"


def test_after_a_boot_the_truth_stands_on_the_new_clock(time: Timeline, disk: Disk):
    disk.write("x", "a", generation=1)
    time.mono += 100.0
    disk.shift(time.begin_anew(10.0))
    file = disk.file("x")
    assert (file.written, list(file.writes), file.last_by) == (-90.0, [-90.0], {"a": (-90.0, 1)})
    assert time.wall == EPOCH + 100.0
    assert time.elapsed == 100.0
