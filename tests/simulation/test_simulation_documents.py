"""What the documents say of the promises, the invariants and the files that keep them."""

from __future__ import annotations

import re
from pathlib import Path

from supervisor_healer.simulation.failures import WORDS
from supervisor_healer.simulation.promises import PROMISES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
RELIABILITY = (ROOT / "docs/reliability.md").read_text()


def kept_by() -> dict[int, str]:
    """The README's promises by number."""
    section = README.partition("\n## Promises\n")[2].partition("\n## ")[0]
    parts = re.split(r"^(\d+)\. ", section, flags=re.MULTILINE)[1:]
    return {int(number): text for number, text in zip(parts[::2], parts[1::2], strict=True)}


def test_each_promise_names_its_invariants_and_all_are_named() -> None:
    named = {number: set(re.findall(r"`([a-z_]+)`", text.rpartition(";")[2])) for number, text in kept_by().items()}
    assert named == {number: {name for name, of in PROMISES.items() if of == number} for number in range(1, 11)}


def test_each_promise_links_to_tests_that_are_there() -> None:
    for number, text in kept_by().items():
        links = re.findall(r"\]\((tests/[^)]+)\)", text)
        assert links, number
        for link in links:
            assert (ROOT / link).is_file(), link


def test_a_violation_is_told_in_the_words_of_the_promise() -> None:
    for number, text in kept_by().items():
        assert " ".join(text.split()).startswith(WORDS[number]), number


def test_the_page_on_reliability_explains_every_invariant() -> None:
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| (\d+) \|", RELIABILITY, flags=re.MULTILINE)
    said = {name: int(number) for names, number in rows for name in re.findall(r"`([a-z_]+)`", names)}
    assert said == PROMISES
