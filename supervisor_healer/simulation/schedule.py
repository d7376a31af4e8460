"""Jobs are started by a schedule, as by cron with `supervisorctl start`; here it is what lets the time pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from supervisor_healer.simulation.world import World


class Schedule:
    """`periods`: job -> seconds between two starts. It keeps its own time, so that no reboot ends it."""

    def __init__(self, world: World, periods: Mapping[str, float]) -> None:
        self._world, self._periods = world, periods
        self._due = {name: world.elapsed + period for name, period in periods.items()}

    def run(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Let `seconds` pass, or until `stop` holds."""
        world = self._world
        end = world.elapsed + seconds
        while (due := min(self._due.values(), default=end)) < end:
            if world.run_until(world.time.mono + max(0.0, due - world.elapsed), stop):
                return
            for name in [name for name, moment in self._due.items() if moment <= due]:
                self._due[name] = max(due, world.elapsed) + self._periods[name]
                if not world.programs[name].by_operator:
                    world.host.operator_starts(name)
        world.run_until(world.time.mono + max(0.0, end - world.elapsed), stop)
