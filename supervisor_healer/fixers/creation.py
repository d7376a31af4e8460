"""A missing file made: whole at once, with its mode, owner and time, and never over something that exists."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import replace

from supervisor_healer.fixers import owners
from supervisor_healer.fixers.folder import Attributes, Folder, umask
from supervisor_healer.fixers.jobs import Answer, Job
from supervisor_healer.fixers.standing import answered, failed, stand
from supervisor_healer.fixers.target import RefusedError, Target, look, source, strerror


def create(job: Job) -> Answer:
    """Make the file of `job`, if there is nothing in its place."""
    before = stand(job)
    if before.seen.state != "missing" or before.target is None:
        if before.assessed.state == "valid":
            return answered(job, before, "unneeded", ["it exists already"])
        return answered(job, before, "failed", [f"something else is in its place: {before.problems[0]}"])
    try:
        afterwards = put_new(before.target, *_content(job))
    except FileExistsError:
        after = stand(job)
        return answered(job, after, "unneeded" if after.assessed.state == "valid" else "failed", ["it exists already"])
    except (RefusedError, OSError) as error:
        return failed(job, error)
    said = f"created as a copy of {job['copy_of']}" if job["copy_of"] else "created"
    return answered(job, stand(job), "done", [said, *afterwards])


def wanted(job: Job) -> Attributes:
    """Mode, owner and time of the file that a job makes."""
    uid, gid = owners.parse(job["owner"])
    return Attributes(job["mode"], uid, gid, job["mtime_ns"])


def put_new(target: Target, content: bytes, attributes: Attributes) -> list[str]:
    """A new file at `target`, and the folders above it that are missing; nothing is left where it fails.

    Folders are made only below the root, and belong to whom the file belongs. Raises FileExistsError where something
    has taken the place meanwhile. Returns what there is to say of it.
    """
    if target.outside:
        raise RefusedError(target.outside)
    with _NewFolders(attributes) as made, _opened(target, made) as folder:
        folder.sweep(target.name)
        folder.add(target.name, content, attributes)
        made.keep()
        try:
            folder.sync()
        except OSError as error:  # it is there, and may be in use: no reason to take it away
            return [f"afterwards: {strerror(error)}: {target.shown}"]
        return []


def _opened(target: Target, made: _NewFolders) -> Folder:
    try:
        return Folder(target.home, target.folder, made.make if target.inside else None)
    except FileNotFoundError as error:
        if not target.inside:
            why = f"its folder {target.folder} is not there, and folders are made only below the root"
            raise RefusedError(why) from error
        if error.filename == target.home:
            raise RefusedError(f"the root {target.home} is not there") from error
        raise


class _NewFolders:
    """Folders made on the way to a file, each known by the open one that it was made in; gone again unless kept."""

    def __init__(self, attributes: Attributes) -> None:
        self._uid, self._gid = attributes.uid, attributes.gid
        self._made: list[tuple[int, str]] = []
        self._kept = False

    def __enter__(self) -> _NewFolders:
        return self

    def __exit__(self, *_: object) -> None:
        for folder, name in reversed(self._made):
            if not self._kept:
                with suppress(OSError):  # somebody uses it already
                    os.rmdir(name, dir_fd=folder)
            os.close(folder)

    def make(self, name: str, folder: int) -> None:
        """Make the folder `name` in the open `folder`, and give it to whom it is to belong."""
        try:
            os.mkdir(name, 0o755, dir_fd=folder)
        except FileExistsError:  # somebody else was faster
            return
        self._made.append((os.dup(folder), name))
        if (self._uid, self._gid) == (-1, -1):
            return
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            if os.fstat(descriptor).st_uid != os.geteuid() or os.listdir(descriptor):
                raise RefusedError(f"the folder {name} that was made for it was replaced meanwhile")
            os.fchown(descriptor, self._uid, self._gid)
        except PermissionError as error:
            owner = owners.named(self._uid, self._gid)
            raise RefusedError(f"it could not belong to {owner}: {strerror(error)}") from error
        finally:
            os.close(descriptor)

    def keep(self) -> None:
        """What they were made for is in its place."""
        self._kept = True


def _content(job: Job) -> tuple[bytes, Attributes]:
    attributes = wanted(job)
    if job["copy_of"]:
        return _copied(job, attributes)
    try:
        return job["text"].encode(), attributes
    except UnicodeEncodeError as error:
        raise RefusedError("its text has half of a surrogate pair in it, which no file can hold") from error


def _copied(job: Job, attributes: Attributes) -> tuple[bytes, Attributes]:
    """What the source holds. Nobody who may not read or write that may do so with its copy."""
    what = f"{job['copy_of']}, of which it should be a copy"
    try:
        found = look(source(job["root"], job["copy_of"]))
    except RefusedError as error:
        raise RefusedError(f"{what}: {error}") from error
    if found.content is None or found.status is None:
        raise RefusedError(f"{what}: {found.problem}")
    mode = 0o666 & ~umask() if attributes.mode is None else attributes.mode
    return found.content, replace(attributes, mode=mode & stat.S_IMODE(found.status.st_mode), extended=())
