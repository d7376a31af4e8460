"""The only place that knows Supervisor's RPC methods: typed calls, checked answers, the words of the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from supervisor_healer.core.model import Process, ProcessState
from supervisor_healer.errors import ProtocolError
from supervisor_healer.listener.rpc import TIMEOUT, Channel
from supervisor_healer.protocol import (
    Order,
    OrderAnswer,
    ProcessRow,
    Publication,
    PublishAnswer,
    SignalOrder,
    WireRequest,
    decode,
    encode,
)


class SupervisorClient:
    """What the healer asks of supervisord.

    Every method raises UnreachableError (its subclass ShuttingDownError while supervisord shuts down) when there is
    no answer, and ProtocolError when there is one that makes no sense.
    """

    def __init__(self, environ: Mapping[str, str], timeout: float = TIMEOUT) -> None:
        """Take address and credentials from `environ`, where supervisord puts the former and the admin the latter.

        `timeout` is in seconds. Nothing is connected yet. Raises UnreachableError when there is no usable address.
        """
        self._channel = Channel(environ, timeout)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._channel.close()

    def publish(self, publication: Publication) -> PublishAnswer:
        """Hand the news to supervisord, and learn whether there are requests to fetch."""
        return _typed(PublishAnswer, self._ask("healer.publish", encode(publication)))

    def take_requests(self) -> list[WireRequest]:
        """The requests that are still open. They stay open until published as done, so asking twice loses nothing."""
        return _typed_list(WireRequest, self._ask("healer.takeRequests"))

    def process_table(self) -> list[ProcessRow]:
        """Every process of supervisord, in one cheap call."""
        return _typed_list(ProcessRow, self._ask("healer.getProcessTable"))

    def stop_worker(self, address: str, pid: int) -> OrderAnswer:
        """Ask for the stop of the process `pid` of ``group:name``, without waiting for it."""
        order: Order = {"address": address, "pid": pid}
        return _typed(OrderAnswer, self._ask("healer.stopWorker", encode(order)))

    def start_worker(self, address: str) -> OrderAnswer:
        """Ask for the start of ``group:name``, without waiting for it to be RUNNING."""
        order: Order = {"address": address, "pid": 0}
        return _typed(OrderAnswer, self._ask("healer.startWorker", encode(order), may_repeat=False))

    def signal_worker(self, address: str, pid: int, signal: str) -> OrderAnswer:
        """Ask for `signal` (a name such as ``HUP``) to be sent to the process `pid` of ``group:name``."""
        order: SignalOrder = {"address": address, "pid": pid, "signal": signal}
        return _typed(OrderAnswer, self._ask("healer.signalWorker", encode(order), may_repeat=False))

    # --- one call --------------------------------------------------------------------------------------------

    def _ask(self, method: str, *params: str, may_repeat: bool = True) -> Any:
        answer = self._channel.call(method, *params, may_repeat=may_repeat)
        try:
            return decode(answer)
        except ProtocolError as error:
            raise ProtocolError(f"{method}: {error}") from error


# --- answers -------------------------------------------------------------------------------------------------

_Dict = TypeVar("_Dict", PublishAnswer, WireRequest, ProcessRow, OrderAnswer)
_HINTS = {kind.__name__: get_type_hints(kind) for kind in (PublishAnswer, WireRequest, ProcessRow, OrderAnswer)}


def _typed(kind: type[_Dict], value: object) -> _Dict:
    """`value` as the TypedDict `kind`: every key there and of its type; keys that we do not know are dropped.

    Raises ProtocolError. A number without a fraction may come as an integer where a float is meant.
    """
    if not isinstance(value, dict):
        raise ProtocolError(f"expected an object of {kind.__name__}, got {_short(value)}")
    result = {}
    for key, hint in _HINTS[kind.__name__].items():
        if key not in value:
            raise ProtocolError(f"{kind.__name__} without {key!r}: {_short(value)}")
        result[key] = _checked(value[key], hint, f"{kind.__name__}.{key}")
    return cast(_Dict, result)


def _typed_list(kind: type[_Dict], value: object) -> list[_Dict]:
    if not isinstance(value, list):
        raise ProtocolError(f"expected a list of {kind.__name__}, got {_short(value)}")
    return [_typed(kind, item) for item in value]


def _checked(value: object, hint: Any, place: str) -> object:
    if get_origin(hint) is list:
        if isinstance(value, list):
            return [_checked(item, get_args(hint)[0], place) for item in value]
    elif get_origin(hint) is dict:
        if isinstance(value, dict):
            return {key: _checked(item, get_args(hint)[1], place) for key, item in value.items()}
    elif hint is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
        return float(value)
    elif isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ProtocolError(f"{place}: expected {getattr(hint, '__name__', hint)}, got {_short(value)}")


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else text[:80] + "..."


# --- into the words of the core ------------------------------------------------------------------------------


def row_to_process(row: ProcessRow) -> Process:
    """A line of the process table in the words of the core."""
    state = _state(row["statename"])
    exited = state is ProcessState.EXITED
    as_expected = row["exitstatus"] in row["exitcodes"]
    autostarts = state is ProcessState.STOPPED and not row["start"] and not row["by_operator"]  # it was just added
    return Process(
        address=f"{row['group']}:{row['name']}",
        state=state,
        pid=row["pid"],
        start=row["start"],
        restarts_itself=autostarts or _restarts_itself(state, row["autorestart"], as_expected),
        by_operator=row["by_operator"],
        exited_well=exited and as_expected,
    )


def _restarts_itself(state: ProcessState, autorestart: str, as_expected: bool) -> bool:
    """Whether supervisord will start it again without us (supervisor.process.Subprocess.transition)."""
    if state is ProcessState.EXITED:
        return autorestart == "always" or (autorestart == "unexpected" and not as_expected)
    return state is ProcessState.BACKOFF


def _state(name: str) -> ProcessState:
    try:
        return ProcessState(name)
    except ValueError:
        return ProcessState.UNKNOWN
