"""From an architecture and a scenario to the simulated pipeline: who writes what, how often, and who starts jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from supervisor_healer.core.limits import Limits
from supervisor_healer.core.model import Architecture, FileSpec, Kind, WorkerSpec
from supervisor_healer.core.pipeline import Pipeline, expand
from supervisor_healer.simulation.scenario import Habits, Scenario
from supervisor_healer.simulation.world import Plan

WRITES = 3  # times in a max_age: as often does something that keeps its own time write
LOOKS = 15  # times in a max_age: as often does something that waits for input look for it
UNLIMITED = 60.0  # seconds; in place of a max_age where there is none


@dataclass(slots=True)
class Paces:
    """How often a worker, or a source outside, has to write so that nothing that is made from it is late (s)."""

    workers: dict[str, float] = field(default_factory=dict)
    sources: dict[str, float] = field(default_factory=dict)


def plan_of(architecture: Architecture, scenario: Scenario) -> Plan:
    """The plan of the world. Every program is one process; configs, and files that the healer may create, are there."""
    pipeline = _pipeline_of(architecture)
    limits, paces = Limits(pipeline.files), paces_of(pipeline)
    habits = scenario.programs
    return Plan(
        architecture.workers,
        list(_files_of(architecture).values()),
        {path: scenario.sources.get(path, pace / WRITES) for path, pace in paces.sources.items()},
        {
            name: _program(spec, habits.get(name, Habits()), limits, paces.workers[name])
            for name, spec in pipeline.workers.items()
        },
        architecture.mode,
        architecture.cycle,
        architecture.restarts_overall,
        members=_members(architecture.workers),
        consumers=architecture.consumers,
        configs=list(architecture.configs.values()),
        root=architecture.root,
    )


def schedule_of(architecture: Architecture, scenario: Scenario) -> dict[str, float]:
    """Every job, and how often it is started (s): as cron would, so that its outputs are not late."""
    pipeline, programs = _pipeline_of(architecture), scenario.programs
    paces = paces_of(pipeline).workers
    return {
        name: programs.get(name, Habits()).period or paces[name] / WRITES
        for name, spec in pipeline.workers.items()
        if spec.kind is Kind.JOB
    }


def _pipeline_of(architecture: Architecture) -> Pipeline:
    return Pipeline(
        expand(architecture.workers, _files_of(architecture), _members(architecture.workers)),
        consumers=architecture.consumers,
        configs=architecture.configs,
    )


def _files_of(architecture: Architecture) -> dict[str, FileSpec]:
    return {path: replace(spec, create=None) for path, spec in architecture.files.items()}


def paces_of(pipeline: Pipeline) -> Paces:
    """The smallest max_age of what each writes, and of all that is made from that."""
    limits, paces = Limits(pipeline.files), Paces()
    for path in pipeline.outside:
        if (max_age := pipeline.files[path].max_age) is not None:
            paces.sources[path] = max_age
    for name in sorted(pipeline.workers, key=pipeline.rank.__getitem__, reverse=True):
        spec = pipeline.workers[name]
        needed = min([*limits.max_ages(spec.outputs), paces.workers.get(name, float("inf"))])
        paces.workers[name] = needed if needed < float("inf") else UNLIMITED
        for path in limits.triggers(spec):
            known, writers = (
                (paces.workers, pipeline.producers[path]) if pipeline.producers[path] else (paces.sources, (path,))
            )
            for writer in writers:
                known[writer] = min(known.get(writer, needed), needed)
    return paces


def _members(workers: Sequence[WorkerSpec]) -> dict[str, list[str]]:
    """supervisord's processes: one for each entry."""
    members: dict[str, list[str]] = defaultdict(list)
    for spec in workers:
        group, _, name = spec.program.partition(":")
        members[group].append(name or group)
    return dict(members)


def _program(spec: WorkerSpec, habits: Habits, limits: Limits, pace: float) -> Mapping[str, Any]:
    """Its fields that differ. A job, whose period is that of its starts, looks for input while it runs."""
    period = pace / (LOOKS if limits.triggers(spec) else WRITES)
    if habits.period is not None and spec.kind is not Kind.JOB:
        period = habits.period
    restarts = habits.autorestart if habits.autorestart is not None else spec.kind is Kind.SERVICE
    return {
        "period": period,
        "work": habits.work,
        "slow_starts": habits.startup,
        "autorestart": restarts,
    }
