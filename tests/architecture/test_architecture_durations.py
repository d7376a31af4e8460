"""Durations: what people write, what is refused, and in which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_healer import words
from supervisor_healer.architecture import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30), ("5m", 300), ("24h", 86400), ("7d", 604800), ("0s", 0), ("1.5h", 5400), ("0.5s", 0.5),
        ("1h30m", 5400), ("1d2h3m4s", 93784), ("90m", 5400), ("36500d", 36500 * 86400),
    ],
)  # fmt: skip
def test_durations_that_people_write(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        (5, "the number 5 has no unit"), ("5", "the number 5 has no unit"), (0, "no unit"), (1.5, "no unit"),
        ("-5m", "is negative"), (-5, "no unit"), ("", "is not a duration"), ("m", "is not a duration"),
        ("5 m", "is not a duration"), ("5M", "is not a duration"), ("30m1h", "is not a duration"),
        ("1m1m", "is not a duration"), ("5ms", "is not a duration"), ("5m\n", "is not a duration"),
        (".5h", "is not a duration"), ("\u0665m", "is not a duration"), ("36501d", "longer than 100 years"),
        ("9" * 400 + "d", "longer than 100 years"), (None, "an empty value"), (True, "true or false"),
        ([], "a list"), ({}, "a mapping"), (float("nan"), "is not a duration"),
    ],
)  # fmt: skip
def test_what_is_refused(value: object, phrase: str) -> None:
    with pytest.raises(ValueError, match=phrase):
        durations.parse(value)


@given(st.integers(0, 3000), st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_the_parts_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = durations.parse(f"{days}d{hours}h{minutes}m{seconds}s")
    assert total == days * 86400 + hours * 3600 + minutes * 60 + seconds


@given(st.integers(0, 40 * 86400))
def test_what_we_print_can_be_read_back(seconds: int) -> None:
    assert durations.parse(words.duration(seconds)) == pytest.approx(seconds, rel=0.1, abs=1)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.integers())))
def test_whatever_stands_there_is_seconds_or_a_value_error(value: object) -> None:
    try:
        seconds = durations.parse(value)
    except ValueError:
        return
    assert seconds >= 0
