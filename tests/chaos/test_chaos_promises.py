"""Each check is told of a promise that was broken, and of the nearest thing that is none; only the first may count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chaos.account import Account, Overwritten
from chaos.promises import CHECKS, violations
from chaos.sampler import KEPT, Film
from chaos.sites import Declared
from chaos.spawns import Event, Order, What

INPUT, CONFIG = "in.jsonl", "c.json"
DECLARED = Declared(
    inputs={"w": (INPUT, CONFIG), "x": ()},
    outputs={"w": ("w.jsonl",), "x": ("x.jsonl",)},
    max_age={INPUT: 3.0, "w.jsonl": 3.0, "x.jsonl": 3.0},
    configs={CONFIG: b"{}"},
    restarts=(2, 20.0),
    overall=(4, 20.0),
)
BOOT = [Event(0.0, What.BOOT), Event(1.0, What.SPAWNED, "w"), Event(1.0, What.SPAWNED, "x")]


def film(*looks: tuple[float, float | None], valid: bool = True) -> Film:
    """(when, which mtime was seen)."""
    made = Film()
    for at, mtime in looks:
        made.add(at, mtime, valid)
    return made


def fresh_until(end: float) -> Film:
    """A file that was written every second up to `end`, and looked at until 200."""
    return film(*((float(at), min(float(at), end)) for at in range(201)))


def restart(at: float, worker: str = "w") -> list[Event]:
    """The healer's, of a worker that ran."""
    return [Event(at - 0.1, What.STOPPED, worker), Event(at, What.SPAWNED, worker)]


def died(at: float, worker: str = "w") -> list[Event]:
    return [Event(at - 0.5, What.RUNNING, worker), Event(at, What.EXITED, worker)]


def account(*events: Event, orders: tuple[Order, ...] = (), **changes: object) -> Account:
    known = Account(
        DECLARED, 200.0, [*BOOT, *events], list(orders), {INPUT: fresh_until(200), CONFIG: film((0, 0.0), (200, 0.0))}
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def broken(told: Account) -> set[str]:
    """The names of the checks that complain."""
    return {text.partition(":")[0] for text in violations(told)}


STALE = {INPUT: fresh_until(94), CONFIG: film((0, 0.0), (200, 0.0))}
JUST_STALE = {**STALE, INPUT: fresh_until(97.5)}
INVALID = {INPUT: fresh_until(200), CONFIG: film((0, 0.0), (200, 0.0), valid=False)}
GONE = {INPUT: fresh_until(200), CONFIG: film((0, None), (200, None))}


@pytest.mark.parametrize("films", [STALE, INVALID, GONE])
def test_a_restart_with_an_input_that_was_not_fresh(films: dict[str, Film]) -> None:
    assert broken(account(*restart(100), films=films)) == {"stale_inputs"}
    assert broken(account(*died(99), Event(100, What.SPAWNED, "w"), films=films)) == {"stale_inputs"}
    assert broken(account(films=films)) == set()


@pytest.mark.parametrize(
    "told",
    [
        account(*restart(100), films=JUST_STALE),  # it was fresh when the gate may have looked
        account(*restart(100), films=STALE, gaps=[(99.0, 101.0)]),
        account(*restart(100), films=STALE, orders=(Order("force", "w", 95, 95.1),)),
        account(*restart(100), films=STALE, orders=(Order("start", "w", 99.9, 100.1),)),
        account(*restart(100, "x"), films=STALE),
        account(*restart(100), films=STALE, now=100 + KEPT),  # it was judged when it was still known
        account(Event(99, What.STOPPED, "w"), Event(99.5, What.BOOT), Event(100, What.SPAWNED, "w"), films=STALE),
    ],
)
def test_no_restart_of_the_healer_with_a_stale_input(told: Account) -> None:
    assert broken(told) == set()


def test_a_retry_of_supervisord_is_not_the_healers_and_the_start_after_it_gave_up_is() -> None:
    crash = [Event(99, What.SPAWNED, "w"), Event(99.1, What.EXITED, "w")]
    before = [Event(90, What.STOPPED, "w")]
    asked = (Order("start", "w", 98.9, 99.1),)
    assert broken(account(*before, *crash, Event(100, What.SPAWNED, "w"), orders=asked, films=STALE)) == set()
    gave_up = [Event(99.2, What.GAVE_UP, "w"), Event(100, What.SPAWNED, "w")]
    assert broken(account(*before, *crash, *gave_up, orders=asked, films=STALE)) == {"stale_inputs"}


def test_a_stop_that_is_undone() -> None:
    stop = Order("stop", "w", 90, 91)
    down = Event(90.5, What.STOPPED, "w")
    undone = [down, Event(95, What.SPAWNED, "w")]
    assert broken(account(*undone, orders=(stop,))) == {"undone_stops"}
    assert broken(account(*undone, orders=(replace(stop, done=False),))) == set()
    assert broken(account(*undone, orders=(stop, Order("start", "w", 94.9, 95.1)))) == set()
    assert broken(account(*undone, orders=(stop, Order("start", "w", 93, 93.1)))) == set(), "refused, and yet his word"
    assert broken(account(*undone, orders=(stop, Order("start", "x", 94.9, 95.1)))) == {"undone_stops"}
    assert broken(account(down, Event(92, What.BOOT), Event(95, What.SPAWNED, "w"), orders=(stop,))) == set()
    assert broken(account(*restart(90.2), orders=(stop,))) == set(), "while supervisord still had the call in hand"


def test_more_restarts_than_a_worker_may_have() -> None:
    three = [*restart(100), *restart(105), *restart(110)]
    assert broken(account(*three)) == {"overspent"}
    assert broken(account(*restart(100), *restart(105), *restart(120))) == set()
    assert broken(account(*restart(100), *restart(105), *restart(110, "x"))) == set()
    for kind in ("heal", "force"):
        assert broken(account(*three, orders=(Order(kind, "w", 106, 106.1),))) == set()
        assert broken(account(*three, orders=(Order(kind, "", 106, 106.1),))) == set()
    assert broken(account(*three, orders=(Order("heal", "x", 106, 106.1),))) == {"overspent"}
    assert broken(account(*three, orders=(Order("heal", "w", 80, 80.1),))) == {"overspent"}
    assert broken(account(*three, orders=(Order("heal", "w", 111, 111.1),))) == {"overspent"}


def test_more_restarts_than_all_may_have_together() -> None:
    four = [*restart(100), *restart(101, "x"), *restart(102), *restart(103, "x")]
    assert broken(account(*four)) == set()
    heals = (Order("heal", "w", 104, 104.1),)
    assert broken(account(*four, *restart(105), orders=heals)) == {"overspent_together"}
    assert broken(account(*four, *restart(122), orders=heals)) == set()


def test_a_worker_that_is_left_stopped() -> None:
    down = Event(180, What.STOPPED, "w")
    assert broken(account(down)) == {"left_stopped"}
    assert broken(account(down, now=190.0)) == set()
    assert broken(account(down, Event(181, What.SPAWNED, "w"))) == set()
    assert broken(account(down, orders=(Order("stop", "w", 179, 181),))) == set()
    assert broken(account(down, orders=(Order("stop", "w", 90, 91), Order("start", "w", 95, 95)))) == {"left_stopped"}
    assert broken(account(*died(180))) == set()


def test_a_config_that_is_lost() -> None:
    changed = Overwritten(CONFIG, b"broken", b"{}")
    assert broken(account(overwritten=[changed])) == {"lost_bytes"}
    assert broken(account(overwritten=[replace(changed, found=None)])) == {"lost_bytes"}
    assert broken(account(overwritten=[changed], backups={CONFIG: {b"other"}})) == {"lost_bytes"}
    assert broken(account(overwritten=[changed], backups={CONFIG: {b"other", b"broken"}})) == set()
    assert broken(account(overwritten=[replace(changed, found=b"broken")])) == set()
    assert broken(account(overwritten=[replace(changed, written=None)])) == set()


def test_what_is_nobodys_business() -> None:
    assert broken(account(changed=["configs/bystander.json"])) == {"changed_bystanders"}
    assert broken(account(strangers=["nobody owns process 7"])) == {"orphans"}


def test_every_check_is_shown_to_fail_here() -> None:
    """Or this list is not complete any more."""
    assert CHECKS.keys() == {
        "stale_inputs", "undone_stops", "overspent", "overspent_together", "left_stopped", "lost_bytes",
        "changed_bystanders", "orphans",
    }  # fmt: skip
