"""Supervisor's own namespace, with health in the descriptions and an ear for an operator's stops.

Nothing that Supervisor does is changed: every method answers what Supervisor's answers, with its faults and its
deferred callbacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from supervisor.options import split_namespec
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface

from supervisor_healer.supervisord import processes, status
from supervisor_healer.supervisord.state import State


class HealthySupervisorNamespaceRPCInterface(SupervisorNamespaceRPCInterface):  # type: ignore[misc] # it has no types
    """What `[rpcinterface:supervisor]` makes when it is told to use ours."""

    def __init__(self, supervisord: Any, state: State) -> None:
        super().__init__(supervisord)
        self._state = state

    def getProcessInfo(self, name: str) -> dict[str, Any]:
        """Get info about a process named name; its description tells the health of a worker that is not healthy

        @param string name The name of the process (or 'group:name')
        @return struct result     A structure containing data about the process
        """
        info: dict[str, Any] = super().getProcessInfo(name)
        try:
            remark = status.remark(self._state, f"{info['group']}:{info['name']}")
            if remark:
                info["description"] = f"{info['description']}{remark}".removeprefix("; ")
        except Exception:
            self._state.complain("telling the health of a process")
        return info

    def stopProcess(self, name: str, wait: bool = True) -> Any:
        """Stop a process named by name

        @param string name  The name of the process to stop (or 'group:name')
        @param boolean wait        Wait for the process to be fully stopped
        @return boolean result     Always return True unless error
        """
        self._follow(self._state.operator_stops, lambda: self._named(name))
        return super().stopProcess(name, wait)

    def stopProcessGroup(self, name: str, wait: bool = True) -> Any:
        """Stop all processes in the process group named 'name'

        @param string name     The group name
        @param boolean wait    Wait for each process to be fully stopped
        @return array result   An array of process status info structs
        """
        self._follow(self._state.operator_stops, lambda: self._group(name))
        return super().stopProcessGroup(name, wait)

    def stopAllProcesses(self, wait: bool = True) -> Any:
        """Stop all processes in the process list

        @param boolean wait    Wait for each process to be fully stopped
        @return array result   An array of process status info structs
        """
        self._follow(self._state.operator_stops, lambda: processes.every(self.supervisord))
        return super().stopAllProcesses(wait)

    def startProcess(self, name: str, wait: bool = True) -> Any:
        """Start a process

        @param string name Process name (or ``group:name``, or ``group:*``)
        @param boolean wait Wait for process to be fully started
        @return boolean result     Always true unless error
        """
        self._follow(self._state.operator_starts, lambda: self._named(name))
        return super().startProcess(name, wait)

    def _follow(self, heed: Callable[[list[Any]], None], meant: Callable[[], Iterable[Any]]) -> None:
        """Have it noted whom an operator means; whatever goes wrong there, Supervisor does what he asked for."""
        try:
            heed(list(meant()))
        except Exception:
            self._state.complain("noting what an operator wants")

    def _named(self, name: object) -> list[Any]:
        """The processes meant by a name as Supervisor takes it; what is no text is Supervisor's to refuse."""
        group_name, process_name = split_namespec(name) if isinstance(name, str) else (None, None)
        group = self._group(group_name)
        return group if process_name is None else [one for one in group if one.config.name == process_name]

    def _group(self, name: object) -> list[Any]:
        group = self.supervisord.process_groups.get(name) if isinstance(name, str) else None
        return [] if group is None else list(group.processes.values())


def _list_inherited() -> None:
    """Let `system.listMethods` list what is inherited too: it looks only into the class itself."""
    for name, member in vars(SupervisorNamespaceRPCInterface).items():
        if not name.startswith("_") and name not in vars(HealthySupervisorNamespaceRPCInterface):
            setattr(HealthySupervisorNamespaceRPCInterface, name, member)


_list_inherited()
