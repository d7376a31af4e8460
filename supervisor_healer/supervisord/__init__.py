"""Loaded into supervisord: what the healer published, what people ask of it, and whose stop a stop was.

Only the standard library, `supervisor` and the protocol are imported here. Nothing blocks, nothing starts a
thread or opens a socket, and no exception leaves an event callback: that would kill supervisord.
"""

from __future__ import annotations

from typing import Any


def make_healer_rpcinterface(supervisord: Any, **config: Any) -> Any:
    """The `healer` namespace, for ``[rpcinterface:healer]``. Raises ValueError for an option it does not know."""
    from supervisor_healer.supervisord.rpcinterface import HealerNamespaceRPCInterface  # noqa: PLC0415
    from supervisor_healer.supervisord.state import shared  # noqa: PLC0415

    _refuse_options("healer", config)
    return HealerNamespaceRPCInterface(shared(supervisord))


def make_main_rpcinterface(supervisord: Any, **config: Any) -> Any:
    """Supervisor's own namespace with health in it, for ``[rpcinterface:supervisor]``.

    Raises ValueError for an option it does not know.
    """
    from supervisor_healer.supervisord.main_namespace import HealthySupervisorNamespaceRPCInterface  # noqa: PLC0415
    from supervisor_healer.supervisord.state import shared  # noqa: PLC0415

    _refuse_options("supervisor", config)
    return HealthySupervisorNamespaceRPCInterface(supervisord, shared(supervisord))


def _refuse_options(section: str, config: dict[str, Any]) -> None:
    """Configuration is strict: a misspelt option is an error, never a default."""
    if config:
        raise ValueError(f"[rpcinterface:{section}]: unknown option(s): {', '.join(sorted(config))}")
