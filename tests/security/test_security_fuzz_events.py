"""Fuzzing what comes as events: any bytes on the listener's stdin, in any cut, and a listener of its own for some."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from fuzzing import Fuzz
from hypothesis import strategies as st
from wild import INJECTIONS, injections

from supervisor_healer import words
from supervisor_healer.errors import ProtocolError
from supervisor_healer.listener.events import ANSWER, READY, Event, EventChannel, arrival, meaning

EVENTS = (
    *("PROCESS_STATE_EXITED", "PROCESS_STATE_RUNNING", "PROCESS_STATE_", "TICK_5", "TICK_", "REMOTE_COMMUNICATION"),
    *("SUPERVISOR_STATE_CHANGE_RUNNING", "SUPERVISOR_STATE_CHANGE_STOPPING", "PROCESS_GROUP_ADDED", "?"),
)


def sent(text: str) -> str:
    """`text` as supervisord can send it."""
    return text.encode(errors="replace").decode()


_words = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), injections.map(sent))
_numbers = st.one_of(
    st.integers(0, 20).map(str), st.sampled_from(["-1", "9" * 18, "9" * 19, "9" * 5000, "\u0663", "x", ""])
)
_bodies = st.one_of(
    st.builds(
        "processname:{} groupname:{} from_state:{} expected:{} pid:{}".format,
        _words,
        _words,
        _words,
        _numbers,
        _numbers,
    ),
    st.builds("when:{}".format, _numbers),
    st.builds("type:{}\n{}".format, _words, _words),
    _words,
    st.sampled_from([17, 1024 * 1024 + 1]).map("\u20ac".__mul__),
)


def wire(name: str, body: str, serial: str = "1", pool_serial: str = "1", server: str = "s", length: str = "") -> bytes:
    """An event as Supervisor writes it; `length` is what its header says, '' the truth."""
    head = f"ver:3.0 server:{server} serial:{serial} pool:healer poolserial:{pool_serial} eventname:{name}"
    return f"{head} len:{length or len(body)}\n{body}".encode()


_sound = st.builds(
    lambda name, body, serial, server: (name, body, wire(name, body, str(serial), str(serial), server)),
    st.sampled_from(EVENTS),
    _bodies,
    st.integers(0, 10**17),
    _words.map(lambda text: text.replace("\n", " ")),
)
_unsound = st.builds(
    wire, st.sampled_from(EVENTS), _bodies, _numbers, _numbers, _words, st.one_of(st.just(""), _numbers)
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A few events, sound or not, with pieces cut out and others put in; or nothing of the kind."""
    stream = b"".join(
        draw(st.lists(st.one_of(_sound.map(lambda one: one[2]), _unsound, st.binary(max_size=30)), max_size=4))
    )
    for _ in range(draw(st.integers(0, 2))):
        start, length = draw(st.integers(0, min(len(stream), 400))), draw(st.integers(0, 8))
        stream = stream[:start] + draw(st.binary(max_size=8)) + stream[start + length :]
    return stream


@dataclass(frozen=True)
class Heard:
    """What a listener has made of a stream: the events up to its end, or to what it could not read."""

    events: list[Event]
    said: bytes
    refused: str


def hear(stream: bytes, cut: int) -> Heard:
    """Give a listener's channel this stream in pieces, each followed by all that the listener does with it."""
    stdin, to_listener = os.pipe()
    from_listener, stdout = os.pipe()
    events: list[Event] = []
    refused = ""
    with contextlib.ExitStack() as open_:
        for end in (stdin, from_listener, stdout):
            open_.callback(os.close, end)
        channel = EventChannel(stdin, stdout)
        channel.start()
        try:
            for start in range(0, len(stream), cut):
                os.write(to_listener, stream[start : start + cut])
                events += channel.receive()
                assert not channel.closed
        except ProtocolError as error:
            refused = str(error)
        os.close(to_listener)
        if not refused:
            assert channel.receive() == []
            assert channel.closed
        said = os.read(from_listener, 65536)
    previous = None
    for event in events:
        meaning(event)
        arrival(previous, event)
        previous = event.pool_serial
    return Heard(events, said, refused)


def test_fuzz_events_bytes(fuzz: Fuzz) -> None:
    """What is no event is refused in one line; up to there, and to the end, every event is answered."""

    def check(given: tuple[bytes, int]) -> None:
        stream, cut = given
        heard = hear(stream, min(65536, max(cut, len(stream) // 200)))
        assert heard.said == READY + (ANSWER + READY) * len(heard.events)
        assert heard.refused == words.clean(heard.refused)
        assert len(heard.refused) < 500

    fuzz(check, st.tuples(streams(), st.integers(1, 4096)), ((stream, 65536) for stream in KEPT))


def test_fuzz_events_of_supervisord(fuzz: Fuzz) -> None:
    """Whatever is in an event that supervisord can send, it is heard as it was sent, and so is the next one."""

    def check(given: list[tuple[str, str, bytes]]) -> None:
        stream = b"".join(data for _, _, data in given)
        heard = hear(stream, 65536)
        assert not heard.refused
        for event, (name, body, _) in zip(heard.events, given, strict=True):
            assert event.name == name
            assert event.body == (body if len(body) <= 1024 * 1024 else "")

    fuzz(check, st.lists(_sound, max_size=4))


KEPT = (
    b"",
    b"ver:",
    b"\x00",
    b"READY\n",
    wire("TICK_5", "when:5", serial="9" * 5000),
    wire("TICK_5", "when:5", length="9" * 5000),
    wire("PROCESS_STATE_EXITED", f"processname:w groupname:g from_state:RUNNING expected:0 pid:{'9' * 5000}"),
    wire("PROCESS_STATE_EXITED", f"processname:w{' groupname:g from_state:RUNNING' * 2000}!"),
    wire("TICK_5", "\u20ac", length="3"),
    wire("TICK_5", "\u20ac" * 600_000),
)


# --- a listener of its own -----------------------------------------------------------------------------------


@pytest.fixture
def architecture(tmp_path: Path) -> Path:
    path = tmp_path / "architecture.yaml"
    path.write_text("version: 1\nfiles: {w.jsonl: {max_age: 5m}}\nworkers: {w: {outputs: [w.jsonl]}}\n")
    return path


def listen(architecture: Path, stream: bytes) -> subprocess.CompletedProcess[bytes]:
    """A real listener, to which supervisord (which cannot be called) says this and then goes away."""
    return subprocess.run(
        [sys.executable, "-m", "supervisor_healer.cli", "listen", str(architecture)],
        input=stream,
        capture_output=True,
        env={**os.environ, "SUPERVISOR_SERVER_URL": f"unix://{architecture.parent}/nobody.sock"},
        cwd=architecture.parent,
        timeout=60,
        check=False,
    )


def assert_told_cleanly(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """Each line of the log begins with its moment and holds nothing but text; there is no bug to report."""
    lines = done.stderr.decode().splitlines()
    assert [line for line in lines if not line.startswith("20") or line != words.clean(line)] == []
    assert [line for line in lines if "bug" in line or "Traceback" in line or "acts on nothing" in line] == []
    return lines


def test_a_listener_outlives_every_event_that_supervisord_can_send(architecture: Path) -> None:
    stream, count = b"", 0
    for text in map(sent, INJECTIONS):
        body = f"processname:{text} groupname:{text} from_state:RUNNING expected:0 pid:{'9' * 5000}"
        for name, said in (
            ("PROCESS_STATE_EXITED", body),
            ("PROCESS_STATE_RUNNING", text),
            ("REMOTE_COMMUNICATION", f"type:supervisor_healer\n{text}"),
            ("REMOTE_COMMUNICATION", f"type:{text}\n{text}"),
            ("TICK_5", f"when:{text}"),
        ):
            count += 1
            stream += wire(name, said, str(count), str(count), server=text.replace("\n", " "))
    done = listen(architecture, stream)
    assert done.returncode == 0
    assert done.stdout == READY + (ANSWER + READY) * count
    assert_told_cleanly(done)


@pytest.mark.parametrize(
    ("stream", "status", "said"),
    [
        (
            wire("TICK_5", "when:5") + b"\x1b[2J\xff\n",
            1,
            r"cannot be read: not an event of supervisord: '\x1b[2J\\xff'",
        ),
        (wire("TICK_5", "\u20ac").replace("\u20ac".encode(), b"\xff"), 1, r"not UTF-8: '\\xff'"),
        (wire("TICK_5", "when:5", serial="9" * 5000), 1, "cannot be read: not an event of supervisord"),
        (wire("TICK_5", "when:5")[:-3], 0, "watches"),  # cut off: it ends as cleanly
        (b"", 0, "watches"),
    ],
)
def test_a_listener_that_cannot_read_says_so_and_ends(
    architecture: Path, stream: bytes, status: int, said: str
) -> None:
    done = listen(architecture, stream)
    assert done.returncode == status
    assert any(said in line for line in assert_told_cleanly(done))
