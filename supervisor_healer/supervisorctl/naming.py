"""Who is meant by the names that a person types: workers, groups of them, consumers, files."""

from __future__ import annotations

import time
import xmlrpc.client
from collections.abc import Callable
from typing import Any

from supervisor_healer.supervisorctl import graph as graphs
from supervisor_healer.supervisorctl import stages
from supervisor_healer.supervisorctl.asking import Struct, fault_text, members
from supervisor_healer.supervisorctl.graph import FILE, Key
from supervisor_healer.supervisorctl.statuses import BAD_NAME, UNKNOWN, health_status

Unknown = list[tuple[str, str]]  # names that mean nobody, with what supervisord says


def workers(server: Any, names: list[str]) -> tuple[list[Struct], Unknown]:
    """The workers meant by these names (none: all), and the names that mean none."""
    if not names:
        return server.healer.getAllWorkerHealth(), []
    found: dict[str, Struct] = {}
    unknown: Unknown = []
    for name in names:
        matching = _asked(server.healer.getWorkerHealth, name)
        if isinstance(matching, str):
            why = matching
            matching = members(server, name)
            if not matching:
                unknown.append((name, why))
        found.update((one["name"], one) for one in matching)
    return list(found.values()), unknown


def others(server: Any, names: list[str], listener: Struct) -> tuple[list[tuple[Struct, int]], Unknown]:
    """The consumers and files meant by these names, each with its exit status, and the names that mean none.

    A file is as critical as `verify` has it: if it says so, or if it has a critical reader.
    """
    found: dict[tuple[str, str], tuple[Struct, int]] = {}
    unknown: Unknown = []
    for name in names:
        matching = _asked(server.healer.getConsumerHealth, name)
        if not isinstance(matching, str):
            found.update((("consumer", one["name"]), (one, health_status(one))) for one in matching)
            continue
        matching = _asked(server.healer.getFileHealth, name)
        if isinstance(matching, str):
            unknown.append((name, matching))
        else:
            found.update((("file", one["path"]), _weighed(server, one, listener)) for one in matching)
    return list(found.values()), unknown


def pipeline(server: Any) -> graphs.Graph:
    """All of them, as a graph."""
    healer = server.healer
    answers = healer.getAllWorkerHealth(), healer.getAllConsumerHealth(), healer.getAllFileHealth()
    return graphs.build(*answers, time.time())


def _asked(ask: Callable[[str], Struct], name: str) -> list[Struct] | str:
    """The one with this name, or what supervisord says if there is none."""
    try:
        return [ask(name)]
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != BAD_NAME:
            raise
        return fault_text(fault)


def _weighed(server: Any, file: Struct, listener: Struct) -> tuple[Struct, int]:
    graph, key = pipeline(server), Key(FILE, file["path"])
    if listener["state"] != "running" or key not in graph.nodes:
        return file, UNKNOWN
    stage = stages.of_file(graph, key)
    return {**file, "critical": stage.critical}, stage.status
