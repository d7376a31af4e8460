"""How a config stands at this moment: a look, the judgement of its content, and what a repair would do."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor_healer.fixers import assessment, phrases
from supervisor_healer.fixers.assessment import Assessment, Rules
from supervisor_healer.fixers.documents import CannotEditError
from supervisor_healer.fixers.folder import Folder, umask
from supervisor_healer.fixers.jobs import Answer, Job
from supervisor_healer.fixers.target import Look, RefusedError, Target, locate, look, strerror


@dataclass(frozen=True, slots=True)
class Standing:
    """`target` is None where the path cannot lead to a file. `obstacle`: why it may not be repaired, '' if it may."""

    target: Target | None
    seen: Look
    assessed: Assessment
    obstacle: str = ""

    @property
    def problems(self) -> list[str]:
        """What is wrong, and why it stays so, as lines."""
        own = [phrases.line(f"it is not repaired: {self.obstacle}")] if self.obstacle and self.assessed.repairs else []
        return own + phrases.lines(self.assessed.problems, self.assessed.more)

    @property
    def repairs(self) -> list[str]:
        """What a repair would do, as lines."""
        return [] if self.obstacle else phrases.lines(self.assessed.repairs)


def rules_of(job: Job, discreet: bool = True) -> Rules:
    """What a job says of the content."""
    return Rules(job["format"], job["schema"], job["repair_values"], discreet)


def stand(job: Job) -> Standing:
    """How the config of `job` stands."""
    try:
        target = locate(job["root"], job["path"])
    except RefusedError as error:
        return Standing(None, Look("unreadable"), Assessment("unreadable", (str(error),)))
    seen = look(target, whole=bool(job["format"]))
    if seen.state == "missing":
        return Standing(target, seen, _missing(job, target), target.outside)
    if seen.problem:
        return Standing(target, seen, Assessment(seen.state, (seen.problem,)))
    assessed = assessment.assess(
        seen.content or b"", rules_of(job, _is_private(target, seen.status.st_mode if seen.status else 0))
    )
    return Standing(target, seen, assessed, _obstacle(target, seen) if assessed.repairs else "")


def answered(
    job: Job, standing: Standing, outcome: str = "", said: list[str] | None = None, backup: str = ""
) -> Answer:
    """The answer to `job`."""
    return Answer(
        verb=job["verb"],
        path=job["path"],
        state=standing.assessed.state,
        problems=standing.problems,
        repairs=standing.repairs,
        digest=standing.seen.digest,
        fingerprint=standing.seen.fingerprint,
        outcome=outcome,
        said=phrases.lines(said or []),
        backup=backup,
    )


def failed(job: Job, error: Exception) -> Answer:
    """The answer to a `job` that came to nothing; an error of the system's is told with the path."""
    said = f"{strerror(error)}: {job['path']}" if isinstance(error, OSError) else str(error)
    return answered(job, stand(job), "failed", [said])


def _missing(job: Job, target: Target) -> Assessment:
    if job["verb"] == "create" or not job["create"]:
        return Assessment("missing", ("is missing",))
    try:
        mode = 0o666 & ~umask() if job["mode"] is None else job["mode"]
        _, words = assessment.made(rules_of(job, _is_private(target, mode)))
    except CannotEditError as error:
        return Assessment("missing", ("is missing", f"it cannot be made: {error}"))
    return Assessment("missing", ("is missing",), (words,))


def _is_private(target: Target, mode: int) -> bool:
    """Whether what the file says must not be told to everybody who reads a report."""
    return not (target.inside and mode & 0o004)


def _obstacle(target: Target, seen: Look) -> str:
    """Why this file may not be replaced, '' where it may."""
    if target.outside or seen.status is None or seen.status.st_nlink == 1:
        return target.outside
    try:
        with Folder(target.home, target.folder) as folder:
            links = folder.links(target.name, seen.status)
    except OSError as error:
        return strerror(error)
    return f"it has {links} hard links, and only this one would be repaired" if links > 1 else ""
