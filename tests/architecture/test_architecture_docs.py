"""What docs/architecture-file.md shows is what the loader takes, and it has every key."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from architecture_files import write

from supervisor_healer.architecture import schema
from supervisor_healer.architecture.loader import examine

TEXT = (Path(__file__).parents[2] / "docs" / "architecture-file.md").read_text("utf-8")
BLOCKS = [block for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if not block.startswith("version:")]
DEFINITIONS: dict[str, Any] = json.loads(schema.text())["$defs"]


@pytest.mark.parametrize("block", BLOCKS, ids=[block.split(":")[0] for block in BLOCKS])
def test_the_fragments_are_valid(block: str, tmp_path: Path) -> None:
    for name in ("templates/table.json", "bin/heal-gate"):
        write(tmp_path, "", name)
    workers = "" if block.startswith("workers:") else "workers: {signal_resolver: {}, cache_writer: {}}\n"
    head = f"version: 1\ndefaults: {{max_age: 5m}}\n{workers}"
    _, problems = examine(write(tmp_path, head + block))
    assert [str(problem) for problem in problems] == []


@pytest.mark.parametrize("name", ["file", "create", "worker", "consumer", "config", "component_healer"])
def test_every_key_is_explained(name: str) -> None:
    rows = " ".join(re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE))
    assert [key for key in DEFINITIONS[name]["properties"] if f"`{key}" not in rows] == []
