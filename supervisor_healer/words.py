"""How moments and durations are put into words, in all three processes.

A text about a moment goes stale as it lies in memory ("41h old"). So the core does not write the age into a
reason but the moment itself, as a token, and whoever shows the text to a person renders it at that moment.
This also keeps "nothing has changed" visible: the text stays the same while time passes.

A token is ``\\x1f`` + ``ago:`` or ``in:`` + a monotonic time in seconds + ``\\x1f``. The unit separator
can appear in no published name or path (control characters are replaced there), so no escaping is needed.
CLOCK_MONOTONIC is one clock for all processes of a host, which makes the token mean the same to each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NAMES_SHOWN = 10  # of those that a sentence names; there may be thousands

_TOKEN = re.compile("\x1f(ago|in):(-?[0-9.]+)\x1f")
_BIDI = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they have a terminal show another text than is there
_UNPRINTABLE = r"\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff" + _BIDI + "]"  # U+FFFE, U+FFFF: not in XML
_CONTROL = re.compile(r"[\x00-\x1f" + _UNPRINTABLE)
_CONTROL_BUT_TOKENS = re.compile(r"[\x00-\x1e" + _UNPRINTABLE)


def ago(moment: float) -> str:
    """A token rendered as the time passed since the monotonic `moment` (seconds)."""
    return f"\x1fago:{moment:.3f}\x1f"


def until(moment: float) -> str:
    """A token rendered as the time left until the monotonic `moment` (seconds), `0s` once it has passed."""
    return f"\x1fin:{moment:.3f}\x1f"


def render(text: str, now: float) -> str:
    """`text` with every token put into words as of the monotonic time `now` (seconds)."""

    def words(match: re.Match[str]) -> str:
        moment = float(match[2])
        return duration(max(0.0, now - moment if match[1] == "ago" else moment - now))

    return _CONTROL.sub("?", _TOKEN.sub(words, text))


def clean(text: str) -> str:
    """`text` with control characters, those of writing direction too, replaced by `?`: for logs, terminals and XML."""
    return _CONTROL.sub("?", text)


def clean_but_tokens(text: str) -> str:
    """Like `clean`, but moments stay tokens: for text that is stored now and rendered later."""
    return _CONTROL_BUT_TOKENS.sub("?", text)


def timeless(text: str) -> str:
    """`text` without its moments: equal for two that say the same at different times."""
    return _TOKEN.sub("", text)


def file_line(
    kind: str, path: str, freshness: str, aged: float | None, max_age: float, grace: float, source: str, note: str
) -> str:
    """One file in an explanation; `aged` is the mono moment its age counts from, `max_age` 0.0 none, in seconds.

    >>> file_line("input", "a.jsonl", "fresh", None, 300, 150, "from wa", "")
    'input: a.jsonl fresh (max 5m + 2m30s grace), from wa'
    """
    parts = [f"{kind}: {path} {freshness}" + ("" if aged is None else f", {ago(aged)} old")]
    if max_age:
        parts[0] += f" (max {duration(max_age)} + {duration(grace)} grace)"
    return ", ".join([*parts, *filter(None, (source, note))])


def counted(number: int, noun: str, plural: str = "") -> str:
    """`number` and the noun that goes with it.

    >>> counted(1, "error"), counted(2, "error"), counted(0, "entry", "entries")
    ('1 error', '2 errors', '0 entries')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def some(names: Sequence[str], count: int) -> str:
    """The first few of `count` names.

    >>> some(["a", "b"], 5), some(["a"], 1), some([], 0)
    ('a, b and 3 more', 'a', '')
    """
    return ", ".join(names) + (f" and {count - len(names)} more" if count > len(names) else "")


def listed(names: Iterable[str]) -> str:
    """All the names, or the first `NAMES_SHOWN` of a great many.

    >>> listed(["a", "b"]), listed(map(str, range(12)))
    ('a, b', '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more')
    """
    every = tuple(names)
    return some(every[:NAMES_SHOWN], len(every))


def duration(seconds: float) -> str:
    """`seconds` in the two largest units that still matter: 0.4s, 45s, 2m30s, 41h, 9d.

    >>> duration(150), duration(300), duration(41 * 3600 + 120)
    ('2m30s', '5m', '41h')
    """
    if seconds < 10 and round(seconds, 1) % 1:
        return f"{seconds:.1f}s"
    whole = int(seconds + 0.5)
    for size, unit, smaller, below in (
        (86400, "d", "h", 10 * 86400), (3600, "h", "m", 10 * 3600), (60, "m", "s", 10 * 60),
    ):  # fmt: skip
        if whole >= size * (3 if unit == "d" else 1):
            count, rest = divmod(whole, size)
            rest //= {"h": 3600, "m": 60, "s": 1}[smaller]
            return f"{count}{unit}{rest}{smaller}" if rest and whole < below else f"{count}{unit}"
    return f"{whole}s"
