"""Files and configs for who has asked: what became of each in the last round, and what the next would do."""

from __future__ import annotations

from supervisor_healer.core.care import Care, ConfigCare
from supervisor_healer.core.news import ConfigState
from supervisor_healer.core.orders import DONE, FAILED, REFUSED
from supervisor_healer.core.upkeep import Upkeep
from supervisor_healer.core.ward import Ward

Outcomes = dict[str, tuple[int, str]]  # by path: an exit status, and words


class Account:
    """Answers by path; what is in order, and what an operator has taken into his own hands, is left out."""

    def __init__(self, ward: Ward, upkeep: Upkeep) -> None:
        self._ward = ward
        self._upkeep = upkeep

    @property
    def left_alone(self) -> str:
        """Why nothing is mended although the healer would act, '' if that is not so."""
        return self._upkeep.hands_off.reason

    # --- what was done ---------------------------------------------------------------------------------------------

    def outcomes(self) -> Outcomes:
        """What the last round has done, and what it could not put right."""
        results: Outcomes = {}
        for path, care in {**self._upkeep.files, **self._upkeep.configs}.items():
            outcome = self._outcome(path, care)
            if outcome is not None:
                results[path] = outcome
        return results

    def _outcome(self, path: str, care: Care) -> tuple[int, str] | None:
        done = care.outcome
        if done is None and care.busy:
            return REFUSED, f"its {care.busy} is still under way"
        if not isinstance(care, ConfigCare) or (done is not None and done[0] != DONE):
            return done
        unsound = self._unsound(path, care, mended=done is not None)
        if done is None or unsound is None:
            return unsound or done
        return unsound[0], f"{done[1]}; it is still {unsound[1]}"

    def _unsound(self, path: str, care: ConfigCare, *, mended: bool) -> tuple[int, str] | None:
        """What there is to say of a config that is not valid, as it stands there now."""
        found = care.found
        if not mended and self._ward.tracks[path].passing:
            return REFUSED, "it is still being checked"
        if found is None or found.state is ConfigState.VALID or care.is_left_alone:
            return None
        said = found.in_words
        if found.state is ConfigState.UNCHECKED:
            return REFUSED, said
        if not self._upkeep.restraint:
            return FAILED, said
        if not mended and self.left_alone:
            return None
        return (REFUSED, f"{said}; not repaired: {self._upkeep.restraint}") if found.repairs else (FAILED, said)

    # --- what would be done ----------------------------------------------------------------------------------------

    def plans(self) -> dict[str, str]:
        """What `heal all` would do about each, and what it could not, as of the last looks and checks."""
        plans: dict[str, str] = {}
        for path, care in {**self._upkeep.files, **self._upkeep.configs}.items():
            if care.busy:
                plans[path] = f"its {care.busy} is under way at this moment"
            elif isinstance(care, ConfigCare):
                plans[path] = self._plan_of_config(path, care)
            elif self._upkeep.is_absent(path):
                plans[path] = self._would("created", "")
        return {path: said for path, said in plans.items() if said}

    def _plan_of_config(self, path: str, care: ConfigCare) -> str:
        found = care.found
        if self._ward.tracks[path].passing or found is None:
            return "is still being checked"
        if found.state is ConfigState.VALID:
            return ""
        if found.state is ConfigState.UNCHECKED:
            return found.in_words
        said = f"{found.in_words}; "
        if care.is_left_alone:
            return f"{said}would be left as an operator has put it back"
        if not found.repairs:
            return f"{said}could not be repaired: it needs a person"
        return said + self._would("repaired", "; ".join(found.repairs))

    def _would(self, done: str, how: str) -> str:
        why = self._upkeep.restraint
        would = f"would not be {done}: {why}" if why else f"would be {done}"
        return f"{would}: {how}" if how else would

    def first_mended(self, name: str) -> list[str]:
        """The configs that this worker reads and that `heal` would repair before it judges it."""
        inputs = self._ward.patients[name].spec.inputs
        return [
            item.path for item in inputs if item.path in self._upkeep.configs and self._upkeep.would_repair(item.path)
        ]
