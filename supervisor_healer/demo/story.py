"""The scenes in their order, from four workers that come up to the account at the end."""

from __future__ import annotations

from supervisor_healer.demo.incidents import ALL_HEALTHY, frozen_engine, frozen_predictor
from supervisor_healer.demo.losses import lost_field_and_file
from supervisor_healer.demo.screen import Screen
from supervisor_healer.demo.stage import Stage
from supervisor_healer.demo.witness import ENGINE, PREDICTOR, WORKERS, Witness


def play(stage: Stage, screen: Screen) -> None:
    """Every scene. Raises UnmetError for the first thing that did not happen."""
    with Witness(stage, screen) as witness:
        opening(witness)
        frozen_predictor(witness)
        frozen_engine(witness)
        lost_field_and_file(witness)
        closing(witness)


def opening(witness: Witness) -> None:
    """Four workers that come up healthy."""
    witness.screen.say("four workers and the healer start; the engine loads its model for 4 s")
    witness.until("all four workers healthy", witness.all_healthy, ALL_HEALTHY)
    witness.show("status")
    witness.check("every worker was started once", lambda: witness.starts() == dict.fromkeys(WORKERS, 1))


def closing(witness: Witness) -> None:
    """The account: what was done, in the healer's words and in supervisord's."""
    witness.screen.scene("4. The account")
    witness.show("status")
    witness.show("history")
    health = witness.show("health")
    witness.check("`supervisorctl health` exits with 0", lambda: health == 0)
    wanted = {**dict.fromkeys(WORKERS, 1), ENGINE: 2, PREDICTOR: 3}
    witness.check(f"restarts: 2 of {PREDICTOR}, 1 of {ENGINE}, 0 of the others", lambda: witness.starts() == wanted)
    witness.check("no worker has printed a traceback", lambda: tracebacks(witness) == [])


def tracebacks(witness: Witness) -> list[str]:
    """The workers whose console has one."""
    consoles = {name: witness.path(f"console/{name}.log").read_text(encoding="utf-8") for name in WORKERS}
    return [name for name, text in consoles.items() if "Traceback" in text]
