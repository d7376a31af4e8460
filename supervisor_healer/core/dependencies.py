"""Who else depends on what: readers that supervisord does not run, and files that no worker reads or writes."""

from __future__ import annotations

from supervisor_healer.core.causes import Causes
from supervisor_healer.core.examination import InputView
from supervisor_healer.core.explanation import chains, file_verdict, gate_note
from supervisor_healer.core.model import Health, Now
from supervisor_healer.core.verdicts import ConsumerVerdict, FileVerdict
from supervisor_healer.core.ward import UNSOUND, Ward
from supervisor_healer.words import clean_but_tokens, listed


class Dependencies:
    """The verdicts on consumers and on files that stand apart, as of the last `conclude`.

    `concluded_consumers` and `concluded_files` are the names and paths whose verdict was drawn anew, or dropped, since
    somebody took note of it.
    """

    def __init__(self, ward: Ward) -> None:
        self._ward = ward
        self.consumers: dict[str, ConsumerVerdict] = {}
        self.files: dict[str, FileVerdict] = {}
        self.concluded_consumers: set[str] = set()
        self.concluded_files: set[str] = set()

    def adopt(self) -> None:
        """Forget those who have left."""
        pipeline = self._ward.pipeline
        for name in self.consumers.keys() - pipeline.consumers.keys():
            del self.consumers[name]
            self.concluded_consumers.add(name)
        for path in self.files.keys() - set(self._apart()):
            del self.files[path]
            self.concluded_files.add(path)

    def _apart(self) -> list[str]:
        """The files that neither a worker nor a consumer has."""
        pipeline = self._ward.pipeline
        return [path for path in pipeline.apart if path not in pipeline.consumed]

    def conclude(self, now: Now) -> None:
        """Draw every verdict anew; it keeps its date while its state stays."""
        for name in self._ward.pipeline.consumers:
            verdict = self._consumer(name, now)
            if self.consumers.get(name) != verdict:
                self.consumers[name] = verdict
                self.concluded_consumers.add(name)
        for path in self._apart():
            file = file_verdict(self._ward, path, self._ward.tracks[path].as_input(now).freshness, "")
            if self.files.get(path) != file:
                self.files[path] = file
                self.concluded_files.add(path)

    def _consumer(self, name: str, now: Now) -> ConsumerVerdict:
        """Blocked by what it requires and is unsound, late by what is late; else it has all it needs."""
        ward, spec = self._ward, self._ward.pipeline.consumers[name]
        views = tuple(ward.view(item, now) for item in spec.inputs)
        before = self.consumers.get(name)
        poor = [view for view in views if view.item.required and not view.fresh]
        if poor and all(map(self._is_passing, poor)):
            if before is not None and before.state is not Health.UNKNOWN:
                return before  # nothing can be said until they are checked
            unsound, state = [], Health.UNKNOWN
        else:
            poor = [view for view in poor if not self._is_passing(view)]
            unsound = [view for view in poor if view.standing.counts in UNSOUND]
            state = Health.BLOCKED if unsound else Health.LATE if poor else Health.HEALTHY
        paths = tuple(view.item.path for view in unsound or poor)
        causes = ward.causes_of(name, views, paths) if unsound else Causes()
        reason = "everything that it reads is fresh"
        if poor:
            reason = listed(map(ward.diagnosis.aged, paths))
        if unsound and set(causes.roots) != set(paths):
            reason = f"by {listed(causes.roots)}: {reason}"
        return ConsumerVerdict(
            name,
            state,
            before.since if before is not None and before.state is state else now.wall,
            reason,
            any(ward.tracks[path].spec.critical for path in (paths or [view.item.path for view in views])),
            tuple(file_verdict(ward, view.item.path, view.standing.freshness, gate_note(view)) for view in views),
            causes.roots,
            tuple(map(clean_but_tokens, (*chains(ward, name, causes, views), f"next: {self._next(state, causes)}"))),
        )

    def _next(self, state: Health, causes: Causes) -> str:
        """What happens next: nothing is ever done to a consumer itself."""
        if state is not Health.BLOCKED:
            return {
                Health.HEALTHY: "nothing",
                Health.LATE: "new input, or it is blocked",
                Health.UNKNOWN: "it is judged as soon as there is evidence",
            }[state]
        workers = [root for root in causes.roots if root in self._ward.patients]
        configs = [root for root in causes.roots if root in self._ward.pipeline.configs]
        files = [root for root in causes.roots if root not in (*workers, *configs)]
        return "nothing here: " + "; ".join(
            text.format(listed(names))
            for names, text in (
                (workers, "it is healed at {}"),
                (configs, "what is wrong with {} has to be put right"),
                (files, "whoever writes {} has to write again"),
            )
            if names
        )

    def _is_passing(self, view: InputView) -> bool:
        """Whether there is no evidence yet: it is being checked, or was never looked at."""
        track = self._ward.tracks[view.item.path]
        return track.passing or track.looked is None

    # --- for the report and for people ---------------------------------------------------------------------------

    def waiting_for(self, path: str) -> tuple[str, ...]:
        """Every worker and consumer that reads `path`."""
        pipeline = self._ward.pipeline
        return (*pipeline.readers.get(path, ()), *pipeline.consumed.get(path, ()))

    def count(self) -> int:
        """How many dependencies there are: inputs of workers and of consumers."""
        pipeline = self._ward.pipeline
        of_workers = sum(len(spec.inputs) for spec in pipeline.workers.values())
        return of_workers + sum(len(spec.inputs) for spec in pipeline.consumers.values())
