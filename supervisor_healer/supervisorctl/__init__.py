"""Loaded into supervisorctl: the commands of an operator, over XML-RPC, and how their answers look."""

from __future__ import annotations

from typing import Any


def make_healer_controllerplugin(controller: Any, **config: Any) -> Any:
    """The commands of `parsing.FORMS`, for ``[ctlplugin:healer]``.

    Raises ValueError for an option it does not know.
    """
    from supervisor_healer.supervisorctl.plugin import HealerControllerPlugin  # noqa: PLC0415

    if config:
        raise ValueError(f"[ctlplugin:healer]: unknown option(s): {', '.join(sorted(config))}")
    return HealerControllerPlugin(controller)
