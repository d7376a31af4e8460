"""Files that the healer makes: when, how often, and that they are never taken for anybody's work."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import DAY, HOUR, LIMIT, MAX_AGE, MINUTE, World, chain, consumer, file, worker

from supervisor_healer.core.care import MENDS, SETTLED
from supervisor_healer.core.freshness import OwnWrite, Track
from supervisor_healer.core.model import Creation, Freshness, Health, Mode, Now, Seen

MADE = Creation("{}\n", mode=0o640, owner="www")


def apart(**options: object) -> World:
    """One file that nobody writes, which is to exist."""
    world = World(chain("a"), [file("made.txt", None, create=MADE)], **options)  # type: ignore[arg-type]
    world.run(MINUTE)
    return world


def piped() -> World:
    """`a` writes a file that the healer may make, `b` reads it."""
    files = [file("in"), file("a.out", create=MADE)]
    world = World(chain("a", "b", source="in"), files, started=False)
    world.run(5)
    return world


# --- when ------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_made_as_the_architecture_says():
    world = apart()
    world.disk.remove("made.txt")
    world.run(2 * MINUTE)
    (at, order) = world.mend_orders[0]
    assert order.made == MADE  # type: ignore[union-attr]
    assert order.mtime % 2 == 0  # type: ignore[union-attr]
    assert world.last("created") == "made empty"
    assert at > MINUTE


def test_one_that_was_never_there_is_made_in_the_first_round():
    world = World(chain("a"), [file("made.txt", None, create=MADE)], started=False)
    world.disk.remove("made.txt")
    world.begin_healer()
    world.run(1)
    assert world.mends() == ["create made.txt"]


@pytest.mark.parametrize(("gone_for", "made"), [(SETTLED - 0.1, False), (SETTLED, True), (SETTLED + 0.1, True)])
def test_one_that_was_there_must_have_been_gone_for_a_while(gone_for: float, made: bool):
    """It may be between the rename and the next write of a rotation, however long ago it was last looked at."""
    world = apart(cycle=60.0)
    world.run(122 - gone_for - world.elapsed)
    world.disk.remove("made.txt")
    assert world.engine is not None
    world.engine.see({"made.txt": Seen()}, world.time.now)
    world.run(gone_for + 0.2)
    assert world.report.cause == "cycle"
    assert (world.mends() == ["create made.txt"]) is made
    world.run(MINUTE)
    assert world.mends() == ["create made.txt"]


def test_a_look_that_failed_does_not_count_as_gone():
    track = Track(file("made.txt", None))
    track.see(Seen(1.0), Now(1.0, 1.0))
    track.see(Seen(problem="does not answer"), Now(2.0, 2.0))
    assert track.gone_since is None
    track.see(Seen(), Now(3.0, 3.0))
    track.see(Seen(), Now(4.0, 4.0))
    assert track.gone_since == 3.0


def test_a_person_who_asks_does_not_wait():
    world = apart(cycle=HOUR)
    world.run(1)
    world.disk.remove("made.txt")
    request = world.heal("all")
    world.run(1)
    assert world.answers[request].reason == "made.txt: made empty"


@pytest.mark.parametrize("problem", ["is a directory, not a file", "permission denied", "is a link to nowhere"])
def test_what_stands_in_its_place_is_reported_and_untouched(problem: str):
    world = apart()
    world.disk.remove("made.txt")
    world.disk.file("made.txt").problem = problem
    world.run(10 * MINUTE)
    world.heal("all")
    world.run(1)
    assert world.mends() == []
    (entry,) = world.told_of("made.txt", "failed")
    assert entry.message == f"made.txt cannot be judged: {problem}"
    assert entry.action == "ls -ld /srv/pipe/made.txt"


@pytest.mark.parametrize("hindrance", ["observe", "halt", "not to be made"])
def test_one_is_not_made(hindrance: str):
    mode = Mode.OBSERVE if hindrance == "observe" else Mode.HEAL
    create = None if hindrance == "not to be made" else MADE
    world = World(chain("a"), [file("made.txt", None, create=create)], mode=mode)
    world.run(MINUTE)
    world.disk.remove("made.txt")
    if hindrance == "halt":
        world.halt()
    world.run(10 * MINUTE)
    assert world.mends() == []
    if hindrance != "halt":
        assert world.told_of("made.txt", "warnings")


# --- how often -------------------------------------------------------------------------------------------------


def remove_again_and_again(world: World, times: int) -> None:
    for _ in range(times):
        world.disk.remove("made.txt")
        world.run(2 * MINUTE)


def test_whoever_removes_it_again_and_again_wins():
    world = apart()
    remove_again_and_again(world, 12)
    assert world.mends() == ["create made.txt"] * MENDS.max
    said = "mended 6 times in 1h: somebody undoes it, so it is left as it is"
    assert [note.text for _, note in world.history if note.event == "unmended"] == [said]
    (entry,) = world.told_of("made.txt", "failed")
    assert entry.message == f"made.txt cannot be created: {said}"
    world.run(MENDS.within)
    assert world.mends() == ["create made.txt"] * (MENDS.max + 1)


def test_a_healer_that_starts_anew_does_not_begin_to_count_anew():
    world = apart()
    for _ in range(10):
        remove_again_and_again(world, 1)
        world.restart_healer()
    world.run(2 * MINUTE)
    assert world.mends() == ["create made.txt"] * MENDS.max


def test_a_person_opens_a_new_budget():
    world = apart()
    remove_again_and_again(world, 10)
    world.heal("all")
    world.run(1)
    assert world.mends() == ["create made.txt"] * (MENDS.max + 1)
    assert world.told_of("made.txt", "failed") == []


def test_a_failure_is_told_once_tried_with_every_cycle_and_not_counted():
    world = apart()
    world.mender.outcomes["made.txt"] = "failed"
    world.disk.remove("made.txt")
    world.run(HOUR)
    assert 50 < len(world.mends()) < 70
    assert [note.text for _, note in world.history if note.event == "unmended"] == ["No space left on device"]
    (entry,) = world.told_of("made.txt", "failed")
    assert entry.message == "made.txt cannot be created: No space left on device"
    del world.mender.outcomes["made.txt"]
    world.run(90)
    assert world.told_of("made.txt", "failed") == []
    assert [entry.subject for entry in world.report.healed] == ["made.txt"]


def test_a_failure_is_over_when_somebody_else_makes_it():
    world = apart()
    world.mender.outcomes["made.txt"] = "failed"
    world.disk.remove("made.txt")
    world.run(5 * MINUTE)
    world.disk.write("made.txt")
    world.run(2 * MINUTE)
    assert world.told_of("made.txt") == []
    world.disk.remove("made.txt")
    world.run(2 * MINUTE)
    assert world.story("made.txt") == ["unmended", "unmended"]


def test_one_that_is_there_after_all_is_neither_a_deed_nor_counted():
    world = apart()
    world.mender.delay = 10.0
    world.disk.remove("made.txt")
    world.until(lambda: bool(world.mends()), 5 * MINUTE)
    world.disk.write("made.txt")
    world.run(MINUTE)
    assert world.story("made.txt") == []
    assert world.remembered("care", "made.txt") == {"mends": []}
    assert world.remembered("file", "made.txt")["own"] is None


# --- no progress -----------------------------------------------------------------------------------------------


def lose_output(world: World) -> None:
    """`a` hangs, and somebody removes its output, which the healer makes anew."""
    world.run(MINUTE)
    world.hang("a")
    world.disk.remove("a.out")
    world.until(lambda: world.story("a.out") == ["created"], 3 * MINUTE)
    world.run(1)


@pytest.mark.parametrize("life", ["same", "next", "after a reboot"])
def test_it_is_missing_to_the_gate_until_its_producer_has_written_it(life: str):
    world = piped()
    world.begin_healer()
    lose_output(world)
    world.host.die("b")
    if life == "next":
        world.restart_healer(after=5.0)
    elif life == "after a reboot":
        world.curse("a")
        world.curse("b")
        world.reboot(30.0)
        world.host.die("b")
    world.run(MINUTE)
    assert world.engine is not None
    track = world.engine.tracks["a.out"]
    assert track.placeholder
    assert track.as_input(world.time.now).counts is Freshness.MISSING
    assert world.state("b") is not Health.HEALTHY
    assert world.deeds("b") == []
    assert "only the healer has written it" in "\n".join(world.engine.verdicts["b"].evidence)
    if life == "after a reboot":
        world.cure("a")
        world.cure("b")
    world.until(lambda: world.state("b") is Health.HEALTHY, 2 * HOUR)
    assert not track.placeholder
    assert track.own is None
    assert world.deeds("a") == ([] if life == "after a reboot" else ["restart", "healed"])


def test_a_stale_output_that_the_healer_made_anew_still_convicts():
    world = piped()
    world.begin_healer()
    world.run(HOUR)
    world.hang("a")
    world.run(MAX_AGE)
    written = world.disk.file("a.out").written
    world.disk.remove("a.out")
    world.until(lambda: world.deeds("a") == ["restart"], HOUR)
    assert world.story("a.out") == ["created"]
    assert world.time.mono - written == pytest.approx(LIMIT, abs=10)


def test_a_placeholder_heals_nobody():
    """The output is made by the healer while a restart waits for proof."""
    world = piped()
    world.begin_healer()
    world.run(MINUTE)
    world.curse("a")
    world.until_state("a", Health.VERIFYING)
    world.disk.remove("a.out")
    world.run(5 * MINUTE)
    assert world.story("a.out") == ["created"]
    assert "healed" not in world.deeds("a")


def test_a_placeholder_is_told_of_with_what_is_being_done():
    world = piped()
    world.begin_healer()
    lose_output(world)
    world.run(LIMIT)
    entries = world.told_of("a.out", "warnings")
    assert all("made by the healer and written by nobody yet; a is " in entry.message for entry in entries)


def test_one_from_outside_blocks_its_consumer_until_it_is_written():
    world = World(chain("a"), [file("x.json", create=MADE)], consumers=[consumer("gate", "x.json")], outside={})
    world.run(2 * MINUTE)
    assert world.mends() == ["create x.json"]
    assert world.dependent("gate").state is Health.BLOCKED
    (entry,) = world.told_of("x.json", "warnings")
    assert entry.message == (
        "x.json missing (max 5m), made by the healer and written by nobody yet, from outside; gate waits for it"
    )
    world.disk.write("x.json")
    world.run(MINUTE)
    assert world.dependent("gate").state is Health.HEALTHY


def test_one_that_need_not_move_is_fresh_as_soon_as_it_is_made():
    world = World([worker("a", ["c.txt"], ["a.out"])], [file("c.txt", None, create=MADE)], started=False)
    world.disk.remove("c.txt")
    world.run(5)
    world.host.die("a")
    world.begin_healer()
    world.run(MINUTE)
    assert world.story() == ["a convicted", "c.txt created", "a restart", "a healed"]


def test_a_healer_that_dies_before_the_order_makes_it_in_its_next_life():
    world = apart()
    world.disk.remove("made.txt")
    world.kill_at(lambda decision: type(decision).__name__ == "Create")
    world.until(lambda: world.engine is None, 5 * MINUTE)
    world.begin_healer()
    world.run(2 * MINUTE)
    assert world.mends() == ["create made.txt"]
    assert world.story("made.txt") == ["created"]


def test_who_makes_a_cycle_of_removals_and_real_writes_is_never_misled():
    world = piped()
    world.begin_healer()
    for _ in range(3):
        world.run(DAY / 24)
        world.disk.remove("a.out")
        world.run(2 * MINUTE)
    assert world.restarts() == {}
    assert world.states() == {"a": "healthy", "b": "healthy"}


# --- as properties ---------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(st.sampled_from(["write", "remove", "own", "look", "hidden"]), st.floats(0.5, 400)),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(steps, st.booleans())
def test_own_writes_change_nothing_of_what_is_known_of_real_ones(script: list[tuple[str, float]], recalled: bool):
    """Two tracks of one file: the healer's own writes are seen by one of them as nothing at all."""
    mono, real, there = 100.0, None, False
    mine, other = Track(file("x")), Track(file("x"))
    for what, pause in script:
        mono += pause
        now = Now(1e9 + mono, mono)
        if what == "write":
            real, there = now.wall, True
            mine_mtime = real
        elif what == "remove":
            real, there, mine_mtime = None, False, None
        elif what == "own" and not there:
            mine_mtime = float(int(now.wall) // 2 * 2)
            mine.own, there = OwnWrite(mine_mtime), True
        elif what == "own":
            mine_mtime = now.wall
            mine.wrote(mine_mtime)
        else:
            mine_mtime = None if not there else mine.own.mtime if mine.own else real
        mine.see(Seen(mine_mtime), now)
        other.see(Seen(real), now)
        if recalled:
            again = Track(file("x"))
            again.recall(mine.memory())
            again.last, again.placeholder = mine.last, mine.placeholder
            mine = again
        assert mine.mtime == other.mtime
        assert mine.moved_mono == other.moved_mono
        convicts = [track.as_output(now).counts is Freshness.STALE for track in (mine, other)]
        assert convicts[0] is convicts[1]
        if not mine.placeholder:
            assert mine.as_input(now) == other.as_input(now)
            assert mine.as_output(now) == other.as_output(now)
        else:
            assert mine.as_input(now).counts is Freshness.MISSING
