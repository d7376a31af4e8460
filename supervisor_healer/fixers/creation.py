"""A missing file made: whole at once, with its mode, owner and time, and never over something that exists."""

from __future__ import annotations

import os

from supervisor_healer.fixers import owners
from supervisor_healer.fixers.folder import Attributes, Folder
from supervisor_healer.fixers.jobs import Answer, Job
from supervisor_healer.fixers.standing import answered, stand
from supervisor_healer.fixers.target import RefusedError, Target, locate, look, strerror


def create(job: Job) -> Answer:
    """Make the file of `job`, if there is nothing in its place."""
    before = stand(job)
    if before.seen.state != "missing" or before.target is None:
        if before.assessed.state == "valid":
            return answered(job, before, "unneeded", ["it exists already"])
        return answered(job, before, "failed", [f"something else is in its place: {before.problems[0]}"])
    try:
        afterwards = put_new(job["root"], before.target, _content(job), wanted(job))
    except FileExistsError:
        after = stand(job)
        return answered(job, after, "unneeded" if after.assessed.state == "valid" else "failed", ["it exists already"])
    except RefusedError as error:
        return answered(job, stand(job), "failed", [str(error)])
    except OSError as error:
        return answered(job, stand(job), "failed", [f"{strerror(error)}: {job['path']}"])
    source = f"created as a copy of {job['copy_of']}" if job["copy_of"] else "created"
    return answered(job, stand(job), "done", [source, *afterwards])


def wanted(job: Job) -> Attributes:
    """Mode, owner and time of the file that a job makes."""
    uid, gid = owners.parse(job["owner"])
    return Attributes(job["mode"], uid, gid, job["mtime_ns"])


def put_new(root: str, target: Target, content: bytes, attributes: Attributes) -> list[str]:
    """A new file at `target`, and the folders above it that are missing; nothing is left where it fails.

    Folders are made only below `root`, and belong to whom the file belongs. Raises FileExistsError where something has
    taken the place meanwhile. Returns what there is to say of it.
    """
    if target.outside:
        raise RefusedError(target.outside)
    made: list[str] = []
    try:
        _make_folders(root, target, attributes, made)
        with Folder(target.folder) as folder:
            folder.sweep(target.name)
            temporary = folder.write(target.name, content, attributes)
            try:
                folder.put(temporary, target.name)
            except BaseException:
                folder.remove(temporary)
                raise
            try:
                folder.sync()
            except OSError as error:  # it is there, and may be in use: no reason to take it away
                return [f"afterwards: {strerror(error)}: {target.shown}"]
            return []
    except BaseException:
        for path in reversed(made):
            _remove_folder(path)
        raise


def _content(job: Job) -> bytes:
    if not job["copy_of"]:
        try:
            return job["text"].encode()
        except UnicodeEncodeError as error:
            raise RefusedError("its text has half of a surrogate pair in it, which no file can hold") from error
    try:
        found = look(locate(job["root"], job["copy_of"]))
    except RefusedError as error:
        raise RefusedError(f"{job['copy_of']}, of which it should be a copy: {error}") from error
    if found.content is None:
        raise RefusedError(f"{job['copy_of']}, of which it should be a copy: {found.problem}")
    return found.content


def _make_folders(root: str, target: Target, attributes: Attributes, made: list[str]) -> None:
    home = os.path.realpath(root)
    missing = []
    folder = target.folder
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    if missing and os.path.commonpath([home, target.folder]) != home:
        raise RefusedError(f"its folder {target.folder} is not there, and folders are made only below the root")
    if home in missing:
        raise RefusedError(f"the root {home} is not there")
    for path in reversed(missing):
        try:
            os.mkdir(path, 0o755)
        except FileExistsError:  # somebody else was faster
            continue
        made.append(path)
        if (attributes.uid, attributes.gid) != (-1, -1):
            try:
                os.chown(path, attributes.uid, attributes.gid, follow_symlinks=False)
            except PermissionError as error:
                owner = owners.named(attributes.uid, attributes.gid)
                raise RefusedError(f"it could not belong to {owner}: {strerror(error)}") from error
    if os.path.realpath(target.folder) != target.folder:
        raise RefusedError("its folder was replaced by a link meanwhile")


def _remove_folder(path: str) -> None:
    try:
        os.rmdir(path)
    except OSError:
        return  # somebody uses it already
