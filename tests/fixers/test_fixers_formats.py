"""Texts edited in place: each row is a config, and the same config repaired, byte for byte."""

# ruff: noqa: E501 -- a row holds a text, and reads best on one line

from __future__ import annotations

import re
from typing import Any

import pytest

from supervisor_healer.fixers.assessment import Rules, assess
from supervisor_healer.fixers.documents import CannotEditError, Edit, changed, of, same

RATIO = {"type": "number", "maximum": 1, "default": 0.5}
LIMITS = {"type": "object", "required": ["low", "high"], "properties": {"low": RATIO, "high": {"default": "off"}}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["ratio", "limits"],
    "properties": {"ratio": RATIO, "limits": LIMITS, "rows": {"items": LIMITS}},
}


def repaired(form: str, content: str | bytes, **more: Any) -> str | None:
    """`content` after a repair by SCHEMA, None where nothing is done."""
    raw = content if isinstance(content, bytes) else content.encode()
    after = assess(raw, Rules(form, more.get("schema", SCHEMA), True)).after
    return None if after is None else after.decode()


JSON = {
    "{}": '{"ratio": 0.5, "limits": {"low": 0.5, "high": "off"}}',
    " { } \n": ' { "ratio": 0.5, "limits": {"low": 0.5, "high": "off"} } \n',
    "{\n}\n": '{\n  "ratio": 0.5,\n  "limits": {\n    "low": 0.5,\n    "high": "off"\n  }\n}\n',
    '{"a":1}': '{"a":1,"ratio":0.5,"limits":{"low": 0.5, "high": "off"}}',
    '{"a": 1}': '{"a": 1, "ratio": 0.5, "limits": {"low": 0.5, "high": "off"}}',
    '{\n\t"ratio": 2.0,\n\n\t"limits": {"low": 1}\n}': '{\n\t"ratio": 0.5,\n\n\t"limits": {"low": 1, "high": "off"}\n}',
    '{"limits": {},\r\n "x": [1,\r\n2]}\r\n': (
        '{"limits": {"low": 0.5, "high": "off"},\r\n "x": [1,\r\n2],\r\n "ratio": 0.5}\r\n'
    ),
    '\ufeff{\n    "limits": {"low": 1.0, "high": null}\n}': (
        '\ufeff{\n    "limits": {"low": 1.0, "high": null},\n    "ratio": 0.5\n}'
    ),
    '{\n  "a": 1\n  , "limits": {\n    "low": 1\n    }\n}\n': (
        '{\n  "a": 1\n  , "limits": {\n    "low": 1,\n    "high": "off"\n    }\n  , "ratio": 0.5\n}\n'
    ),
    '{"ratio":1,"limits":{"low":0,"high":0},"rows":[{"low":7,"high":1},{"high" :1}, {}]}': (
        '{"ratio":1,"limits":{"low":0,"high":0},"rows":[{"low":0.5,"high":1},{"high" :1,"low" :0.5},'
        ' {"low": 0.5, "high": "off"}]}'
    ),
}
YAML = {
    "{}\n": '{ratio: 0.5, limits: {low: 0.5, high: "off"}}\n',
    "a: 1": 'a: 1\nratio: 0.5\nlimits:\n  low: 0.5\n  high: "off"',
    "# head\n\na:   1   # one\n\n# tail\n": (
        '# head\n\na:   1   # one\nratio: 0.5\nlimits:\n  low: 0.5\n  high: "off"\n\n# tail\n'
    ),
    "limits:\n      low: 1  # low\n\nlist:\n- a\n-   b # b\n": (
        'limits:\n      low: 1  # low\n      high: "off"\n\nlist:\n- a\n-   b # b\nratio: 0.5\n'
    ),
    "limits: {low: 1, high: 1}\r\nratio: 7 # big\r\n": "limits: {low: 1, high: 1}\r\nratio: 0.5 # big\r\n",
    "\ufefflimits: {'low': 1}\r\nratio: 1\r\n": "\ufefflimits: {'low': 1, high: \"off\"}\r\nratio: 1\r\n",
    "---\nratio: 1\nlimits: # both\n  high: 'x'\n...\n": "---\nratio: 1\nlimits: # both\n  high: 'x'\n  low: 0.5\n...\n",
    "ratio: 1\nlimits:\n  high: |\n    long\n    text\n\n": (
        "ratio: 1\nlimits:\n  high: |\n    long\n    text\n\n  low: 0.5\n"
    ),
    "ratio: 1\nlimits: {\n    low: 1,\n    x: 2, # two\n  }\n": (
        'ratio: 1\nlimits: {\n    low: 1,\n    x: 2, # two\n    high: "off",\n  }\n'
    ),
    "ratio: 1\r\nlimits: {\r\n  x: 2,\r\n  z: 3 # three\r\n  # end\r\n}\r\n": (
        'ratio: 1\r\nlimits: {\r\n  x: 2,\r\n  z: 3, # three\r\n  low: 0.5,\r\n  high: "off"\r\n  # end\r\n}\r\n'
    ),
    "ratio: 1\nlimits: { x: 2\n  , z: 3 # three\n}\n": (
        'ratio: 1\nlimits: { x: 2\n  , z: 3 # three\n  , low: 0.5\n  , high: "off"\n}\n'
    ),
    "ratio: 1\nlimits: { low: 1, # one\n}\n": 'ratio: 1\nlimits: { low: 1, # one\n  high: "off",\n}\n',
    "ratio: 1\nlimits: { low: 1 # one\n}\n": 'ratio: 1\nlimits: { low: 1, # one\n  high: "off"\n}\n',
    "ratio: 1\nlimits: &x {}\n": 'ratio: 1\nlimits: &x {low: 0.5, high: "off"}\n',
    'limits: {"low":1,"high":1}\n': 'limits: {"low":1,"high":1}\nratio: 0.5\n',
    "ratio: 1\nlimits:\n  low: 1\n  high: x\nrows:\n  - low: 1\n    # more\n  - {}\n": (
        'ratio: 1\nlimits:\n  low: 1\n  high: x\nrows:\n  - low: 1\n    high: "off"\n    # more\n'
        '  - {low: 0.5, high: "off"}\n'
    ),
    "b: &b {low: 1}\nlimits:\n  <<: *b\n  high: 2\n": "b: &b {low: 1}\nlimits:\n  <<: *b\n  high: 2\nratio: 0.5\n",
    "limits: {low: 1, high: 2}\nb: &b [1]\nc: *b\n": "limits: {low: 1, high: 2}\nb: &b [1]\nc: *b\nratio: 0.5\n",
    "limits: {low: 1, high: 2}\nempty:   # nothing\n": ("limits: {low: 1, high: 2}\nempty:   # nothing\nratio: 0.5\n"),
    "limits:\n  low: 1\n    # of low\n  # of limits\n# of all\nq:\n- b: 1\n  # end\n\n# tail": (
        'limits:\n  low: 1\n    # of low\n  high: "off"\n  # of limits\n# of all\nq:\n- b: 1\n  # end\nratio: 0.5\n\n# tail'
    ),
    "ratio: 1\n? limits\n: low: 1\n": 'ratio: 1\n? limits\n: low: 1\n  high: "off"\n',
    "ratio: !!float 7\nlimits: !!map\n  low: 1\n": 'ratio: 0.5\nlimits: !!map\n  low: 1\n  high: "off"\n',
    "ratio: 1\nlimits: {high, }\n": "ratio: 1\nlimits: {high, low: 0.5, }\n",
    "ratio: 1\nlimits:\n  high: |+\n    x\n\n\nz: 1\n": "ratio: 1\nlimits:\n  high: |+\n    x\n\n\n  low: 0.5\nz: 1\n",
    "ratio:\nlimits: {low: 1, high: 2}": "ratio: 0.5\nlimits: {low: 1, high: 2}",
    "limits: {low: 1, high: 2}\nlong: 'a text that is\n  continued'\n": (
        "limits: {low: 1, high: 2}\nlong: 'a text that is\n  continued'\nratio: 0.5\n"
    ),
}
TOML = {
    "": 'ratio = 0.5\nlimits = {low = 0.5, high = "off"}\n',
    "# head\n": '# head\nratio = 0.5\nlimits = {low = 0.5, high = "off"}\n',
    "# head\na  =  1 # one\n\n[limits] # both\nlow = 1\n\n# about the next\n[next]\nx = 1\n": (
        '# head\na  =  1 # one\nratio = 0.5\n\n[limits] # both\nlow = 1\nhigh = "off"\n\n# about the next\n[next]\nx = 1\n'
    ),
    "limits = { low = 1 }\r\n": 'limits = { low = 1, high = "off" }\r\nratio = 0.5\r\n',
    "\ufeffratio = 3 # big\r\n[limits]\r\nlow = 1\r\nhigh = 2": (
        "\ufeffratio = 0.5 # big\r\n[limits]\r\nlow = 1\r\nhigh = 2"
    ),
    "limits.low = 1\nratio = 1\n": 'limits.low = 1\nlimits.high = "off"\nratio = 1\n',
    'ratio = 1\n[limits]\nlow = 1\ntext = """\n# no comment\n"""\n# tail\n': (
        'ratio = 1\n[limits]\nlow = 1\ntext = """\n# no comment\n"""\nhigh = "off"\n# tail\n'
    ),
    "ratio = 1\nlimits = {low = 1, high = 2}\n\n[[rows]]\nlow = 9\nhigh = 1\n\n[[rows]]\nhigh = 2\n": (
        "ratio = 1\nlimits = {low = 1, high = 2}\n\n[[rows]]\nlow = 0.5\nhigh = 1\n\n[[rows]]\nhigh = 2\nlow = 0.5\n"
    ),
    "ratio = 1\nday = 2020-01-01\n  [limits]\n  low = 1\n": (
        'ratio = 1\nday = 2020-01-01\n  [limits]\n  low = 1\n  high = "off"\n'
    ),
    "ratio = 1\n[limits]\nlow = 1\nm = [\n 1, # one\n 2,\n] # end\n\n[z]\n": (
        'ratio = 1\n[limits]\nlow = 1\nm = [\n 1, # one\n 2,\n] # end\nhigh = "off"\n\n[z]\n'
    ),
    "ratio = 1\nlimits = {low=1, high=2}\nrows = [{low=7, high=1}, {}]\n": (
        'ratio = 1\nlimits = {low=1, high=2}\nrows = [{low=0.5, high=1}, {low = 0.5, high = "off"}]\n'
    ),
    "ratio = 1\n\t[limits]\n\tlow = 1 # tab\n\n\t[x]\n": (
        'ratio = 1\n\t[limits]\n\tlow = 1 # tab\n\thigh = "off"\n\n\t[x]\n'
    ),
    "\tlimits = {low = 1, high = 1}\n": "\tlimits = {low = 1, high = 1}\n\tratio = 0.5\n",
    "limits = {low = 9, x = {y = 1}}\nrows = [{high = 1}, {low = 9, high = 2}]\n": (
        'limits = {low = 0.5, x = {y = 1}, high = "off"}\nrows = [{high = 1, low = 0.5}, {low = 0.5, high = 2}]\nratio = 0.5\n'
    ),
    "ratio = 1": 'ratio = 1\nlimits = {low = 0.5, high = "off"}',
}
ROWS = [(form, *row) for form, rows in (("json", JSON), ("yaml", YAML), ("toml", TOML)) for row in rows.items()]


@pytest.mark.parametrize(("form", "before", "after"), ROWS)
def test_what_is_missing_is_added_in_the_style_of_the_file(form: str, before: str, after: str) -> None:
    assert repaired(form, before) == after
    assert assess(after.encode(), Rules(form, SCHEMA)).state == "valid"


UNREADABLE = {
    "json": {
        "{\n'a': 1}": "line 2, column 1: expecting property name enclosed in double quotes",
        '{\n "a": 1 // one\n}': "line 2, column 9: expecting ',' delimiter",
        '{"b": {"a": 1,\n  "a": 2}}': 'line 2, column 3: "a" stands in this object twice',
        '{"a": 1, "a": 2': "line 1, column 16: expecting ',' delimiter",
        '[{"a": 1, "a": 2}, {"b"': "line 1, column 24: expecting ':' delimiter",
        '[NaN, ': "line 1, column 2: NaN cannot be used as a number",
        '{"a": ["NaN", NaN]}': "line 1, column 15: NaN cannot be used as a number",
        '[-Infinity]': "line 1, column 2: -Infinity cannot be used as a number",
        '[1e999]': "line 1, column 2: 1e999 cannot be used as a number",
        "[" + "1" * 5000 + "]": "line 1, column 2: a number of 5000 digits cannot be used as a number",
        "[" * 100_000: "line 1, column 101: nested deeper than 100 levels",
        '{"a":' * 50_000: "line 1, column 501: nested deeper than 100 levels",
        '{"a": "\t"}': "line 1, column 8: invalid control character",
        "{}\n{}": "line 2, column 1: extra data",
        '{"a": "é': "line 1, column 7: unterminated string",
    },
    "yaml": {
        "a: b: c": "line 1, column 5: mapping values are not allowed here",
        "a: 1\n---\nb: 2\n": "line 2, column 1: expected a single document in the stream, but found another document",
        "a:\n  b: 1\n  b: 2\n": "line 3, column 3: the key 'b' stands in this mapping twice",
        "a: !!python/object:os.system x\n": "line 1, column 4: the tag !!python/object:os.system is not one that is known here",
        "a: !secret x\n": "line 1, column 4: the tag !secret is not one that is known here",
        "a: \x01\n": "line 1, column 4: the character '\\x01' is not allowed",
        "a: *nobody\n": "line 1, column 4: found undefined alias 'nobody'",
        "a: &a [*a]\n": "line 1, column 8: its aliases nest deeper than 100 levels",
        "? [a]\n: 1\n": "line 1, column 3: a key has to be a single value",
        "\ta: 1\n": "line 1, column 1: while scanning for the next token, found character '\\t' that cannot start any token",
        "[" * 5000: "line 1, column 101: nested deeper than 100 levels",
        "<<: 1\n": "line 1, column 5: only mappings can be merged",
        "a: 0b2\nb: !!int x\n": "line 2, column 4: 'x' cannot be read as int",
        "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
            f"{after}: &{after} [{', '.join(['*' + name] * 8)}]\n" for name, after in zip("abcdefg", "bcdefgh", strict=True)
        ): "line 7, column 16: its aliases stand for more than 1000000 values",
    },
    "toml": {
        "a = \n": "line 1, column 5: unexpected character: '\\n'",
        "a = 1\na = 2\n": 'line 2, column 1: key "a" already exists.',
        "x = 1\n[t]\na = 1\n[t.a]\nb = 1\n": 'line 4, column 1: key "a" already exists.',
        "a = [\n1 2]": "line 2, column 3: unexpected character: '2'",
        "a = " + "[" * 5000: "nested",
        ".".join(["a"] * 200) + " = 1\n": "nested",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("form", "text", "problem"), [(form, *row) for form, rows in UNREADABLE.items() for row in rows.items()],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_line_and_column(form: str, text: str, problem: str) -> None:
    found = assess(text.encode(), Rules(form, SCHEMA))
    if problem == "nested":  # tomlkit has a limit of its own, newer ones a little below ours
        assert re.search(r"nested (more|deeper) than 100 levels", found.problems[0])
        problem = found.problems[0]
    assert (found.state, found.problems, found.after) == ("unreadable", (problem,), None)


@pytest.mark.parametrize("form", ["json", "yaml", "toml"])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a\n\xc3\xa9 \xff", "line 2, column 3: byte 0xff is not UTF-8"),
        (b"\xef\xbb\xbf\xe9", "line 1, column 1: byte 0xe9 is not UTF-8"),
        (b"\xff\xfe{\0", "line 1, column 1: it is written in UTF-16 (expected UTF-8)"),
        (b"\xfe\xff\0{", "line 1, column 1: it is written in UTF-16 (expected UTF-8)"),
        (b"\xff\xfe\0\0{\0\0\0", "line 1, column 1: it is written in UTF-32 (expected UTF-8)"),
    ],
)
def test_only_utf8_is_read(form: str, content: bytes, problem: str) -> None:
    assert assess(content, Rules(form, SCHEMA)).problems == (problem,)


CANNOT = [
    ("yaml", "limits: &a\n  low: 1\nother: *a\nratio: 1\n", "limits.high: cannot be repaired: "),
    ("yaml", "ratio: &a 7\nother: *a\nlimits: {low: 1, high: 1}\n", "ratio: cannot be repaired: "),
    ("yaml", "ratio: 1\nlimits:\n  high: |\n    no newline", "limits.low: cannot be repaired: "),
    (
        "toml",
        "ratio = 1\n[limits]\nlow = 1\n[z]\n[limits.x]\n",
        "limits.high: cannot be repaired: limits is written in",
    ),
    ("yaml", "a: &a {low: 1}\nlimits: *a\nratio: 1\n", "limits.high: cannot be repaired: "),
    ("yaml", "ratio:\n  - 1\nlimits: {low: 1, high: 1}\n", "ratio: cannot be repaired: a value of several lines"),
    ("toml", "ratio = 1\r\nlimits = {low = 1}\n", "limits.high: cannot be repaired: the file mixes line endings"),
]


@pytest.mark.parametrize(("form", "text", "problem"), CANNOT)
def test_where_only_reformatting_would_help_nothing_is_done(form: str, text: str, problem: str) -> None:
    found = assess(text.encode(), Rules(form, SCHEMA, True))
    assert found.after is None
    assert found.problems[-1].startswith(problem)


def test_what_has_a_place_is_repaired_where_something_else_has_none() -> None:
    text = "a: &a {low: 1}\nlimits: *a\n"
    assert repaired("yaml", text) == text + "ratio: 0.5\n"


def test_a_toml_table_that_only_its_subtable_has_named() -> None:
    text = "ratio = 1\n[limits.x]\ny = 1\n"
    after = repaired("toml", text)
    assert after is not None
    assert after.endswith("[limits.x]\ny = 1\n")
    assert of("toml").read(after).value == {"ratio": 1, "limits": {"x": {"y": 1}, "low": 0.5, "high": "off"}}


def test_an_emptied_yaml_file_is_not_valid() -> None:
    for text in ("", "# nothing\n", "---\n"):
        assert assess(text.encode(), Rules("yaml", {"required": ["ratio"]})).state == "invalid"
        assert assess(text.encode(), Rules("yaml", {})).state == "valid"


@pytest.mark.parametrize("text", ["[]", "1", "null", '"x"'])
def test_only_a_mapping_is_repaired(text: str) -> None:
    for form in ("json", "yaml"):
        for schema in (SCHEMA, {"required": ["ratio"]}, {"properties": {"ratio": RATIO}}):
            found = assess(text.encode(), Rules(form, schema))
            assert (found.state, found.after) == ("invalid", None)
            assert found.problems[0].endswith("(expected a mapping)")


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        ("json", '{"a": 1.0, "b": 1, "c": true, "d": null, "e": "\\ud800"}',
         {"a": 1.0, "b": 1, "c": True, "d": None, "e": "\ud800"}),
        ("yaml", "a: 1.0\nb: 0o17\nc: yes\nd: ~\ne: 2020-01-01 10:00:00\nf: .nan\ng: 010\n1: x\nh: !!str 1\ni: 0x1F\nj: 1e3\n",
         {"a": 1.0, "b": 15, "c": "yes", "d": None, "e": "2020-01-01 10:00:00", "f": ".nan", "g": 10, "1": "x",
          "h": "1", "i": 31, "j": 1000.0}),
        ("yaml", "%YAML 1.1\n---\na: yes\nb: 1e3\nc: 010\n", {"a": True, "b": "1e3", "c": 8}),
        ("toml", "a = 1.0\nb = 0o17\nc = true\ne = 2020-01-01T10:00:00Z\nf = nan\ng = 10:00:00\nh = 0x1F\n[x.y]\nz = [1]\n",
         {"a": 1.0, "b": 15, "c": True, "e": "2020-01-01T10:00:00Z", "f": "nan", "g": "10:00:00", "h": 31,
          "x": {"y": {"z": [1]}}}),
    ],
)  # fmt: skip
def test_values_have_the_types_of_json(form: str, text: str, value: Any) -> None:
    assert same(of(form).read(text).value, value)


HARD = ["yes", "No", "null", "~", "", " a", "a: b", "#x", "1", "1e3", "2020-01-01", "0o7", "é\u2028\x7f\x85\ufeff", "a\nb\t\\\"'",
        "😀", "<<", "- a", "{", "=", "12:30:00", "\x00\x1b", "on"]  # fmt: skip


@pytest.mark.parametrize("form", ["json", "yaml", "toml"])
def test_what_is_written_is_read_as_it_was_meant(form: str) -> None:
    value: dict[str, Any] = {f"k{number}": text for number, text in enumerate(HARD)}
    value |= {text or "empty": number for number, text in enumerate(HARD)}
    value |= {"floats": [1e-05, 1e16, 1.5, -0.0, 1e300], "list": [], "map": {"x": {}, "y": [{"z": 1}]}, "big": 2**62}
    written = of(form).write(value)
    assert same(of(form).read(written).value, value)
    for key, item in value.items():  # and one by one, on a line and in braces
        for text in {"json": ["{}", '{\n "q": 1\n}'], "yaml": ["q: 1\n", "{q: 1}"], "toml": ["q = 1\n", ""]}[form]:
            document = of(form).read(text)
            edits = [Edit((key,), item)]
            assert same(of(form).read(document.edited(edits)).value, changed(document.value, edits)), (text, key, item)


def test_yaml_is_written_for_yaml_1_1_too() -> None:
    yaml = pytest.importorskip("yaml")
    value = {**{f"k{number}": text for number, text in enumerate(HARD)}, "f": [1e-05, 1e16], "t": True, "n": None}
    assert same(yaml.safe_load(of("yaml").write(value)), value)


@pytest.mark.parametrize(("form", "value"), [("toml", None), ("toml", 2**64), ("yaml", "\ud800"), ("toml", "\ud800")])
def test_what_a_format_cannot_say_is_not_written(form: str, value: Any) -> None:
    with pytest.raises(CannotEditError):
        of(form).write({"a": value})
    document = of(form).read({"toml": "b = 1\n", "yaml": "b: 1\n"}[form])
    with pytest.raises(CannotEditError):
        document.edited([Edit(("a",), value)])


def test_json_says_half_of_a_surrogate_pair_by_an_escape() -> None:
    assert of("json").read('{"é": 1}').edited([Edit(("a",), "\ud800")]) == '{"é": 1, "a": "\\ud800"}'


def test_text_beyond_ascii_is_escaped_only_in_ascii_json() -> None:
    assert of("json").read('{"b": 1}').edited([Edit(("a",), "é")]) == '{"b": 1, "a": "\\u00e9"}'
    assert of("json").read('{"ü": 1}').edited([Edit(("a",), "é")]) == '{"ü": 1, "a": "é"}'


@pytest.mark.parametrize(("before", "after"), YAML.items())
def test_yaml_is_edited_alike_without_the_c_library(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yaml.__with_libyaml__", False)
    assert repaired("yaml", before) == after


@pytest.mark.parametrize(("before", "after"), TOML.items())
def test_toml_is_edited_alike_without_the_standard_library(
    before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor_healer.fixers.toml_reading.tomllib", None)
    assert repaired("toml", before) == after


@pytest.mark.parametrize("has_library", [True, False])
def test_toml_is_read_alike_by_both_parsers(has_library: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_library:
        monkeypatch.setattr("supervisor_healer.fixers.toml_reading.tomllib", None)
    text = (
        "a = 2020-01-01T10:00:00Z # 2020-01-01T11:00:00+01:00\nb = [2020-01-01 10:00:00.5, 10:00:00, 1979-05-27]\n"
        "c = [inf, -inf, nan, 1e3, 1_000, 0x1F, -0.0, 1e999]\nd = '10:00:01'\ne = [{f = true}]\n[g.h]\ni = {}\n[[j]]\n"
    )
    assert of("toml").read(text).value == {
        "a": "2020-01-01T10:00:00Z", "b": ["2020-01-01 10:00:00.5", "10:00:00", "1979-05-27"],
        "c": ["inf", "-inf", "nan", 1000.0, 1000, 31, -0.0, "1e999"], "d": "10:00:01", "e": [{"f": True}],
        "g": {"h": {"i": {}}}, "j": [{}],
    }  # fmt: skip


def test_yaml_that_only_newer_parsers_accept_is_read_by_one() -> None:
    text = "a: &b.c {low: 1, high: 2}\nlimits: *b.c\n"
    assert of("yaml").read(text).value == {"a": {"low": 1, "high": 2}, "limits": {"low": 1, "high": 2}}
    assert repaired("yaml", text) == text + "ratio: 0.5\n"
    assert assess(text.encode() + b"# " + b"x" * 250_000, Rules("yaml", SCHEMA)).problems == (
        "line 1, column 6: while scanning an anchor, did not find expected alphabetic or numeric character",
    )


def test_a_tab_before_a_comment_is_no_error() -> None:
    assert repaired("yaml", "ratio: 1\t# one\nlimits: {low: 1, high: 2}\t# both\n") is None
    assert repaired("yaml", "limits: {low: 1, high: 2}\t# both\n") == "limits: {low: 1, high: 2}\t# both\nratio: 0.5\n"
