"""A site's own Python healer, in a child: ``supervisor_healer.fixers.component package.module:function``.

The report comes as JSON on stdin and is given to the function; the dict that it returns goes to stdout as JSON. What it
prints goes to stderr. Whatever is wrong is said in the last line of stderr, with exit status 1.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any

from supervisor_healer.words import clean


class ComponentError(Exception):
    """What is wrong with the function or with its result."""


def run(place: str, report: dict[str, Any]) -> str:
    """The result of the function at `place` as JSON. Raises ComponentError."""
    name, _, function_name = place.partition(":")
    try:
        function = getattr(importlib.import_module(name), function_name, None)
    except ModuleNotFoundError as error:
        missing = f"there is no module {error.name}" if error.name else str(error)
        raise ComponentError(missing if error.name == name else f"{name} cannot be imported: {missing}") from error
    except (Exception, SystemExit) as error:
        raise ComponentError(f"{name} cannot be imported: {_told(error)}") from error
    if not callable(function):
        raise ComponentError(f"{name} has no function {function_name}")
    try:
        result = function(report)
    except (Exception, SystemExit) as error:
        raise ComponentError(_told(error)) from error
    if not isinstance(result, dict):
        expected = "a dict, {} if there is nothing to tell"
        raise ComponentError(f"it has returned {_a(result)}, not {expected}")
    try:
        return json.dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ComponentError(f"its result cannot be put into JSON: {error}") from error


def _told(error: BaseException) -> str:
    """An exception in one line, with the place that it comes from."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if frames else text


def _a(value: object) -> str:
    if hasattr(value, "close"):
        value.close()  # a coroutine would complain, after our own last line
    return "None" if value is None else f"a {type(value).__name__}"


def main(arguments: list[str]) -> int:
    """Keep stdout for the result alone, and run the function."""
    with os.fdopen(os.dup(1), "w", encoding="ascii") as answer:
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        try:
            (place,) = arguments
            answer.write(run(place, json.load(sys.stdin)))
            return 0
        except ComponentError as error:
            said = clean(f"{place}: {error}")
        print(said, file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
