"""Where the demonstration lies, also where the path there is too long or too strange for supervisord."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from supervisor_healer.demo import checkout
from supervisor_healer.demo.checkout import SOCKET, SOCKET_LIMIT, Checkout, fits, home_of
from supervisor_healer.errors import HealerError


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A short temporary folder of our own (pytest's are long)."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return Path(tempfile.gettempdir())


def long(length: int) -> Path:
    """A path whose socket has exactly `length` bytes."""
    return Path("/" + "x" * (length - len(str(SOCKET)) - 2))


@pytest.mark.parametrize(
    ("length", "expected"), [(SOCKET_LIMIT - 1, True), (SOCKET_LIMIT, True), (SOCKET_LIMIT + 1, False)]
)
def test_fits(length: int, expected: bool) -> None:
    assert fits(long(length)) is expected


def test_a_plain_short_path_needs_no_detour() -> None:
    place = Checkout(Path("/home/me/healer"), home_of(Path("/home/me/healer")))
    assert not place.detour
    assert place.shown() == "conf/supervisord.conf"
    assert place.server_url == "unix:///home/me/healer/var/demo/supervisor.sock"


@pytest.mark.parametrize("root", [long(SOCKET_LIMIT + 1), Path("/a b"), Path("/a%b"), Path("/a;b"), Path("/a'b")])
def test_a_path_that_supervisord_cannot_take_gets_a_link(root: Path, temporary: Path) -> None:
    home = home_of(root)
    assert home.parent == temporary
    assert fits(home)
    assert home_of(root) == home
    assert Checkout(root, home).shown() == f"{home}/conf/supervisord.conf"


def test_two_checkouts_get_two_links(temporary: Path) -> None:
    assert home_of(Path("/a b")) != home_of(Path("/a c"))


def test_link_is_made_once_and_removed(tmp_path: Path) -> None:
    place = Checkout(tmp_path, tmp_path / "link")
    place.link()
    place.link()
    assert (tmp_path / "link").readlink() == tmp_path
    place.unlink()
    place.unlink()
    assert not (tmp_path / "link").is_symlink()


def test_link_takes_nothing_that_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/elsewhere")
    with pytest.raises(HealerError, match="in the way"):
        Checkout(tmp_path, tmp_path / "link").link()
    assert os.readlink(tmp_path / "link") == "/elsewhere"


def test_find_gives_this_checkout() -> None:
    assert (checkout.find().root / "setup.cfg").is_file()


def test_find_without_a_checkout_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkout, "__file__", str(tmp_path / "lib" / "supervisor_healer" / "demo" / "checkout.py"))
    with pytest.raises(HealerError, match="needs a checkout"):
        checkout.find()
