"""The plan follows from the seed alone, and the graph of the wide pipeline has no cycle."""

from __future__ import annotations

import graphlib
import random

from chaos.faults import KINDS, plan
from chaos.sites import wide

DECLARED = wide(random.Random(1), workers=60, max_age=3.0)


def test_the_same_seed_makes_the_same_plan() -> None:
    assert plan("a", DECLARED, 20, 0.5) == plan("a", DECLARED, 20, 0.5)
    assert plan("a", DECLARED, 20, 0.5) != plan("b", DECLARED, 20, 0.5)


def test_a_plan_has_every_kind_that_can_be_made_once_at_least() -> None:
    faults = plan("a", DECLARED, 20, 0.5, without={"reload", "step_clock"})
    assert {fault.kind for fault in faults} == KINDS.keys() - {"reload", "step_clock"}
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    assert all(0 <= fault.at <= 20 for fault in faults)
    assert len(faults) == 40


def test_a_target_is_of_the_kind_that_the_fault_needs() -> None:
    targets = {
        "worker": set(DECLARED.workers),
        "output": {path for paths in DECLARED.outputs.values() for path in paths},
        "config": set(DECLARED.configs),
        "": {""},
    }
    for fault in plan("a", DECLARED, 60, 0.2):
        assert fault.target in targets[KINDS[fault.kind][1]]
        assert 0 <= fault.lasts <= KINDS[fault.kind][2]


def test_the_wide_pipeline_is_a_graph_without_cycles_in_which_every_input_is_made() -> None:
    makers = {path: name for name, paths in DECLARED.outputs.items() for path in paths}
    graph = {
        name: {makers[path] for path in paths if path not in DECLARED.configs}
        for name, paths in DECLARED.inputs.items()
    }
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == 60
    assert any(not parents for parents in graph.values())
    assert any(len(parents) > 1 for parents in graph.values())
