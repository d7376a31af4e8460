"""What callers of the healer namespace hand in, checked to the letter, and how faults leave it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from supervisor.xmlrpc import Faults, RPCError

from supervisor_healer import words
from supervisor_healer.errors import ProtocolError

TEXT_MAX = 500  # characters of a name or an id
PATH_MAX = 4096  # characters of a path, as Linux has it
UNMONITOR_MAX = 10 * 366 * 86400.0  # seconds; longer is "until monitor", which is 0

P = ParamSpec("P")
R = TypeVar("R")
Self = TypeVar("Self")


def remote(method: Callable[Concatenate[Self, P], R]) -> Callable[Concatenate[Self, P], R]:
    """A method of the remote API: whatever goes wrong in it becomes a fault with a text, and supervisord goes on.

    (supervisord answers an unexpected exception with an HTTP error 500 and no text, and any TypeError inside
    with INCORRECT_PARAMETERS, as if the caller were to blame.)
    """
    signature = inspect.signature(method)
    shown = f"{method.__name__}({', '.join(list(signature.parameters)[1:])})"

    @functools.wraps(method)
    def call(self: Self, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            signature.bind(self, *args, **kwargs)
        except TypeError as error:
            raise incorrect(f"{shown}: {error}") from None
        try:
            return method(self, *args, **kwargs)
        except RPCError:
            raise
        except ProtocolError as error:
            raise incorrect(str(error)) from error
        except Exception as error:
            self._complain(method.__name__)  # type: ignore[attr-defined]
            said = words.clean(repr(error)[:TEXT_MAX])
            raise RPCError(Faults.FAILED, f"{method.__name__}: {said}: a bug in supervisor_healer") from error

    return cast("Callable[Concatenate[Self, P], R]", call)


def incorrect(text: str) -> RPCError:
    """The fault for a wrong argument."""
    return RPCError(Faults.INCORRECT_PARAMETERS, words.clean(text))


def text(value: object, what: str, *, empty: bool = False, longest: int = TEXT_MAX) -> str:
    """A name, an id or a path, as it is."""
    if not isinstance(value, str):
        raise incorrect(f"{what}: expected text, got {type(value).__name__}")
    if len(value) > longest:
        raise incorrect(f"{what}: longer than {longest} characters")
    if value != words.clean(value):
        raise incorrect(f"{what}: control characters in {words.clean(value)!r}")
    if not value and not empty:
        raise incorrect(f"{what}: empty")
    return value


def options(value: object, known: tuple[str, ...]) -> dict[str, bool]:
    """A struct of booleans; what is left out is false."""
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise incorrect(f"options: expected a struct, got {type(value).__name__}")
    given: dict[Any, Any] = value
    for key, setting in given.items():
        if key not in known:
            raise incorrect(f"options: unknown option {str(key)[:TEXT_MAX]!r} (expected {' or '.join(known)})")
        if not isinstance(setting, bool):
            raise incorrect(f"options: {key}: expected true or false, got {type(setting).__name__}")
    return {key: bool(given.get(key, False)) for key in known}


def seconds(value: object) -> float:
    """A duration of at least 0 seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise incorrect(f"seconds: expected a number, got {type(value).__name__}")
    if not 0 <= value <= UNMONITOR_MAX:  # nor NaN; compared as it is: an int may be beyond any float
        raise incorrect(f"seconds: expected 0 (until monitor) to {UNMONITOR_MAX:.0f} (10 years)")
    return float(value)


def limit(value: object) -> int:
    """A number of entries; 0 means all."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise incorrect(f"limit: expected a whole number, got {type(value).__name__}")
    if value < 0:
        raise incorrect("limit: expected 0 (all that is kept) or more")
    return value
