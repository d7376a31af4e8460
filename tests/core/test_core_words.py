"""Texts of others, made fit for a terminal."""

from __future__ import annotations

import pytest

from supervisor_healer.words import ago, clean, clean_but_tokens, render

DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize("character", [*DIRECTIONS, "\ufeff", "\x1b", "\x9b", "\n", "\u2028", "\ud800", "\uffff"])
def test_what_a_terminal_obeys_is_replaced(character: str) -> None:
    text = f"a{character}b"
    assert (clean(text), clean_but_tokens(text), render(text, 0.0)) == ("a?b",) * 3


def test_what_people_write_stays() -> None:
    text = "ünï — שלום عربي 日本 \u200d 👩\u200d🔬 a\u00a0b\u00adc"
    assert (clean(text), render(text, 0.0)) == (text, text)
    assert render(clean_but_tokens(text + ago(1.0)), 3.0) == text + "2s"
