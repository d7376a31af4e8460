"""What an architecture declares, entry by entry: defaults applied, paths in their one form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from supervisor_healer.architecture.components import component
from supervisor_healer.architecture.configs import ConfigReader
from supervisor_healer.architecture.creation import creation
from supervisor_healer.architecture.paths import Patterns
from supervisor_healer.architecture.sources import Entry, Sources
from supervisor_healer.core.model import (
    ComponentSpec,
    ConfigSpec,
    ConsumerSpec,
    Creation,
    FileSpec,
    InputSpec,
    Intensity,
    Kind,
    WorkerSpec,
)
from supervisor_healer.core.pipeline import is_pattern

DEFAULT_CYCLE = 60.0

_WORKER_POLICIES = (
    "kind", "critical", "catch_up", "attempts", "restarts", "startup_grace", "verify_within", "retry_after",
)  # fmt: skip
_DURATIONS = ("catch_up", "startup_grace", "verify_within", "retry_after", "max_age", "grace", "cycle")
_INTENSITIES = ("restarts", "max_restarts_overall")


@dataclass(frozen=True, slots=True)
class Use:
    """A place where a worker or a consumer names a path."""

    path: str
    entry: Entry
    field: str


class Draft:
    """The specs that the sources declare. What cannot be built is reported to the sources, and left out.

    `uses` are all inputs and outputs; `defaults` and settings are parsed (durations in seconds).
    """

    def __init__(self, sources: Sources, root: str) -> None:
        self.sources = sources
        self.root = root
        self.workers: list[WorkerSpec] = []
        self.consumers: list[ConsumerSpec] = []
        self.configs: dict[str, ConfigSpec] = {}
        self.schema_files: list[str] = []
        self.files: dict[str, FileSpec] = {}
        self.components: list[ComponentSpec] = []
        self.config_entries: dict[str, Entry] = {}
        self.uses: list[Use] = []
        self.defaults: dict[str, Any] = {}
        self._fields: dict[tuple[str, str, str], str] = {}
        self.declared: dict[str, Entry] = {}
        self._policies_of_files: dict[str, dict[str, Any]] = {}

    def build(self) -> None:
        """Fill the lists from the sources."""
        entries, settings = self.sources.entries, self.sources.settings
        for entry in settings.values():
            if entry.field.startswith("defaults."):
                self.defaults[entry.name] = self._parsed(entry, entry.field, entry.name, entry.value)
        self.declared = self._by_path(entries["files"].values())
        self.config_entries = self._by_path(entries["configs"].values())
        reader = ConfigReader(self.sources, self.root)
        for path, entry in self.config_entries.items():
            self.configs[path] = reader.config(path, entry, critical=bool(self._policy(entry, "critical")))
        self.schema_files = reader.schema_files
        self.workers = [self._worker(entry) for entry in entries["workers"].values()]
        self.consumers = [ConsumerSpec(entry.name, self._inputs(entry)) for entry in entries["consumers"].values()]
        self.components = [component(self.sources, self.root, one) for one in entries["component_healers"].values()]
        self._limit_files()
        self.workers = [self._with_criticality(worker) for worker in self.workers]

    def setting(self, key: str) -> Any:
        """The value of a top-level setting, durations in seconds; None where it is not given or was refused."""
        entry = self.sources.settings.get(key)
        return None if entry is None else self._parsed(entry, key, key, entry.value)

    def field(self, entry: Entry, key: str, path: str) -> str:
        """The field of `path` in the list `key` of `entry`."""
        return self._fields.get((entry.field, key, path), f"{entry.field}.{key}")

    # --- values ----------------------------------------------------------------------------------------------

    def _own(self, entry: Entry, key: str) -> Any:
        return self._parsed(entry, f"{entry.field}.{key}", key, self.sources.get(entry, key))

    def _policy(self, entry: Entry, key: str) -> Any:
        value = self._own(entry, key)
        return self.defaults.get(key) if value is None else value

    def _parsed(self, entry: Entry, name: str, key: str, value: Any) -> Any:
        """`value` as the model holds it; None where there is none, or it was or is now reported."""
        if value is None or self.sources.is_bad(name):
            return None
        if key in _DURATIONS:
            return self.sources.seconds(entry, name, value)
        if key in _INTENSITIES:
            within = self.sources.seconds(entry, f"{name}.within", value["within"])
            return None if within is None else Intensity(int(value["max"]), within)
        if key == "create":
            return creation(self.sources, self.root, entry, name, value) or False
        return {"kind": Kind, "attempts": int}.get(key, lambda same: same)(value)

    def _path(self, entry: Entry, name: str, value: str) -> str | None:
        """`value` in its one form; None when it had to be reported."""
        of_worker = not name.startswith(("consumers.", "configs."))
        return self.sources.path(entry, name, value, self.root, of_worker=of_worker)

    # --- entries ---------------------------------------------------------------------------------------------

    def _worker(self, entry: Entry) -> WorkerSpec:
        policies = {key: value for key in _WORKER_POLICIES if (value := self._policy(entry, key)) is not None}
        listed = isinstance(self.sources.get(entry, "trigger"), list)
        return WorkerSpec(
            name=entry.name,
            program=self.sources.get(entry, "program") or entry.name,
            inputs=self._inputs(entry),
            outputs=tuple(use.path for use in self._uses(entry, "outputs")),
            trigger=tuple(use.path for use in self._named(entry, "trigger")) if listed else None,
            **policies,
        )

    def _inputs(self, entry: Entry) -> tuple[InputSpec, ...]:
        optional = {
            name
            for name, item in self.sources.items(entry, "inputs")
            if isinstance(item, dict) and not item.get("required", True)
        }
        return tuple(InputSpec(use.path, use.field not in optional) for use in self._uses(entry, "inputs"))

    def _uses(self, entry: Entry, key: str) -> list[Use]:
        """What a list of inputs or outputs names, noted among the uses."""
        found = self._named(entry, key)
        self.uses += found
        return found

    def _named(self, entry: Entry, key: str) -> list[Use]:
        """The paths of a list, each once."""
        found: dict[str, Use] = {}
        for name, item in self.sources.items(entry, key):
            path = self._path(entry, name, item["path"] if isinstance(item, dict) else item)
            if path in found:
                self.sources.error(entry, name, f"{path} is listed twice, first as {found[path].field}", "one of them")
            elif path is not None:
                found[path] = Use(path, entry, name)
                self._fields[entry.field, key, path] = name
        return list(found.values())

    def _by_path(self, entries: Iterable[Entry]) -> dict[str, Entry]:
        """The entries of `files` or `configs` by the one form of their path."""
        found: dict[str, Entry] = {}
        for entry in entries:
            path = self._path(entry, entry.field, entry.name)
            if path in found:
                first = found[path]
                self.sources.error(entry, entry.field, f"the same file as {first.name}, {first.place}", "one of them")
            elif path is not None:
                found[path] = entry
        return found

    # --- files -----------------------------------------------------------------------------------------------

    def _limit_files(self) -> None:
        """A FileSpec for every path that is used or declared.

        The limits of a path are those of the entry of the same text, else of the one glob that matches it. A
        glob that only serves other paths this way is a rule and not a file, and is left out.
        """
        patterns = Patterns(self.declared)
        rules: set[str] = set()
        for use in self.uses:
            if use.path in self.files:
                continue
            source: str | None = use.path
            if use.path not in self.declared and not is_pattern(use.path) and use.path not in self.configs:
                globs = patterns.matching(use.path)
                if len(globs) > 1:
                    what = f"{use.path} is matched by {len(globs)} entries of files: {', '.join(globs)}"
                    self.sources.error(use.entry, use.field, what, "one of them, or an entry for the file itself")
                source = globs[0] if globs else None
                rules.update(globs)
            self._limit(use.path, self.declared.get(source) if source else None, use)
        for path, entry in self.declared.items():
            if path not in self.files and path not in rules:
                self._limit(path, entry, Use(path, entry, entry.field))
        for path in self.configs:
            self.files.setdefault(path, FileSpec(path))
            if self.configs[path].critical:
                self.files[path] = replace(self.files[path], critical=True)

    def _limit(self, path: str, entry: Entry | None, use: Use) -> None:
        own: dict[str, Any] = {} if entry is None else self._file_policies(entry)
        is_config = path in self.configs
        max_age = own.get("max_age", None if is_config else self.defaults.get("max_age"))
        if max_age is None and not is_config and not self._may_be_misspelt(entry):
            self.sources.error(use.entry, use.field, f"no max_age for {path}", f"`files: {{{path}: {{max_age: 5m}}}}`")
        if max_age is None and is_config and entry is not None and "grace" in own:
            self.sources.error(entry, f"{entry.field}.grace", "a grace without a max_age never ends", "a max_age")
        grace = own.get("grace", self.defaults.get("grace"))
        self.files[path] = FileSpec(
            path,
            max_age=max_age,
            grace=0.0 if max_age is None else max_age / 2 if grace is None else grace,
            critical=bool(own.get("critical", self.defaults.get("critical"))),
            shared=bool(own.get("shared")),
            create=self._creation(path, entry, own.get("create")),
        )

    def _creation(self, path: str, entry: Entry | None, own: Creation | bool | None) -> Creation | None:
        """How the file at `path` is made, by its `own` say or by default."""
        if entry is None or not own:
            default = self.defaults.get("create") if own is None else None
            if not isinstance(default, Creation) or is_pattern(path) or path in self.configs:
                return None
            return default if default.copy_of != path else None
        name = f"{entry.field}.create"
        if is_pattern(path):
            self.sources.error(entry, name, "a pattern cannot be created", "one file")
        elif path in self.configs:
            self.sources.error(entry, name, f"{path} is a config", f"`configs: {{{path}: {{create: true}}}}`")
        elif isinstance(own, Creation) and own.copy_of == path:
            self.sources.error(entry, f"{name}.copy", "this is the file itself", "another file")
        else:
            return own if isinstance(own, Creation) else None
        return None

    def _file_policies(self, entry: Entry) -> dict[str, Any]:
        if entry.field not in self._policies_of_files:
            own = {key: self._own(entry, key) for key in ("max_age", "grace", "critical", "create", "shared")}
            self._policies_of_files[entry.field] = {key: value for key, value in own.items() if value is not None}
        return self._policies_of_files[entry.field]

    def _may_be_misspelt(self, entry: Entry | None) -> bool:
        """Whether a max_age that seems to be missing may stand in something that was refused or not read."""
        places = ("files", "defaults") if entry is None else ("files", "defaults", entry.field)
        bad = self.sources.bad
        return (
            self.sources.unreadable
            or any(place in bad for place in places)
            or (self.sources.is_bad("defaults.max_age") or (entry is not None and self.sources.is_bad(entry.field)))
        )

    def _with_criticality(self, worker: WorkerSpec) -> WorkerSpec:
        """A worker is critical if it or one of its outputs says so."""
        if worker.critical or not any(self.files[path].critical for path in worker.outputs):
            return worker
        return replace(worker, critical=True)
