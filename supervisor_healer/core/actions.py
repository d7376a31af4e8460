"""What a person has to do next, as one command that a shell takes as it stands.

Words that supervisorctl splits once more are quoted twice where they have to be.
"""

from __future__ import annotations

import re
import shlex

_TOUCHY = re.compile(r"[^\w@%+=:,./-]")  # what a shell would take for its own
_TOUCHY_BUT_MARKS = re.compile(r"[^\w@%+=:,./*?\[\]-]")  # ... where a pattern's marks are meant so
_ESCAPED = r"\\\g<0>"
_MARKS = frozenset("*?[")
_SPECIAL_IN_QUOTES = re.compile(r'["$`\\!]')
_OF_THE_DISK = ("no space left", "quota exceeded", "read-only file system", "is full", "is read-only")


class Actions:
    """Commands about workers by name, and about files by their path in the architecture, whose root is `root`."""

    def __init__(self, root: str = "") -> None:
        self._root = root.rstrip("/")

    def edit(self, path: str) -> str:
        """Open a file in the person's own editor."""
        return f"${{EDITOR:-vi}} {self._absolute(path)}"

    def look(self, path: str) -> str:
        """Whose it is, how large, how old; a pattern shows all that match it."""
        return f"ls -l {self._absolute(path)}"

    def look_at_itself(self, path: str) -> str:
        """What kind of thing stands there, and who may do what with it."""
        return f"ls -ld {self._absolute(path)}"

    def look_at_folder(self, path: str) -> str:
        """Who may do what with the folder that it is in."""
        return f"ls -ld {self._folder(path)}"

    def room(self, path: str) -> str:
        """How full the file system under it is, which is also how a read-only one is found."""
        return f"df -h {self._folder(path)}"

    @staticmethod
    def is_of_the_disk(trouble: str) -> bool:
        """Whether these words of the system's are about a full or read-only file system."""
        said = trouble.lower()
        return any(words in said for words in _OF_THE_DISK)

    @staticmethod
    def restore(path: str) -> str:
        """Put the newest backup of a config back."""
        option = "--restore=" if path.startswith("-") else "--restore "
        return f"supervisorctl heal {option}{_twice(path)}"

    @staticmethod
    def heal(worker: str) -> str:
        """Release it, and restart it if its inputs are fresh."""
        return f"supervisorctl heal {_twice(worker)}"

    @staticmethod
    def explain(name: str) -> str:
        """All that is known of it."""
        return f"supervisorctl explain {_twice(name)}"

    @staticmethod
    def monitor(worker: str) -> str:
        """Have it acted on again."""
        return f"supervisorctl monitor {_twice(worker)}"

    @staticmethod
    def log(address: str) -> str:
        """What its process last said; `address` is supervisord's ``group:name``."""
        group, _, name = address.partition(":")
        return f"supervisorctl tail {_twice(name if group == name else address)} stderr"

    def _absolute(self, path: str) -> str:
        """The path as a person can type it anywhere."""
        touchy = _TOUCHY_BUT_MARKS if _MARKS.intersection(path) else _TOUCHY
        escaped = touchy.sub(_ESCAPED, path)
        if path.startswith("/") or not self._root:
            return escaped
        return f"{_TOUCHY.sub(_ESCAPED, self._root)}/{escaped}"

    def _folder(self, path: str) -> str:
        return self._absolute(path).rpartition("/")[0] or "/"


def _twice(word: str) -> str:
    """A word for supervisorctl, which joins what the shell has split, and splits it again.

    >>> _twice("c.json"), _twice("my c.json")
    ('c.json', '"\\'my c.json\\'"')
    """
    once = shlex.quote(word)
    if once == word:
        return word
    return shlex.quote(once) if _SPECIAL_IN_QUOTES.search(once) else f'"{once}"'
