"""How a Python program of ours is started in a child, so that it imports nothing from the folder that it runs in.

``python -m`` and ``-c`` look for modules in the working folder first. That of a component healer is the pipeline's,
where people and workers write: a `traceback.py` there would run with our rights. (Python 3.10 does not know `-P`.)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # what the package lies in
# `sys` is built in: it is looked for nowhere. What the interpreter itself has imported until then came from elsewhere.
_CODE = f"""\
import sys
sys.path[:] = [one for one in sys.path if one.startswith("/")]
if {_HOME!r} not in sys.path:
    sys.path.append({_HOME!r})
from runpy import run_module
run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)"""


def command(module: str, *arguments: str) -> tuple[str, ...]:
    """What runs `module` of ours as a program."""
    return (sys.executable or "python3", "-c", _CODE, module, *arguments)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """`given` for a child, without what would mean its working folder: the relative folders of PYTHONPATH."""
    found = dict(given)
    folders = [folder for folder in found.pop("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(folder)]
    if folders:
        found["PYTHONPATH"] = os.pathsep.join(folders)
    return found
