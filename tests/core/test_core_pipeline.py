"""The graph: expansion of numprocs and groups, producers, cycles, order and relatives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import HOUR, MINUTE, World, chain, file, worker

from supervisor_healer.core.model import FileSpec, Health, Word, WorkerSpec
from supervisor_healer.core.pipeline import Pipeline, Producers, expand, find_cycle, is_pattern, producers


def names_of(workers: list[WorkerSpec], processes: dict[str, list[str]], **files: FileSpec) -> list[str]:
    return [spec.name for spec in expand(workers, files, processes).workers]


# --- expansion -----------------------------------------------------------------------------------------------


def test_one_process_keeps_the_name_of_its_entry():
    result = expand([worker("w", program="prog")], {}, {"prog": ["prog"]})
    assert [(spec.name, spec.program) for spec in result.workers] == [("w", "prog:prog")]
    assert not result.problems


def test_one_member_of_a_group_keeps_the_name_of_its_entry():
    result = expand([worker("w", program="g:a")], {}, {"g": ["a", "b"]})
    assert [(spec.name, spec.program) for spec in result.workers] == [("w", "g:a")]


def test_numprocs_gives_a_worker_for_each_process_with_its_paths():
    spec = worker(
        "w", ["in.%(process_num)d"], ["out.%(process_name)s", "o/%(process_num)02d"], trigger=("in.%(process_num)d",)
    )
    files = {"in.%(process_num)d": FileSpec("in.%(process_num)d", 7.0)}
    result = expand([spec], files, {"w": ["w_0", "w_12"]})
    assert [each.name for each in result.workers] == ["w:w_0", "w:w_12"]
    second = result.workers[1]
    assert second.program == "w:w_12"
    assert second.outputs == ("out.w_12", "o/12")
    assert result.workers[0].outputs == ("out.w_0", "o/00")
    assert [item.path for item in second.inputs] == ["in.12"]
    assert second.trigger == ("in.12",)
    assert result.files["in.12"] == FileSpec("in.12", 7.0)


def test_a_process_name_without_a_number_counts_as_0():
    spec = worker("w", [], ["out.%(process_num)d"])
    assert expand([spec], {}, {"w": ["main"]}).workers[0].outputs == ("out.0",)


def test_a_group_gives_a_worker_for_each_member():
    assert names_of([worker("g", [], ["%(process_name)s.out"])], {"g": ["a", "b"]}) == ["g:a", "g:b"]


def test_a_program_that_supervisord_does_not_know_stays_with_a_problem():
    result = expand([worker("w"), worker("v", program="g:c")], {}, {"g": ["a", "w"]})
    assert [spec.name for spec in result.workers] == ["w", "v"]
    assert result.problems == {
        "w": "supervisord has no program w; did you mean g:w?",
        "v": "supervisord has no program g:c",
    }


def test_an_output_that_all_processes_write_is_a_collision_unless_shared():
    spec = worker("w", [], ["out"])
    processes = {"w": ["w_0", "w_1"]}
    result = expand([spec], {"out": FileSpec("out", 5.0)}, processes)
    assert set(result.problems) == {"w:w_0", "w:w_1"}
    assert result.problems["w:w_0"] == "out is written by w:w_0, w:w_1: give each its own path, or say `shared: true`"
    assert not expand([spec], {"out": FileSpec("out", 5.0, shared=True)}, processes).problems


def test_a_program_that_is_added_later_is_watched_from_then_on():
    world = World(chain("a", "b"), started=False)
    world.programs["b"].known = False
    world.begin_healer()
    world.run(MINUTE)
    assert world.states() == {"a": "healthy", "b": "unknown"}
    world.programs["b"].known = True
    world.adopt()
    world.run(MINUTE)
    assert world.states() == {"a": "healthy", "b": "healthy"}


def test_limits_that_are_changed_while_nothing_else_does_are_told():
    world = World(chain("a", "b"))
    world.run(MINUTE)
    world.change(world.plan.workers, [file("b.out", 2 * HOUR)])
    world.run(1)
    (told,) = world.engine.verdicts["b"].outputs
    assert (told.max_age, told.grace) == (2 * HOUR, HOUR)


def test_processes_of_one_entry_are_healed_one_by_one():
    spec = worker("w", ["in"], ["out.%(process_num)d"])
    world = World([spec], [file("in"), file("out.%(process_num)d", 60.0)], members={"w": ["w_0", "w_1", "w_2"]})
    world.run(60)
    assert world.states() == {"w:w_0": "healthy", "w:w_1": "healthy", "w:w_2": "healthy"}
    world.hang("w:w_1")
    world.run(HOUR)
    assert world.restarts() == {"w:w_1": 1}
    assert set(world.states().values()) == {"healthy"}


def test_workers_that_share_an_output_are_all_judged_by_it():
    spec = worker("w", ["in"], ["out"])
    world = World([spec], [file("in"), FileSpec("out", 60.0, 30.0, shared=True)], members={"w": ["w_0", "w_1"]})
    world.run(60)
    world.hang("w:w_0")
    world.run(HOUR)
    assert world.restarts() == {}
    world.hang("w:w_1")
    world.run(HOUR)
    assert set(world.restarts()) == {"w:w_0", "w:w_1"}
    assert set(world.states().values()) == {"healthy"}


# --- producers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read", "found"),
    [
        ("a.out", "a.out", True),
        ("a.out", "b.out", False),
        ("f/x_1.json", "f/x_*.json", True),
        ("f/x_*.json", "f/x_1.json", True),
        ("f/x_*.json", "f/x_*.json", True),
        ("f/g/x.json", "f/*.json", False),
        ("f/*.json", "f/g/x.json", False),
        ("f/x.json", "*/x.json", True),
        ("f/x.json", "*/y.json", False),
        ("f/[ab].json", "f/a.json", True),
    ],
)
def test_who_writes_a_path(written: str, read: str, found: bool):
    assert producers(read, [worker("w", [], [written])]) == (("w",) if found else ())


def test_several_producers_come_once_each_in_the_order_of_the_architecture():
    workers = [worker("b", [], ["f/1.x", "f/2.x"]), worker("a", [], ["f/3.x"])]
    assert Producers(workers).of("f/*.x") == ("b", "a")


def test_a_glob_is_one_with_a_wildcard():
    assert [is_pattern(path) for path in ("a", "a*", "a?", "[a]", "a/b")] == [False, True, True, True, False]
    assert FileSpec("x*").is_pattern
    assert not FileSpec("x").is_pattern


def test_a_glob_counts_its_newest_match():
    world = World(
        [worker("a", [], ["f/x_1"]), worker("b", ["f/x_*"], ["b.out"])], [file("f/x_1"), file("f/x_*"), file("b.out")]
    )
    world.run(60)
    assert world.states() == {"a": "healthy", "b": "healthy"}
    world.hang("a")
    world.run(HOUR)
    assert world.restarts() == {"a": 1}
    world.disk.write("f/x_2", mtime=world.time.wall - HOUR)
    world.run(60)
    assert world.states() == {"a": "healthy", "b": "healthy"}


# --- cycles --------------------------------------------------------------------------------------------------


def test_a_cycle_is_told_with_its_trail():
    workers = [
        worker("c", ["y"], ["z"]),
        worker("a", ["z"], ["x"]),
        worker("b", ["x"], ["y"]),
        worker("d", ["y"], ["q"]),
    ]
    assert find_cycle(workers) == ("a", "x", "b", "y", "c", "z", "a")
    assert find_cycle(chain("a", "b", "c")) == ()


def test_a_worker_that_reads_what_it_writes_is_a_cycle_of_one():
    assert find_cycle([worker("a", ["x"], ["x"])]) == ("a", "x", "a")


def test_workers_of_a_cycle_are_problems_and_the_others_are_watched():
    spec = worker("w", ["ring.%(process_num)d"], ["ring.1"])  # process 1 closes it
    workers = [*chain("a"), worker("v", ["ring.1"], ["ring.0"]), spec]
    world = World(workers, members={"a": ["a"], "v": ["v"], "w": ["w_0"]})
    world.run(HOUR)
    assert world.state("a") is Health.HEALTHY
    assert world.state("v") is Health.UNKNOWN
    assert "form a cycle: " in world.reason("v")
    assert world.orders == []


# --- order and relatives -------------------------------------------------------------------------------------


def test_relatives_are_all_up_and_down_the_stream_but_no_siblings():
    workers = [
        *chain("a"),
        worker("b", ["a.out"], ["b.out"]),
        worker("c", ["a.out"], ["c.out"]),
        worker("d", ["b.out", "c.out"], []),
    ]
    pipeline = Pipeline(expand(workers, {}, {name: [name] for name in "abcd"}))
    assert pipeline.relatives("a") == {"b", "c", "d"}
    assert pipeline.relatives("b") == {"a", "d"}
    assert pipeline.ancestors("d") == {"a", "b", "c"}
    assert pipeline.outside == ()


@given(st.integers(2, 30), st.randoms())
def test_upstream_ranks_before_downstream(count: int, random: object):
    names = [f"w{number}" for number in range(count)]
    workers = [
        worker(name, [f"{other}.out" for other in names[:index] if random.random() < 0.2], [f"{name}.out"])  # type: ignore[attr-defined]
        for index, name in enumerate(names)
    ]
    pipeline = Pipeline(expand(workers[::-1], {}, {name: [name] for name in names}))
    assert sorted(pipeline.rank.values()) == list(range(count))
    for name in names:
        assert all(pipeline.rank[other] < pipeline.rank[name] for other in pipeline.ancestors(name))
        assert pipeline.relatives(name) >= pipeline.ancestors(name)


def test_words_print_as_words():
    assert f"{Health.CATCHING_UP} {Health.CATCHING_UP!s}" == "catching_up catching_up"
    assert issubclass(Health, Word)


@pytest.mark.parametrize(
    ("members", "numbers"),
    [
        (["w"], [0]),
        (["w_0", "w_1", "w_12"], [0, 1, 12]),
        (["0_node7", "1_node7"], [0, 1]),
        (["node7_0", "node7_1"], [0, 1]),
        (["a", "b"], [0, 0]),
        (["a1", "b"], [1, 0]),
        (["3_3", "4_4"], [3, 4]),
    ],
)
def test_the_number_of_a_process_is_the_one_by_which_its_group_differs(members, numbers):
    spec = worker("w", [], ["out.%(process_name)s.%(process_num)d"])
    found = expand([spec], {}, {"w": members})
    assert [one.outputs[0] for one in found.workers] == [
        f"out.{name}.{number}" for name, number in zip(members, numbers, strict=True)
    ]


def test_a_single_process_counts_as_0_whatever_its_name():
    found = expand([worker("stage2", [], ["out_%(process_num)d"])], {}, {"stage2": ["stage2"]})
    assert found.workers[0].outputs == ("out_0",)


def test_two_workers_on_one_process_are_a_problem_of_both():
    found = expand(
        [worker("x", [], ["x.out"], program="p"), worker("y", [], ["y.out"], program="p:p")], {}, {"p": ["p"]}
    )
    assert found.problems.keys() == {"x", "y"}
    assert "process p:p belongs to x and y" in found.problems["x"]
