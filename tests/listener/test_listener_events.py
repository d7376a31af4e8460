"""The event protocol: any bytes in, in any cut; and against a real supervisord."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_supervisor import PLAIN_RPC, RealSupervisor, program, until

from supervisor_healer.errors import ProtocolError
from supervisor_healer.listener.events import (
    Arrival,
    Event,
    EventChannel,
    EventParser,
    Other,
    ProcessStateChanged,
    Ring,
    SupervisorRunning,
    SupervisorStopping,
    Tick,
    arrival,
    meaning,
)


def wire(
    name: str, body: str, *, serial: int = 21, pool_serial: int = 10, server: str = "supervisor", length: int = -1
) -> bytes:
    """An event as Supervisor writes it (supervisor.process.EventListenerPool._eventEnvelope)."""
    length = len(body) if length < 0 else length
    head = (
        f"ver:3.0 server:{server} serial:{serial} pool:healer poolserial:{pool_serial} eventname:{name} len:{length}\n"
    )
    return (head + body).encode()


def event(name: str, body: str) -> Event:
    (one,) = EventParser().feed(wire(name, body))
    return one


# --- bytes to events -----------------------------------------------------------------------------------------


def test_one_event() -> None:
    (one,) = EventParser().feed(wire("TICK_5", "when:1720000005"))
    assert (one.name, one.serial, one.pool_serial, one.body) == ("TICK_5", 21, 10, "when:1720000005")
    assert one.headers == {
        "ver": "3.0", "server": "supervisor", "serial": "21", "pool": "healer", "poolserial": "10",
        "eventname": "TICK_5", "len": "15",
    }  # fmt: skip


@pytest.mark.parametrize(
    "server",
    ["a:b", "my host: prod", "a serial:7 b", "x pool:y poolserial:3 eventname:Z", " len:5", "größe", ":", "", "  "],
)
def test_any_identifier(server: str) -> None:
    (one,) = EventParser().feed(wire("TICK_5", "when:5", server=server, serial=3, pool_serial=4))
    assert (one.headers["server"], one.serial, one.pool_serial, one.body) == (server, 3, 4, "when:5")


@pytest.mark.parametrize("cut", [1, 7, 4096, 1 << 22])
def test_an_event_too_large_to_concern_us_is_thrown_away_and_the_next_is_read(cut: int) -> None:
    large = "ü€" * (600 * 1024)
    data = (
        wire("A", "first") + wire("B", large) + wire("C", "last") if cut > 7 else wire("B", large[:-1]) + wire("C", "€")
    )
    parser, seen = EventParser(), []
    for place in range(0, len(data), cut if cut > 7 else len(data) - cut):
        seen += parser.feed(data[place : place + (cut if cut > 7 else len(data) - cut)])
    assert [(event.name, event.body) for event in seen][-2:] == [("B", ""), ("C", "last" if cut > 7 else "€")]
    assert not parser.incomplete


def test_the_length_counts_characters() -> None:
    bodies = ["type:ü\n€", "type:x\n\U0001f600\U0001f600", "", "plain", "é" * 5000]
    events = EventParser().feed(b"".join(wire("REMOTE_COMMUNICATION", body) for body in bodies))
    assert [one.body for one in events] == bodies


@settings(deadline=None)
@given(
    bodies=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5),
    cuts=st.lists(st.integers(0, 600), max_size=30),
)
def test_cut_anywhere(bodies: list[str], cuts: list[int]) -> None:
    stream = b"".join(wire("X", body, serial=number, server="a:ü b") for number, body in enumerate(bodies))
    edges = [0, *sorted(cuts), len(stream)]
    parser = EventParser()
    events = [one for start, end in itertools.pairwise(edges) for one in parser.feed(stream[start:end])]
    events += parser.feed(stream[edges[-2] :] if edges[-2] > len(stream) else b"")
    assert [(one.serial, one.body) for one in events] == list(enumerate(bodies))
    assert not parser.incomplete


def test_byte_by_byte() -> None:
    stream = wire("A", "€x") + wire("B", "") + wire("C", "ü")
    parser = EventParser()
    seen = []
    for index in range(len(stream)):
        seen += [one.name for one in parser.feed(stream[index : index + 1])]
        assert parser.incomplete == (
            index + 1 not in {len(wire("A", "€x")), len(wire("A", "€x") + wire("B", "")), len(stream)}
        )
    assert seen == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("garbage", "text"),
    [
        (b"hello\n", "'hello'"),
        (b"x", "'x'"),
        (b"ver:3.0 nothing else\n", "nothing else"),
        (b"ver:3.0 " + b"x" * 20000, "xxx'..."),
        (wire("A", "b").replace(b"len:1", b"len:one"), "eventname:A len"),
        (wire("A", "b").replace(b"serial:21", b"serial:-1"), "serial:-1"),
        (wire("A", "b").replace(b"serial:21", b"serial:" + b"9" * 5000), "serial:999"),  # int() refuses so many digits
        (wire("A", "b").replace(b"len:1", b"len:" + b"9" * 5000), "ver:3.0"),
        (b"ver:3.0 server:" + b" serial:1 pool:" * 1000 + b"\n", "pool: serial:1"),
        (wire("A", "xxxx").replace(b"xxxx", b"\xff\xff\xff\xff"), "not UTF-8"),
        (wire("A", "b", length=1) + b"RESULT 2\nOK", "RESULT 2"),
        (b"\x1b[31mred\n", r"\x1b[31mred"),
    ],
)
def test_garbage(garbage: bytes, text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        EventParser().feed(garbage)
    assert text in str(caught.value)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("body", ["x", "\u20ac", ""])
def test_garbage_after_an_event_is_not_laid_to_its_charge(body: str) -> None:
    parser = EventParser()
    with pytest.raises(ProtocolError, match=r"not an event of supervisord: '\\\\xff"):
        parser.feed(wire("A", body) + b"\xff\xfe\n")


# --- what they mean ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        (
            "PROCESS_STATE_STARTING",
            "processname:w groupname:g from_state:STOPPED tries:0",
            ProcessStateChanged("g", "w", "STARTING", "STOPPED", 0, True),
        ),
        (
            "PROCESS_STATE_EXITED",
            "processname:w groupname:g from_state:RUNNING expected:0 pid:2766",
            ProcessStateChanged("g", "w", "EXITED", "RUNNING", 2766, False),
        ),
        (
            "PROCESS_STATE_EXITED",
            "processname:w groupname:g from_state:RUNNING expected:1 pid:2766",
            ProcessStateChanged("g", "w", "EXITED", "RUNNING", 2766, True),
        ),
        (
            "PROCESS_STATE_FATAL",
            "processname:w groupname:g from_state:BACKOFF",
            ProcessStateChanged("g", "w", "FATAL", "BACKOFF", 0, True),
        ),
        (
            "PROCESS_STATE_STOPPED",
            "processname:w 1 groupname:the group from_state:STOPPING pid:7",
            ProcessStateChanged("the group", "w 1", "STOPPED", "STOPPING", 7, True),
        ),
        (
            "PROCESS_STATE_RUNNING",
            "processname:wört groupname: from_state:STARTING pid:7",
            ProcessStateChanged("", "wört", "RUNNING", "STARTING", 7, True),
        ),
        ("PROCESS_STATE_RUNNING", "processname:w", Other("PROCESS_STATE_RUNNING")),
        ("PROCESS_STATE_RUNNING", "", Other("PROCESS_STATE_RUNNING")),
        ("PROCESS_STATE_RUNNING", "processname: groupname:g from_state:STARTING", Other("PROCESS_STATE_RUNNING")),
        ("PROCESS_STATE_RUNNING", "processname:w from_state:STARTING pid:1", Other("PROCESS_STATE_RUNNING")),
        ("PROCESS_STATE_RUNNING", "name:w groupname:g from_state:STARTING pid:1", Other("PROCESS_STATE_RUNNING")),
        ("PROCESS_STATE_RUNNING", "processname:w groupname:g from_state:S pid:one", Other("PROCESS_STATE_RUNNING")),
        (
            "PROCESS_STATE_EXITED",  # int() refuses so many digits
            f"processname:w groupname:g from_state:RUNNING expected:0 pid:{'9' * 5000}",
            Other("PROCESS_STATE_EXITED"),
        ),
        (
            "PROCESS_STATE_EXITED",  # to be read in one pass: a search from each possible place would take hours
            f"processname:w{' groupname:g from_state:RUNNING' * 30_000}!",
            Other("PROCESS_STATE_EXITED"),
        ),
        ("TICK_5", "when:1720000005", Tick(1720000005.0)),
        ("TICK_3600", "when:3600", Tick(3600.0)),
        ("TICK_5", "when:soon", Other("TICK_5")),
        ("REMOTE_COMMUNICATION", "type:supervisor_healer\n", Ring("supervisor_healer", "")),
        ("REMOTE_COMMUNICATION", "type:a:b\nc\nd", Ring("a:b", "c\nd")),
        ("REMOTE_COMMUNICATION", "?", Other("REMOTE_COMMUNICATION")),
        ("SUPERVISOR_STATE_CHANGE_RUNNING", "", SupervisorRunning()),
        ("SUPERVISOR_STATE_CHANGE_STOPPING", "", SupervisorStopping()),
        ("PROCESS_GROUP_ADDED", "groupname:g\n", Other("PROCESS_GROUP_ADDED")),
        ("PROCESS_LOG_STDOUT", "processname:w groupname:g pid:1 channel:stdout\nx", Other("PROCESS_LOG_STDOUT")),
    ],
)
def test_meaning(name: str, body: str, expected: object) -> None:
    found = meaning(event(name, body))
    assert found == expected
    if isinstance(found, ProcessStateChanged):
        assert found.address == f"{found.group}:{found.name}"
    if isinstance(found, Other):
        assert found.lost_change == name.startswith("PROCESS_STATE")


@pytest.mark.parametrize(
    ("previous", "serial", "expected"),
    [
        (None, 0, Arrival.NEXT),
        (None, 17, Arrival.NEXT),
        (0, 1, Arrival.NEXT),
        (7, 8, Arrival.NEXT),
        (7, 9, Arrival.GAP),
        (7, 7, Arrival.OLD),
        (7, 6, Arrival.OLD),
        (7, 0, Arrival.OLD),
    ],
)
def test_arrival(previous: int | None, serial: int, expected: Arrival) -> None:
    assert arrival(previous, Event("X", 0, serial, {}, "")) is expected


# --- on descriptors ------------------------------------------------------------------------------------------


class Pipes:
    """Both pipes of a listener, with supervisord's ends."""

    def __init__(self) -> None:
        stdin, self.to_listener = os.pipe()
        self.from_listener, stdout = os.pipe()
        os.set_blocking(self.from_listener, False)
        self.channel = EventChannel(stdin, stdout)

    def said(self) -> bytes:
        try:
            return os.read(self.from_listener, 65536)
        except BlockingIOError:
            return b""

    def hang_up(self) -> None:
        if self.to_listener >= 0:
            os.close(self.to_listener)
            self.to_listener = -1


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    both = Pipes()
    yield both
    both.hang_up()
    for fd in (both.channel.stdin_fd, both.channel.stdout_fd, both.from_listener):
        if fd >= 0:
            os.close(fd)


def test_ready_once_and_an_answer_for_each(pipes: Pipes) -> None:
    channel = pipes.channel
    assert pipes.said() == b""
    channel.start()
    assert pipes.said() == b"READY\n"
    assert channel.receive() == []  # nothing there: does not wait
    assert pipes.said() == b""
    os.write(pipes.to_listener, wire("A", "x")[:-1])
    assert channel.receive() == []
    assert pipes.said() == b""  # not before it has been read to its end
    os.write(pipes.to_listener, b"x" + wire("B", ""))
    assert [one.name for one in channel.receive()] == ["A", "B"]
    assert pipes.said() == b"RESULT 2\nOKREADY\n" * 2
    assert channel.fileno() == channel.stdin_fd


def test_the_end_of_supervisord(pipes: Pipes) -> None:
    os.write(pipes.to_listener, wire("A", "x") + b"ver:3.0 ser")
    pipes.hang_up()
    assert [one.name for one in pipes.channel.receive()] == ["A"]
    assert not pipes.channel.closed
    assert pipes.channel.receive() == []
    assert pipes.channel.closed


def test_nobody_reads_the_answer(pipes: Pipes) -> None:
    os.close(pipes.from_listener)
    pipes.from_listener = -1
    os.write(pipes.to_listener, wire("A", "x"))
    assert [one.name for one in pipes.channel.receive()] == ["A"]
    assert pipes.channel.closed


CLAIM = """
import os, subprocess, sys
from supervisor_healer.listener.events import EventChannel, claim_streams
stdin, stdout = claim_streams()
print("printed")
sys.__stdout__.write("by the back door\\n"); sys.__stdout__.flush()
os.write(1, b"written\\n")
subprocess.run([sys.executable, "-c", "import sys; print('child read', repr(sys.stdin.read()))"], check=True)
assert not os.get_inheritable(stdin) and not os.get_inheritable(stdout)
channel = EventChannel(stdin, stdout)
channel.start()
os.set_blocking(stdin, True)
print([event.name for event in channel.receive()], file=sys.stderr)
"""


def test_nothing_else_reaches_the_protocol() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLAIM], input=wire("A", "x"), capture_output=True, timeout=60, check=True
    )
    assert done.stdout == b"READY\nRESULT 2\nOKREADY\n"
    for text in (b"printed", b"by the back door", b"written", b"child read ''", b"['A']"):
        assert text in done.stderr


# --- against supervisord -------------------------------------------------------------------------------------

TYPES = {"ascii": "x", "ünicode": "€" * 300, "a:b c": "data with\nlines: and colons"}


@pytest.mark.real
def test_real_events() -> None:
    with RealSupervisor(
        program("wört", startsecs=0) + program("w", startsecs=0), identifier="my host: größe", rpc=PLAIN_RPC
    ) as real:
        for kind, data in TYPES.items():
            real.rpc.supervisor.sendRemoteCommEvent(kind, data)
        for name in ("w", "wört"):
            real.rpc.supervisor.startProcess(name)
            until(lambda name=name: real.ready_pid(name), f"{name} is up")  # type: ignore[misc]
            real.rpc.supervisor.stopProcess(name)
        for number in range(300):
            real.rpc.supervisor.sendRemoteCommEvent("many", str(number))
        until(lambda: real.last_body() == "type:many\n299", "the last event has come")
        events = real.events()
        assert {one.headers["server"] for one in events} == {"my host: größe"}
        pool_serials = [one.pool_serial for one in events]
        assert pool_serials == list(range(pool_serials[0], pool_serials[0] + len(events)))
        said = [meaning(one) for one in events]
        assert not [one for one in said if isinstance(one, Other)]
        rings = [one for one in said if isinstance(one, Ring)]
        assert rings[:3] == [Ring(kind, data) for kind, data in TYPES.items()]
        assert len(rings) == 303
        changes = [one for one in said if isinstance(one, ProcessStateChanged) and one.address == "wört:wört"]
        assert [one.state for one in changes] == ["STARTING", "RUNNING", "STOPPING", "STOPPED"]
        assert changes[0].pid == 0
        assert len({one.pid for one in changes[1:]}) == 1
        listener = real.client.process("healer:healer")
        assert listener is not None
        assert listener.statename == "RUNNING"
        assert "UNKNOWN state" not in real.log
        err = (real.folder / "listener.err").read_text()
        assert "a stray print of the listener" in err
        assert "a stray print of its child" in err


FALLING = """[eventlistener:falling]
command={python} %(here)s/falling.py
events=REMOTE_COMMUNICATION,TICK_60
buffer_size=10
startsecs=0
autorestart=false
"""
FALLING_LISTENER = """
import sys
sys.stdout.write('READY\\n')
sys.stdout.flush()
sys.stdin.readline()
"""


@pytest.mark.real
def test_real_events_of_a_listener_that_dies() -> None:
    """Another listener dies with an event in hand: Supervisor gives that event to all listeners once more."""
    with RealSupervisor(FALLING, rpc=PLAIN_RPC, files={"falling.py": FALLING_LISTENER}) as real:
        until(real.events, "the listener listens")
        for number in range(3):
            real.rpc.supervisor.sendRemoteCommEvent("n", str(number))
        until(lambda: real.client.process("falling:falling").statename == "EXITED", "the other listener is dead")  # type: ignore[union-attr]
        real.rpc.supervisor.sendRemoteCommEvent("n", "last")
        until(lambda: real.last_body() == "type:n\nlast", "the last event has come")
        events = real.events()
        arrivals, previous = [], None
        for one in events:
            arrivals.append(arrival(previous, one))
            previous = one.pool_serial if previous is None else max(previous, one.pool_serial)
        bodies = [one.body for one in events if one.name == "REMOTE_COMMUNICATION"]
        assert bodies.count("type:n\n0") == 2
        assert arrivals.count(Arrival.OLD) == 1
        assert Arrival.GAP not in arrivals


@pytest.mark.real
def test_real_events_lost() -> None:
    """A listener that does not keep up loses the oldest events, and can tell."""
    with RealSupervisor(rpc=PLAIN_RPC, buffer_size=5) as real:
        until(real.events, "the listener listens")
        pid = real.client.process("healer:healer").pid  # type: ignore[union-attr]
        os.kill(pid, signal.SIGSTOP)
        for number in range(20):
            real.rpc.supervisor.sendRemoteCommEvent("n", str(number))
        os.kill(pid, signal.SIGCONT)
        until(lambda: real.last_body() == "type:n\n19", "the newest event has come")
        serials = [one.pool_serial for one in real.events()]
        gaps = [after - before for before, after in itertools.pairwise(serials) if after - before != 1]
        assert len(gaps) == 1
        assert gaps[0] >= 14
