"""Where the demonstration lies: the checkout with conf/, and the one folder that it writes to.

conf/supervisord.conf           what supervisord is started with
var/demo/                       everything written at run time (git ignores it)
  supervisor.sock  supervisord.log  supervisord.pid  healer.log  healer.sqlite3
  feature_store/  logs/  configs/   the pipeline's own files
  console/NAME.log                what each worker prints
  hang/NAME                       touch it, and that worker hangs
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from supervisor_healer.errors import HealerError

RUN_FOLDER = Path("var/demo")
CONF = Path("conf/supervisord.conf")
SOCKET = RUN_FOLDER / "supervisor.sock"

# Supervisor binds NAME.PID first (up to 8 bytes more). Linux allows 107 bytes, macOS and the BSDs 103.
SOCKET_LIMIT = 103 - len(".4194304")
PLAIN = re.compile(r"[\w/.+@=~-]+")  # what Supervisor's configuration takes in a path without quoting


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout of the project. `root` is where it lies, `home` the way there that supervisord is told.

    They differ where the path to the checkout is too long for a unix socket, or has a character that Supervisor's
    configuration cannot take: then `home` is a symbolic link to it in a temporary folder.
    """

    root: Path
    home: Path

    @property
    def conf(self) -> Path:
        """The configuration of supervisord, by the way of `home`."""
        return self.home / CONF

    @property
    def run_folder(self) -> Path:
        """The folder with everything written at run time."""
        return self.root / RUN_FOLDER

    @property
    def server_url(self) -> str:
        """Where supervisord listens, as Supervisor writes it."""
        return f"unix://{self.home / SOCKET}"

    @property
    def detour(self) -> bool:
        """Whether `home` is a link, so that people have to be told of it."""
        return self.home != self.root

    def shown(self) -> str:
        """The configuration's path as a person in the checkout types it."""
        return str(self.conf if self.detour else CONF)

    def link(self) -> None:
        """Make the link if one is needed."""
        if not self.detour:
            return
        try:
            self.home.symlink_to(self.root, target_is_directory=True)
        except FileExistsError:
            mine = self.home.is_symlink() and self.home.lstat().st_uid == os.geteuid()
            if not (mine and self.home.readlink() == self.root):
                raise HealerError(
                    f"{self.home} is in the way: it should be a link to {self.root}, made by us"
                ) from None

    def unlink(self) -> None:
        """Remove the link again."""
        if self.detour and self.home.is_symlink():
            self.home.unlink()


def find() -> Checkout:
    """The checkout that this package belongs to, else the one in the current folder.

    Raises HealerError where there is none: an installed package alone has no conf/.
    """
    for place in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (place / CONF).is_file() and (place / "conf/architecture.yaml").is_file():
            return Checkout(place, home_of(place))
    raise HealerError(
        f"the demonstration needs a checkout of the project: neither {Path(__file__).resolve().parents[2]}"
        f" nor {Path.cwd()} has {CONF}; clone the repository and run it from there"
    )


def home_of(root: Path) -> Path:
    """`root` where supervisord can work with that path, else the short link that it is to be given instead."""
    if fits(root) and PLAIN.fullmatch(str(root)):
        return root
    name = f"healer-demo-{os.geteuid()}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}"
    for folder in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):
        if folder and os.access(folder, os.W_OK) and fits(Path(folder) / name) and PLAIN.fullmatch(folder):
            return Path(folder) / name
    raise HealerError(f"no temporary folder with a path short enough for a unix socket; move {root} to a shorter path")


def fits(root: Path) -> bool:
    """Whether supervisord can bind its socket below `root`."""
    return len(os.fsencode(root / SOCKET)) <= SOCKET_LIMIT
