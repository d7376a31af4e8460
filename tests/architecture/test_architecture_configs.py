"""What is declared under `configs`: the values it comes to, and how it can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from architecture_files import errors, told, write

from supervisor_healer.architecture.loader import load
from supervisor_healer.core.model import ConfigSpec

FULL = """\
version: 1
root: ..
workers: {wa: {inputs: [configs/a.json]}, wb: {}, wc: {}}
files: {configs/a.json: {max_age: 7d}}
configs:
  ./configs//a.json:
    format: yaml
    schema: &schema
      type: object
      required: [limit]
      properties: {limit: {type: number, default: 0.5}}
    create: true
    mode: "0640"
    owner: trader:trading
    repair: values
    keep: 3
    critical: true
    reload: {signal: SIGHUP, workers: [wa, wb]}
    restart: [wc]
  b.TOML: {schema: *schema}
  c.yml: {}
  d.conf: {reload: {signal: usr1, workers: [wa]}}
"""


def test_every_key(tmp_path: Path) -> None:
    found = load(write(tmp_path, FULL, "conf/a.yaml"))
    schema = {"type": "object", "required": ["limit"], "properties": {"limit": {"type": "number", "default": 0.5}}}
    assert dict(found.configs) == {
        "configs/a.json": ConfigSpec(
            "configs/a.json", "yaml", schema, create=True, mode=0o640, owner="trader:trading", repair_values=True,
            keep=3, critical=True, signal="HUP", signalled=("wa", "wb"), restarted=("wc",),
        ),
        "b.TOML": ConfigSpec("b.TOML", "toml", schema),
        "c.yml": ConfigSpec("c.yml", "yaml"),
        "d.conf": ConfigSpec("d.conf", signal="USR1", signalled=("wa",)),
    }  # fmt: skip
    assert found.files["configs/a.json"].max_age == 7 * 86400.0


NO_DEFAULT = "schema: {type: object, required: [x], properties: {x: {type: number}}}"
DEFAULT = "schema: {properties: {x: {default: 1}}}"

# name -> the lines from line 3 on, and what is told
BAD: dict[str, tuple[str, list[str]]] = {
    "a pattern": ("configs: {'c*.json': {schema: {}}}\n", [
        "architecture.yaml:3: configs.c*.json: a pattern cannot be a config (expected one file)"]),
    "format": ("configs: {c.json: {format: jsn}}\n", [
        "architecture.yaml:3: configs.c.json.format: the text 'jsn' cannot be used, did you mean 'json'?"
        " (expected one of json, yaml, toml)"]),
    "no ending": ("configs: {c: {schema: {}}}\n", [
        "architecture.yaml:3: configs.c: the name does not tell its format, so its content cannot be checked"
        " (expected `format: json`, yaml or toml)"]),
    "an ending that tells nothing": ("configs: {c.ini: {schema: {}, format: jsn}}\n", [
        "architecture.yaml:3: configs.c.ini.format: the text 'jsn' cannot be used, did you mean 'json'?"
        " (expected one of json, yaml, toml)"]),
    "schema a list": ("configs: {c.json: {schema: []}}\n", [
        "architecture.yaml:3: configs.c.json.schema: a list cannot be used"
        " (expected a mapping or text, such as schemas/policies.json)"]),
    "mode": ("configs: {c.json: {create: true, mode: 0600, schema: {}}}\n", [
        "architecture.yaml:3: configs.c.json.mode: the number 384, and not text: without quotes YAML reads 0644 as 420"
        ' and 644 as decimal (expected three or four octal digits in quotes, such as "0644")']),
    "repair": ("configs: {c.json: {repair: all}}\n", [
        "architecture.yaml:3: configs.c.json.repair: the text 'all' cannot be used (expected one of values)"]),
    "keep": ("configs: {c.json: {keep: 0}}\n", [
        "architecture.yaml:3: configs.c.json.keep: the number 0 cannot be used"
        " (expected a whole number from 1 on, such as 10)"]),
    # --- who must notice
    "reload without workers": (f"configs: {{c.json: {{{DEFAULT}, reload: {{signal: HUP}}}}}}\n", [
        "architecture.yaml:3: configs.c.json.reload: the key 'workers' is missing (expected `workers`)"]),
    "reload nobody": (f"configs: {{c.json: {{{DEFAULT}, reload: {{signal: HUP, workers: []}}}}}}\n", [
        "architecture.yaml:3: configs.c.json.reload.workers: a list cannot be used"
        " (expected at least one item, such as [predictor])"]),
    "a number": (f"configs: {{c.json: {{{DEFAULT}, reload: {{signal: 1, workers: [wa]}}}}}}\n", [
        "architecture.yaml:3: configs.c.json.reload.signal: the number 1 cannot be used (expected text, such as HUP)"]),
    "a signal that ends": (f"configs: {{c.json: {{{DEFAULT}, reload: {{signal: SIGTERM, workers: [wa]}}}}}}\n", [
        "architecture.yaml:3: configs.c.json.reload.signal: TERM does not make a worker read its config"
        " (expected `restart: [...]`)"]),
    "no signal": (f"configs: {{c.json: {{{DEFAULT}, reload: {{signal: USR3, workers: [wa]}}}}}}\n", [
        "architecture.yaml:3: configs.c.json.reload.signal: 'USR3' is no signal that can be sent, did you mean 'USR"]),
    "misspelt": (
        f"configs:\n  c.json:\n    {DEFAULT}\n    restart: [wa, waa]\n    reload:\n      signal: HUP\n"
        "      workers:\n        - nobody\n", [
            "architecture.yaml:6: configs.c.json.restart[1]: there is no worker 'waa', did you mean 'wa'?"
            " (expected a name under `workers`)",
            "architecture.yaml:10: configs.c.json.reload.workers[0]: there is no worker 'nobody'"
            " (expected a name under `workers`)"]),
    "twice": (f"configs: {{c.json: {{{DEFAULT}, restart: [wa, wb, wa]}}}}\n", [
        "architecture.yaml:3: configs.c.json.restart[2]: wa is listed twice, first as configs.c.json.restart[0]"
        " (expected one of them)"]),
    "both": (f"configs: {{c.json: {{{DEFAULT}, restart: [wb], reload: {{signal: HUP, workers: [wa, wb]}}}}}}\n", [
        "architecture.yaml:3: configs.c.json.reload.workers[1]: wb is restarted as well"
        " (expected either `reload` or `restart`)"]),
    # --- what can be repaired
    "create from nothing": ("configs: {c.json: {create: true}}\n", [
        "architecture.yaml:3: configs.c.json.create: nothing says what the file would hold"
        " (expected a `schema` with defaults)"]),
    "create without a default": (f"configs:\n  c.json:\n    create: true\n    {NO_DEFAULT}\n", [
        "architecture.yaml:5: configs.c.json.create: a created file could not be valid: there is no default for x"
        " (expected a `default` for every required field)"]),
    "create no mapping": ("configs: {c.json: {create: true, schema: {type: array}}}\n", [
        "architecture.yaml:3: configs.c.json.create: a created file could not be valid: it is no mapping"
        " (expected a `default` for the schema as a whole)"]),
    "nothing to repair with": (
        "configs:\n  c.json: {schema: {}, repair: values, restart: [wa]}\n"
        "  d.conf: {reload: {signal: HUP, workers: [wa]}, keep: 3}\n", [
            "warning: architecture.yaml:4: configs.c.json.repair: no field has a default, so nothing is ever repaired"
            " (expected a `default` in the `schema`)",
            "warning: architecture.yaml:4: configs.c.json.restart: no field has a default, so nothing is ever repaired"
            " (expected a `default` in the `schema`)",
            "warning: architecture.yaml:5: configs.d.conf.reload: no field has a default, so nothing is ever repaired"
            " (expected a `default` in the `schema`)"]),
    "modes of what is never created": (f"configs: {{c.json: {{{DEFAULT}, mode: '0644', owner: u}}}}\n", [
        "warning: architecture.yaml:3: configs.c.json.mode: is only used for a file that is created"
        " (expected `create: true`)",
        "warning: architecture.yaml:3: configs.c.json.owner: is only used for a file that is created"
        " (expected `create: true`)"]),
    "an output": (f"configs: {{a: {{format: json, {DEFAULT}}}}}\n", [
        "warning: architecture.yaml:2: workers.wa.outputs[0]: a is also repaired under `configs`: the worker and the"
        " healer may undo each other (expected one writer, or a `schema` without defaults)"]),
    # --- the schema
    "no schema": ("configs:\n  c.json:\n    schema:\n      properties:\n        x: {type: objekt}\n", [
        "architecture.yaml:7: configs.c.json.schema.properties.x.type: not a JSON Schema: 'objekt' is not valid under"
        " any of the given schemas"]),
    "pattern": ("configs: {c.json: {schema: {pattern: '['}}}\n", [
        "architecture.yaml:3: configs.c.json.schema.pattern: not a JSON Schema: '[' is not a 'regex'"]),
    "NaN": ("configs: {c.json: {schema: {default: .inf}}}\n", [
        "architecture.yaml:3: configs.c.json.schema: not a JSON Schema: NaN and the infinities are no JSON values"]),
    "remote": ("configs:\n  c.json:\n    schema:\n      allOf:\n        - {$ref: 'https://example.com/s.json#/a'}\n", [
        "architecture.yaml:7: configs.c.json.schema.allOf[0].$ref: 'https://example.com/s.json#/a' lies outside of this"
        " schema, and nothing is fetched (expected a reference within it, such as #/$defs/limit)"]),
    "broken default": (
        "configs:\n  c.json:\n    schema:\n      properties:\n        x:\n          maximum: 1\n"
        "          default: 2\n", [
            "architecture.yaml:9: configs.c.json.schema.properties.x.default: breaks its own schema: 2 is greater than"
            " the maximum of 1 (expected a valid default)"]),
    "null in TOML": ("configs: {c.toml: {schema: {properties: {x: {default: [{y: ~}]}}}}}\n", [
        "architecture.yaml:3: configs.c.toml.schema.properties.x.default: TOML has no null"
        " (expected another default)"]),
    "an older draft": (
        "configs: {c.json: {schema: {$schema: 'http://json-schema.org/draft-07/schema#'}}}\n", [
            "warning: architecture.yaml:3: configs.c.json.schema.$schema: 'http://json-schema.org/draft-07/schema#': it"
            " is read as draft 2020-12 (expected https://json-schema.org/draft/2020-12/schema)"]),
    # --- the schema in a file
    "schema file missing": ("configs: {c.json: {schema: s.json}}\n", [
        "architecture.yaml:3: configs.c.json.schema: there is no file s.json (expected a path relative to root)"]),
    "schema file of another kind": ("configs: {c.json: {schema: s.toml}}\n", [
        "architecture.yaml:3: configs.c.json.schema: 's.toml' is neither JSON nor YAML"
        " (expected a file *.json, *.yaml or *.yml)"]),
    "schema file outside": ("configs: {c.json: {schema: ../s.json}}\n", [
        "architecture.yaml:3: configs.c.json.schema: leaves the root FOLDER: '../s.json'"
        " (expected a path inside root, or an absolute one)"]),
    "schema file empty name": ("configs: {c.json: {schema: ''}}\n", [
        "architecture.yaml:3: configs.c.json.schema: an empty text cannot be used"
        " (expected a text, such as schemas/policies.json)"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_where_and_how_a_config_is_wrong(name: str, tmp_path: Path) -> None:
    text, expected = BAD[name]
    found = told(tmp_path, text)
    expected = [line.replace("FOLDER", str(tmp_path)) for line in expected]
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected


SCHEMA = """\
{
\t"$defs": {"share": {"type": "number", "maximum": 1}},
\t"properties": {
\t\t"x": {
\t\t\t"$ref": "#/$defs/share",
\t\t\t"default": 0.5
\t\t}
\t}
}
"""


def test_a_schema_in_a_file(tmp_path: Path) -> None:
    write(tmp_path, "\ufeff" + SCHEMA, "schemas/a.JSON")
    write(tmp_path, "type: object\n# as YAML\nproperties: {x: {default: 1}}\n", "schemas/b.yml")
    configs = "{a.json: {schema: schemas/a.JSON}, b.json: {schema: schemas/b.yml}}"
    found = load(write(tmp_path, f"version: 1\nworkers: {{wa: {{}}}}\nconfigs: {configs}\n")).configs
    assert found["a.json"].schema["properties"] == {"x": {"$ref": "#/$defs/share", "default": 0.5}}
    assert found["b.json"].schema == {"type": "object", "properties": {"x": {"default": 1}}}


# name -> the schema file's name and text, and what is told of it
BAD_FILES: dict[str, tuple[str, str | bytes, str]] = {
    "default": ("s.json", SCHEMA.replace("0.5", "5"), "6: properties.x.default: breaks its own schema: 5 is greater"),
    "reference": ("s.json", SCHEMA.replace('#/$defs/share"', '#/share"'), "5: properties.x.$ref: '#/share' points at"),
    "no schema": ("s.yaml", "properties:\n  x: {minimum: one}\n", "2: properties.x.minimum: not a JSON Schema: 'one'"),
    "no JSON": ("s.json", '{\n"type" "object"}\n', "2: not JSON: Expecting ':' delimiter, column 8"),
    "NaN": ("s.json", '{"default": NaN}', " not JSON: NaN is no number"),
    "twice": ("s.json", '{"type": "object",\n"type": "object"}', "2: type: given twice in this file, first on line 1"),
    "deep": ("s.json", '{"default":' + "[" * 5000 + "]" * 5000 + "}", " not "),
    "a list": ("s.json", "[]", "1: the file holds a list (expected a JSON Schema: `type: object`, `properties:` and"),
    "a list in YAML": ("s.yaml", "- a\n", "1: the file holds a list (expected a JSON Schema: `type: object`, `prop"),
    "empty": ("s.yaml", "", " the file is empty (expected a JSON Schema: `type: object`, `properties:` and so on)"),
    "no YAML": ("s.yml", "a: [\n", "2: not YAML"),
    "a tag": ("s.yml", "type: !x object\n", "1: type: the tag !x (expected plain YAML without tags)"),
    "bytes": ("s.json", b'{"title": "\xe4"}', "1: the byte 0xe4 is not UTF-8"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_where_and_how_a_schema_file_is_wrong(name: str, tmp_path: Path) -> None:
    file, text, expected = BAD_FILES[name]
    (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    # two configs share it: it is read, and what is wrong with it is told, once
    found = told(tmp_path, f"configs: {{c.json: {{schema: {file}}}, d.json: {{schema: ./{file}}}}}\nmode: heel\n")
    assert len(found) == 2
    assert found[0].startswith("architecture.yaml:4: mode: ")
    assert found[1].startswith(f"{file}:{expected}")


def test_a_schema_file_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "s.json").mkdir()
    assert told(tmp_path, "configs: {c.json: {schema: s.json}}\n") == ["s.json: is a folder (expected a JSON file)"]


def test_lines_as_far_as_they_are_known(tmp_path: Path) -> None:
    """A surrogate pair is fine in JSON, and ends what the YAML reader understands."""
    write(tmp_path, '{"title": "\\ud83d\\ude00",\n"properties": {"x": {"maximum": 1, "default": 2}}}', "s.json")
    (line,) = told(tmp_path, "configs: {c.json: {schema: s.json}}\n")
    assert "properties.x.default: breaks its own schema: 2 is greater than" in line


def test_names_may_stand_in_a_file_that_could_not_be_read(tmp_path: Path) -> None:
    text = f"version: 1\nworkers: {{wa: {{}}}}\nconfigs: {{c.json: {{{DEFAULT}, restart: [wb]}}}}\ninclude: [no.yaml]\n"
    (problem,) = errors(write(tmp_path, text))
    assert problem.field == "include[0]"


# --- what the healer writes for itself ------------------------------------------------------------------------

OWN_FILES: dict[str, tuple[str, list[str]]] = {
    "results is a config": ("configs: {r.json: {}}\nresults: ./r.json\n", [
        "architecture.yaml:4: results: r.json would be the healer's own file (`results`)"
        " (expected a path of its own)"]),
    "state is an output": ("state: a\n", [
        "architecture.yaml:3: state: a would be the healer's own file (`state`) (expected a path of its own)"]),
    "results matches a glob": ("consumers: {c: {inputs: ['var/*.json']}}\nresults: FOLDER/var/r.json\n", [
        "architecture.yaml:4: results: var/*.json would be the healer's own file (`results`)"
        " (expected a path of its own)"]),
    "the default state is an input": ("consumers:\n  c:\n    inputs:\n      - b\n      - '*'\n", [
        "architecture.yaml:7: consumers.c.inputs[1]: * would be the healer's own file (`state`)"
        " (expected another path, or `state:` elsewhere)"]),
    "the default state is a file": ("files: {healer.sqlite3: {}}\n", [
        "architecture.yaml:3: files.healer.sqlite3: healer.sqlite3 would be the healer's own file (`state`)"
        " (expected another path, or `state:` elsewhere)"]),
    "the default state is a config": ("configs:\n  healer.sqlite3: {}\n", [
        "architecture.yaml:4: configs.healer.sqlite3: healer.sqlite3 would be the healer's own file (`state`)"
        " (expected another path, or `state:` elsewhere)"]),
    "results is the architecture": ("results: architecture.yaml\n", [
        "architecture.yaml:3: results: 'architecture.yaml' is the architecture file: the healer would overwrite it"
        " (expected a path of its own)"]),
    "state is a link to the architecture": ("state: link\n", [
        "architecture.yaml:3: state: 'link' is the architecture file: the healer would overwrite it"
        " (expected a path of its own)"]),
    "results is a schema": ("results: s.json\nconfigs: {c.json: {schema: s.json}}\n", [
        "architecture.yaml:3: results: 's.json' is a schema of `configs`: the healer would overwrite it"
        " (expected a path of its own)"]),
    "results is a template": ("results: t\nfiles: {f: {max_age: 1m, create: {copy: t}}}\n", [
        "architecture.yaml:3: results: 't' is what f is copied from: the healer would overwrite it"
        " (expected a path of its own)"]),
    "state is a program": ("state: p\ncomponent_healers: {h: {command: [./p]}}\n", [
        "architecture.yaml:3: state: 'p' is the program of component_healers.h: the healer would overwrite it"
        " (expected a path of its own)"]),
    "a config is the architecture": ("configs: {link: {format: yaml, create: true, schema: {type: object}}}\n", [
        "architecture.yaml:3: configs.link: link is the architecture file: the healer would repair it"
        " (expected another file)"]),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN_FILES)
def test_the_healers_own_files_are_no_files_of_the_pipeline(name: str, tmp_path: Path) -> None:
    text, expected = OWN_FILES[name]
    (tmp_path / "link").symlink_to("architecture.yaml")
    for other, content in (("s.json", "{}"), ("t", ""), ("p", "")):
        (tmp_path / other).write_text(content)
    assert told(tmp_path, text.replace("FOLDER", str(tmp_path))) == expected
