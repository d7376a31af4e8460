"""The facts of the third scene are told from what only looks like them."""

from __future__ import annotations

import json

import pytest

from supervisor_healer.demo import losses
from supervisor_healer.demo.prepare import POLICIES

BROKEN = b'{\n  "a": 1,\n  "b": 2\n}\n'


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (b'{\n  "a": 1,\n  "b": 2,\n  "c": 3\n}\n', b',\n  "c": 3'),
        (b'{\n  "c": 3,\n  "a": 1,\n  "b": 2\n}\n', b'\n  "c": 3,'),
        (BROKEN, b""),
        (b'{"a": 1, "b": 2, "c": 3}', b""),  # another layout
        (b'{\n  "a": 1,\n  "b": 9,\n  "c": 3\n}\n', b""),  # another value besides
        (b'{\n  "a": 1\n}\n', b""),
    ],
)
def test_what_was_put_in(after: bytes, found: bytes) -> None:
    assert losses.inserted(BROKEN, after) == found


def test_the_careless_edit_takes_one_field_and_leaves_json() -> None:
    assert json.loads(losses.without_field(POLICIES)) == {
        name: value for name, value in json.loads(POLICIES).items() if name != losses.FIELD
    }
    assert json.loads(POLICIES)[losses.FIELD] != losses.DEFAULT  # so that the screen shows which one is in use
