"""Whose stop it was: a person's, which nothing here ever undoes, or our own.

Supervisor forgets what matters most to us: a `stop` for a worker that is down already (or that we have in hand)
is answered "not running", emits no event and leaves no trace. So the main namespace notes it here.
"""

from __future__ import annotations


class OperatorStops:
    """The stops that supervisord's own memory cannot tell apart, by address. Both notes end with the next start."""

    def __init__(self) -> None:
        self._noted: set[str] = set()
        self._ours: set[str] = set()

    def note(self, address: str) -> bool:
        """An operator stopped what was not running. Answers whether that is news."""
        news = address not in self._noted
        self._noted.add(address)
        return news

    def remember_ours(self, address: str) -> None:
        """The stop under way is the healer's."""
        self._ours.add(address)

    def noted(self, address: str) -> bool:
        """Whether an operator stopped it while it was down."""
        return address in self._noted

    def ours(self, address: str) -> bool:
        """Whether its last stop was the healer's."""
        return address in self._ours

    def withdraw(self, address: str) -> bool:
        """An operator starts it: he no longer wants it down. Answers whether his stop was noted."""
        noted = address in self._noted
        self._noted.discard(address)
        return noted

    def forget(self, address: str) -> bool:
        """It starts (or our stop failed): whose stop it was no longer matters. Answers whether a person's was noted."""
        self._ours.discard(address)
        noted = address in self._noted
        self._noted.discard(address)
        return noted

    def forget_group(self, group: str) -> None:
        """The group came or went: its processes are new ones, or none."""
        prefix = f"{group}:"
        self._noted = {address for address in self._noted if not address.startswith(prefix)}
        self._ours = {address for address in self._ours if not address.startswith(prefix)}
