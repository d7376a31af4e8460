"""What is declared under `configs`: how each is checked, made and repaired, and who must notice."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from supervisor_healer.architecture import config_schema, schema_file
from supervisor_healer.architecture.creation import octal
from supervisor_healer.architecture.schema import field_of, suggestion
from supervisor_healer.architecture.sources import Entry, Sources
from supervisor_healer.core.model import ConfigSpec
from supervisor_healer.core.pipeline import is_pattern

SIGNALS = ("HUP", "USR1", "USR2", "WINCH", "CONT", "ALRM")

_ENDING_SIGNALS = ("TERM", "KILL", "STOP", "INT", "QUIT", "ABRT", "TSTP")
_FORMATS = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}
_DEFAULT_KEEP = 10


class ConfigReader:
    """Reads entries, and each schema file only once. What is wrong is reported to the sources."""

    def __init__(self, sources: Sources, root: str) -> None:
        self._sources = sources
        self._root = root
        self._schemas: dict[str, Entry | None] = {}
        self._told: set[tuple[str, str, config_schema.Fault]] = set()

    @property
    def schema_files(self) -> list[str]:
        """The absolute paths of all schema files that entries have named."""
        return list(self._schemas)

    def config(self, path: str, entry: Entry, *, critical: bool) -> ConfigSpec:
        """The config at `path` (in its one form), with everything that depends on its own entry checked."""
        get = self._sources.get
        if is_pattern(path):
            self._sources.error(entry, entry.field, "a pattern cannot be a config", "one file")
            return ConfigSpec(path, critical=critical)
        format_ = self._format(path, entry)
        schema = self._schema(entry, format_)
        signal, signalled = self._reload(entry)
        restarted = self._names(entry, "restart")
        spec = ConfigSpec(
            path,
            format=format_,
            schema=schema or {},
            create=bool(get(entry, "create")),
            mode=octal(get(entry, "mode")),
            owner=get(entry, "owner") or "",
            repair_values=get(entry, "repair") == "values",
            keep=int(get(entry, "keep") or _DEFAULT_KEEP),
            critical=critical,
            signal=signal,
            signalled=signalled,
            restarted=restarted,
        )
        if schema is not None and not self._sources.is_bad(entry.field):
            self._check_repairs(entry, spec)
        return spec

    # --- the schema ------------------------------------------------------------------------------------------

    def _format(self, path: str, entry: Entry) -> str:
        given = self._sources.get(entry, "format")
        if given:
            return str(given)
        found = _FORMATS.get(os.path.splitext(path)[1].lower(), "")
        has_schema = isinstance(entry.value, dict) and "schema" in entry.value
        if not found and has_schema and not self._sources.is_bad(f"{entry.field}.format"):
            what = "the name does not tell its format, so its content cannot be checked"
            self._sources.error(entry, entry.field, what, "`format: json`, yaml or toml")
        return found

    def _schema(self, entry: Entry, format_: str) -> Mapping[str, Any] | None:
        """The schema of a config, {} if it has none; None when it had to be reported."""
        name = f"{entry.field}.schema"
        given = self._sources.get(entry, "schema")
        if given is None:
            return None if name in self._sources.bad else {}
        if isinstance(given, dict):
            return given if self._is_sound(entry, name, given, format_) else None
        place = self._schema_file(entry, name, given)
        if place is None:
            return None
        return place.value if self._is_sound(place, "", place.value, format_) else None

    def _is_sound(self, entry: Entry, prefix: str, schema: Mapping[str, Any], format_: str) -> bool:
        found = config_schema.faults(schema, format_)
        for fault in found:
            place = (entry.document.path, prefix, fault)
            if place in self._told:
                continue
            self._told.add(place)
            inner = field_of(fault.path)
            joint = "." if prefix and inner and not inner.startswith("[") else ""
            self._sources.error(entry, f"{prefix}{joint}{inner}", fault.what, fault.expected, fault.severity)
        return not any(fault.severity == "error" for fault in found)

    def _schema_file(self, entry: Entry, name: str, given: str) -> Entry | None:
        """The schema in a file, as an entry that messages can point into."""
        path = self._sources.single_path(entry, name, given, self._root)
        if path is None:
            return None
        full = os.path.join(self._root, path)
        if full in self._schemas:
            return self._schemas[full]
        self._schemas[full] = None
        if not full.lower().endswith(schema_file.ENDINGS):
            self._sources.error(entry, name, f"{given!r} is neither JSON nor YAML", "a file *.json, *.yaml or *.yml")
        elif not os.path.lexists(full):
            self._sources.error(entry, name, f"there is no file {full}", "a path relative to root")
        else:
            self._sources.order.setdefault(full, len(self._sources.order))
            document, problems = schema_file.read(full)
            self._sources.problems += problems
            if document is not None and not problems:
                self._schemas[full] = Entry("", "", document.value, document)
        return self._schemas[full]

    # --- who must notice -------------------------------------------------------------------------------------

    def _reload(self, entry: Entry) -> tuple[str, tuple[str, ...]]:
        given = self._sources.get(entry, "reload")
        if given is None or self._sources.is_bad(f"{entry.field}.reload"):
            return "", ()
        name = f"{entry.field}.reload.signal"
        signal = given["signal"].upper().removeprefix("SIG")
        if signal in _ENDING_SIGNALS:
            self._sources.error(entry, name, f"{signal} does not make a worker read its config", "`restart: [...]`")
        elif signal not in SIGNALS:
            what = f"{given['signal']!r} is no signal that can be sent{suggestion(signal, SIGNALS)}"
            self._sources.error(entry, name, what, f"one of {', '.join(SIGNALS)}")
        workers = Entry("workers", f"{entry.field}.reload", given, entry.document)
        return signal, self._names(workers, "workers")

    def _names(self, entry: Entry, key: str) -> tuple[str, ...]:
        """Names of entries under `workers`, each once."""
        found: dict[str, str] = {}
        workers = self._sources.entries["workers"]
        for name, item in self._sources.items(entry, key):
            if item in found:
                self._sources.error(entry, name, f"{item} is listed twice, first as {found[item]}", "one of them")
            elif item not in workers and not self._sources.unreadable:
                what = f"there is no worker {item!r}{suggestion(item, workers)}"
                self._sources.error(entry, name, what, "a name under `workers`")
            found.setdefault(item, name)
        return tuple(found)

    # --- what can be repaired --------------------------------------------------------------------------------

    def _check_repairs(self, entry: Entry, spec: ConfigSpec) -> None:
        name = f"{entry.field}.create"
        if spec.create and not spec.schema:
            self._sources.error(entry, name, "nothing says what the file would hold", "a `schema` with defaults")
        elif spec.create and (fields := config_schema.lacking(spec.schema)):
            what = "a created file could not be valid: "
            if fields == ("",):
                self._sources.error(entry, name, what + "it is no mapping", "a `default` for the schema as a whole")
            else:
                what += f"there is no default for {' and '.join(fields)}"
                self._sources.error(entry, name, what, "a `default` for every required field")
        if not spec.create:
            for key in ("mode", "owner"):
                if key in entry.value:
                    what = "is only used for a file that is created"
                    self._sources.warning(entry, f"{entry.field}.{key}", what, "`create: true`")
        if config_schema.is_mended(spec):
            return
        for key in ("repair", "reload", "restart"):
            if key in entry.value:
                what = "no field has a default, so nothing is ever repaired"
                self._sources.warning(entry, f"{entry.field}.{key}", what, "a `default` in the `schema`")
