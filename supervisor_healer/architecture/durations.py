"""Durations as people write them: ``30s``, ``5m``, ``1h30m``, ``24h``, ``7d``."""

from __future__ import annotations

import re

EXPECTED = "a duration such as 30s, 5m, 1h30m, 24h or 7d"

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile("".join(rf"(?:([0-9]+(?:\.[0-9]+)?){unit})?" for unit in _UNITS))
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")
_LONGEST_DAYS = 36500


def parse(value: object) -> float:
    """Seconds in `value`: numbers with the units d, h, m and s, the largest first, each at most once.

    A bare number is refused, since nobody remembers whether it meant seconds or minutes. Raises ValueError with
    what is wrong (what was expected is `EXPECTED`).

    >>> parse("1h30m"), parse("1.5h")
    (5400.0, 5400.0)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{_kind(value)} is not a duration")  # noqa: TRY004 - one exception for all that is wrong
    text = str(value)
    if _NUMBER.fullmatch(text):
        raise ValueError(f"the number {text[:40]} has no unit")
    if text.startswith("-"):
        raise ValueError(f"{text[:40]!r} is negative")
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text[:40]!r} is not a duration")
    total = sum(float(count) * _UNITS[unit] for unit, count in zip(_UNITS, match.groups(), strict=True) if count)
    if total > _LONGEST_DAYS * _UNITS["d"]:
        raise ValueError(f"{text[:40]!r} is longer than {_LONGEST_DAYS // 365} years")
    return total


def _kind(value: object) -> str:
    if value is None:
        return "an empty value"
    return {bool: "true or false", list: "a list", dict: "a mapping"}.get(type(value), type(value).__name__)
