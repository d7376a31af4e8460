"""Bad arguments for every method, in this process and over real XML-RPC; and what a publication may hold."""

from __future__ import annotations

from supervisor_healer.protocol import producers


def test_a_file_with_very_many_producers_is_read_in_one_pass() -> None:
    """`explain` asks for them inside supervisord. (Trying every way to split the text took it 14 s for 4 KB.)"""
    names = [f"w:{number}" for number in range(20_000)]
    assert producers(", ".join(names), set(names)) == names
    assert producers(", " * 20_000, ()) == []
    assert producers("a, b, c, a, a, b", ("a, b", "c", "a")) == ["a, b", "c", "a", "a, b"]
    assert producers(", a, ", ("a",)) == ["a"]
