"""The core with one of its rules broken: what the simulator has to notice.

Each mutant replaces text of the core that must stand there exactly once: where the core changes, its mutant has to be
looked at again. `laboratory` runs them, each in a process of its own; nothing in the working tree is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent, indent


@dataclass(frozen=True)
class Edit:
    """`before` stands once in `supervisor_healer.core.<module>`, and becomes `after`."""

    module: str
    before: str
    after: str

    @property
    def full_name(self) -> str:
        return f"supervisor_healer.core.{self.module}"


@dataclass(frozen=True)
class Mutant:
    """`breaks`: the invariants (`promises.PROMISES`) one of which has to tell.

    What it takes to be seen (see `scenes`): `amid`, the faults; `shape`, the pipeline (`worlds.PIPELINES`); `hours`.
    """

    name: str
    breaks: frozenset[str]
    edits: tuple[Edit, ...]
    amid: frozenset[str]
    shape: str
    hours: float


def _mutant(
    name: str,
    breaks: str,
    *edits: tuple[str, str, str],
    amid: str = "hang",
    shape: str = "chain",
    hours: float = 0.5,
) -> Mutant:
    made = tuple(Edit(*edit) for edit in edits)
    return Mutant(name, frozenset(breaks.split()), made, frozenset(amid.split()), shape, hours)


def _lines(text: str, *, depth: int) -> str:
    """Source of several lines, so many levels deep."""
    return indent(dedent(text).strip("\n"), "    " * depth)


_AGE_OF_AN_INPUT = "age = max(*self.ages(now), now.mono - self.still_since)"
_REFUSES_STALE_INPUTS = "if judged.not_fresh and not attempt.forced:"
_ABANDONS = "Phase.OPERATOR: Do.ABANDON,"
_WHEN_STOPPING = f"Stage.STOPPING: {{\n        Phase.GONE: Do.ABANDON,\n        {_ABANDONS}"
_WHEN_STARTING = f"Stage.STARTING: {{\n        Phase.GONE: Do.ABANDON,\n        {_ABANDONS}"
_WHEN_VERIFYING = f"Stage.VERIFYING: {{\n        Phase.GONE: Do.ABANDON,\n        {_ABANDONS}"
_STARTS_IT = ("Phase.OPERATOR: Do.ABANDON", "Phase.OPERATOR: Do.START")
_THE_ATTEMPT_IS_CLOSED = "        self._close(patient, attempt, outcome, reason, now)\n        used ="
_NOTES_THE_RESTART = '        self._record.note(name, "restart", said, grounds)\n'

MUTANTS = (
    # --- promise 1: the gate -----------------------------------------------------------------------------------
    _mutant(
        "inputs are not checked",
        "inputs_fresh",
        (
            "examination",
            "not_fresh=tuple(view.item.path for view in inputs if view.item.required and not view.fresh),",
            "not_fresh=(),",
        ),
        amid="hang outage",
    ),
    _mutant(
        "an input that is there counts as fresh",
        "inputs_fresh",
        (
            "freshness",
            _AGE_OF_AN_INPUT,
            "age = 0.0",
        ),
        amid="hang outage",
    ),
    _mutant(
        "inputs are judged by an earlier look, for nobody looks for this very decision",
        "inputs_fresh",
        (
            "looks",
            "                yield item.path\n",
            "                yield from () if item.path in self._alone else (item.path,)\n",
        ),
        (
            "looks",
            "        return max(min(changes, now.mono + self.cycle), now.mono + SOONEST)",
            "        return INFINITE",
        ),
        (
            "freshness",
            _AGE_OF_AN_INPUT,
            "age = max(*self.ages(self.looked), self.looked.mono - self.still_since)",
        ),
        amid="die flicker",
    ),
    _mutant(
        "after a step of the clock every input is fresh again",
        "inputs_fresh",
        ("freshness", _AGE_OF_AN_INPUT, "age = max(self.ages(now))"),
        amid="die outage step",
    ),
    _mutant(
        "producers are not asked whether they are idle",
        "inputs_fresh",
        (
            "examination",
            "            and all(self._state_of(producer.spec.name) is Health.IDLE for producer in producers)\n",
            "",
        ),
        amid="hang outage",
    ),
    _mutant(
        "the grounds of an order are not looked at again",
        "inputs_fresh root_only",
        (
            "treatment",
            "if not stopped_by_us and (objection := self._objection(patient, attempt, now)):",
            "if not stopped_by_us and (objection := self._objection(patient, attempt, now)[:0]):",
        ),
        amid="hang kill_at outage",
        hours=1.0,
    ),
    _mutant(
        "a probe passes no gate",
        "inputs_fresh",
        (
            "triage",
            "or not judged.may_be_healed:\n            return False",
            "or not (judged.may_be_healed or patient.memory.budget.quarantine):\n            return False",
        ),
        (
            "triage",
            "return judged.state is Health.STALLED or patient.is_down",
            "return bool(patient.memory.budget.quarantine) or judged.state is Health.STALLED or patient.is_down",
        ),
        ("treatment", _REFUSES_STALE_INPUTS, "if judged.not_fresh and not attempt.forced and not attempt.probe:"),
        (
            "treatment",
            "judged.state in (Health.STALLED, Health.DOWN)\n        return",
            "attempt.probe or judged.state in (Health.STALLED, Health.DOWN)\n        return",
        ),
        amid="curse outage",
    ),
    _mutant(
        "an operator's heal opens the gate, as if it were forced",
        "inputs_fresh",
        ("requests", "elif judged.not_fresh and not ticket.request.force:", "elif judged.not_fresh and False:"),
        ("requests", "forced = request.force and bool(judged.not_fresh)", "forced = bool(judged.not_fresh)"),
        amid="heal outage",
    ),
    # --- promise 2: an operator's stop -------------------------------------------------------------------------
    _mutant(
        "an operator's stop counts as down",
        "operators_stop",
        ("patient", "if process is None or not process.by_operator:", "if process is None or process.by_operator:"),
        amid="stop",
    ),
    _mutant(
        "an operator's stop during ours is forgotten",
        "operators_stop",
        ("restart", _WHEN_STOPPING, _WHEN_STOPPING.replace(*_STARTS_IT)),
        amid="ambush hang",
    ),
    _mutant(
        "an operator's stop during our start is forgotten",
        "operators_stop",
        ("restart", _WHEN_STARTING, _WHEN_STARTING.replace(*_STARTS_IT)),
        amid="ambush hang",
    ),
    _mutant(
        "an operator's stop before the proof is forgotten",
        "operators_stop",
        ("restart", _WHEN_VERIFYING, _WHEN_VERIFYING.replace(*_STARTS_IT)),
        amid="ambush hang",
    ),
    _mutant(
        "a healer that is killed between stop and start leaves the worker stopped",
        "left_stopped",
        (
            "former_life",
            "memory = Memory.from_json(data, self._now.mono, self._shift)\n",
            'memory = Memory.from_json({**data, "attempt": None}, self._now.mono, self._shift)\n',
        ),
        (
            "patient",
            "        if process is None or not process.by_operator:\n            return False",
            _lines(
                """
                if process is not None and process.state is ProcessState.STOPPED and self.memory.attempt is None:
                    return True
                if process is None or not process.by_operator:
                    return False
                """,
                depth=2,
            ),
        ),
        amid="kill_at hang",
    ),
    _mutant(
        "what is down by our own stop is not started if the gate has shut meanwhile",
        "left_stopped recovers",
        (
            "restart",
            "Phase.DOWN: Do.START,\n        Phase.DIED: Do.START,",
            "Phase.DOWN: Do.WAIT,\n        Phase.DIED: Do.START,",
        ),
        amid="hang",
    ),
    # --- promise 3: budgets ------------------------------------------------------------------------------------
    _mutant(
        "the budget is off by one",
        "budget",
        ("budget", "if inside >= intensity.max:", "if inside > intensity.max:"),
        (
            "budget",
            "if len(inside) < intensity.max:\n        return now\n    return inside[len(inside) - intensity.max]",
            "if len(inside) <= intensity.max:\n        return now\n    return inside[len(inside) - intensity.max - 1]",
        ),
        amid="curse hang",
    ),
    _mutant(
        "the windows hold intents, not starts",
        "budget host_budget",
        ("treatment", "            self._count_at(patient, attempt, now.mono)\n", ""),
        amid="hang die",
    ),
    _mutant(
        "a crash of the healer empties the window",
        "budget",
        ("memory", 'Budget([past(moment) for moment in data["restarts"]])', "Budget([])"),
        amid="hang kill",
    ),
    _mutant(
        "a crash of the healer forgets the quarantine and the failed attempts",
        "attempts",
        ("memory", 'if (incident := data["incident"]) is not None:', "if (incident := None) is not None:"),
        ("memory", 'if (quarantine := data["quarantine"]) is not None:', "if (quarantine := None) is not None:"),
        amid="curse kill",
    ),
    _mutant(
        "the attempts are never reset",
        "recovers",
        ("budget", "if since is not None and now - since >= needed:", "if since is not None and now - since >= 1e9:"),
        amid="curse",
    ),
    _mutant(
        "the attempts are reset by every outcome",
        "attempts",
        ("treatment", "if outcome is IDLE and budget.quarantine is None:", "if budget.quarantine is None:"),
        amid="curse",
    ),
    _mutant(
        "a quarantine lets everything pass",
        "attempts budget",
        ("triage", "            if now.mono < budget.quarantine.retry_at:", "            if now.mono < 0.0:"),
        amid="curse",
    ),
    _mutant(
        "a probe is no matter of the window",
        "budget",
        (
            "triage",
            '            if window > now.mono:\n                return Refusal(f"quarantined, restarts',
            '            if window < 0.0:\n                return Refusal(f"quarantined, restarts',
        ),
        amid="curse",
    ),
    _mutant(
        "there is no budget of the host",
        "host_budget",
        (
            "triage",
            '        if room > now.mono:\n            limit = f"{self.overall.max}',
            '        if room < 0.0:\n            limit = f"{self.overall.max}',
        ),
        amid="hang",
    ),
    _mutant(
        "the budget of the host is one too large",
        "host_budget",
        (
            "triage",
            "room = room_at(self.host.restarts, now.mono, self.overall)",
            "room = room_at(self.host.restarts, now.mono, Intensity(self.overall.max + 1, self.overall.within))",
        ),
        amid="hang",
    ),
    _mutant(
        "a crash of the healer empties the host's window",
        "host_budget",
        ("former_life", 'self._now.mono) for moment in data["restarts"]]', "self._now.mono) for moment in ()]"),
        amid="doom kill",
        shape="fan_out",
    ),
    # --- promise 4: the root, once -----------------------------------------------------------------------------
    _mutant(
        "nobody may catch up",
        "root_only",
        (
            "diagnosis",
            "end = source.held_since + self._limits.catch_up(case.patient.spec, output, source.item)",
            "end = source.held_since",
        ),
        amid="outage",
        shape="join",
    ),
    _mutant(
        "work need not be pending for long",
        "root_only",
        (
            "diagnosis",
            "if case.now.mono < (end := view.pending + max_age):",
            "if case.now.mono < (end := view.pending):",
        ),
        amid="outage hang",
        shape="batch",
    ),
    _mutant(
        "who reads the root's outputs is restarted as well",
        "root_only",
        (
            "treatment",
            _THE_ATTEMPT_IS_CLOSED,
            _lines(
                """
                if outcome is HEALED:
                    for reader in self._ward.pipeline.downstream[spec.name]:
                        self._ward.patients[reader].memory.wish = Wish("rest for one", now.mono)
                        self._ward.call([reader])
                """,
                depth=2,
            )
            + "\n"
            + _THE_ATTEMPT_IS_CLOSED,
        ),
        ("treatment", "import Attempt, Stage\n", "import Attempt, Stage, Wish\n"),
        amid="hang",
    ),
    _mutant(
        "the root is restarted again after the restart that helped",
        "root_only",
        (
            "treatment",
            _THE_ATTEMPT_IS_CLOSED,
            _lines(
                """
                if outcome is HEALED and not attempt.wished:
                    patient.memory.wish = Wish("once more", now.mono)
                """,
                depth=2,
            )
            + "\n"
            + _THE_ATTEMPT_IS_CLOSED,
        ),
        ("treatment", "import Attempt, Stage\n", "import Attempt, Stage, Wish\n"),
    ),
    _mutant(
        "relatives go together",
        "relatives_apart",
        ("triage", "if other := self._relative_under_way(name):", 'if other := self._relative_under_way(name) and "":'),
        amid="die",
        shape="diamond",
    ),
    # --- promise 5: new output ---------------------------------------------------------------------------------
    _mutant(
        "healed at mere RUNNING",
        "new_output",
        (
            "verification",
            "if attempt.moved and (attempt.any_output or len(attempt.moved) == len(wanted)):",
            "if patient.runs:",
        ),
    ),
    _mutant(
        "healed by what was written before the start",
        "new_output",
        (
            "freshness",
            "self.mtime > wall) or self.found_after >= mono",
            "self.mtime > wall) or self.found_mono >= mono",
        ),
        amid="die hang",
    ),
    _mutant(
        "healed before the start-up grace is over",
        "new_output",
        ("verification", "    if now.mono - since >= grace:", "    if now.mono >= since:"),
        amid="die",
        shape="random",
    ),
    # --- promise 6: files --------------------------------------------------------------------------------------
    _mutant(
        "a config is repaired as often as it is broken",
        "mends",
        (
            "upkeep",
            "if room_at(care.mends, now.mono, MENDS) > now.mono:",
            "if room_at(care.mends, now.mono, MENDS) < 0.0:",
        ),
        amid="spoil",
        shape="configured",
    ),
    _mutant(
        "a repair is not remembered before it is made",
        "mends",
        (
            "upkeep",
            "self._remember(path, care)\n        self._record.add(Repair(",
            "self._record.add(Repair(",
        ),
        amid="spoil",
        shape="configured",
    ),
    # --- promise 7: evidence -----------------------------------------------------------------------------------
    _mutant(
        "a process that does not run is signalled",
        "signals",
        (
            "notice",
            "if process is None or process.state is not ProcessState.RUNNING or halted:",
            "if process is None or halted:",
        ),
        amid="spoil die",
        shape="configured",
    ),
    _mutant(
        "the clocks may move apart",
        "evidence",
        ("clock", "if abs(apart) > MAY_MOVE_APART:", "if abs(apart) > 1e9:"),
        amid="hang step",
    ),
    _mutant(
        "the healer may oversleep",
        "evidence",
        ("clock", "if late > MAY_OVERSLEEP:", "if late > 1e9:"),
        amid="hang stall",
    ),
    _mutant(
        "the monotonic age is not asked",
        "root_only",
        (
            "freshness",
            "else self._standing(now, max(wall, mono), min(wall, mono))",
            "else self._standing(now, max(wall, mono), wall)",
        ),
        amid="step",
        shape="slow",
        hours=3.0,
    ),
    _mutant(
        "what cannot be read counts as stale",
        "root_only",
        (
            "freshness",
            "if self.looked is None or (self.problem and not self.passing):\n"
            "            return Standing(Freshness.UNKNOWN, Freshness.UNKNOWN)",
            "if self.looked is None or (self.problem and not self.passing):\n"
            "            return Standing(Freshness.UNKNOWN, Freshness.STALE)",
        ),
        amid="garble",
    ),
    _mutant(
        "mode observe acts",
        "mode",
        ("triage", "if self.mode is Mode.OBSERVE:", "if self.mode is Mode.OBSERVE and name == '':"),
        amid="observe hang",
    ),
    # --- promise 8: one bad worker -----------------------------------------------------------------------------
    _mutant(
        "a worker that is late cannot be judged",
        "unharmed",
        ("diagnosis", "Finding(Health.LATE, self.aged(case.owing[0].path))", "Finding(Health.LATE, case.late)"),
    ),
    # --- promise 9: pace, and liveness -------------------------------------------------------------------------
    _mutant(
        "the next turn is always due at once",
        "keeps_pace",
        ("engine", "        return self._clock.asked\n", "        return NEVER\n"),
    ),
    _mutant(
        "the next turn is never due by time",
        "recovers",
        ("engine", "        return self._clock.asked\n", "        return -NEVER\n"),
        amid="hang",
    ),
    _mutant(
        "a quarantine never probes",
        "recovers",
        ("triage", "            if now.mono < budget.quarantine.retry_at:", "            if now.mono < 1e12:"),
        amid="curse",
    ),
    # --- promise 10: reasons -----------------------------------------------------------------------------------
    _mutant(
        "a restart has no reason",
        "explained",
        ("treatment", _NOTES_THE_RESTART, '        self._record.note(name, "restart", "", grounds)\n'),
    ),
    _mutant(
        "a restart has no evidence",
        "explained",
        ("treatment", _NOTES_THE_RESTART, '        self._record.note(name, "restart", said)\n'),
    ),
    _mutant(
        "a restart is noted when it is over",
        "explained",
        ("treatment", _NOTES_THE_RESTART, ""),
        (
            "treatment",
            _THE_ATTEMPT_IS_CLOSED,
            _NOTES_THE_RESTART.replace("name", "spec.name").replace("said, grounds", "reason, (reason,)")
            + _THE_ATTEMPT_IS_CLOSED,
        ),
    ),
    _mutant(
        "a refused heal is answered without a reason",
        "explained",
        ("requests", "        ticket.settle(name, REFUSED, why)\n", '        ticket.settle(name, REFUSED, "")\n'),
        amid="heal outage",
    ),
)
