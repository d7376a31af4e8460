"""What anybody who reaches the socket can call: the methods that are meant for it, and nothing else."""

from __future__ import annotations

import types

import pytest
from door import Door
from methods import METHODS
from real_supervisord import Supervisord, fault
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.xmlrpc import Faults, SystemNamespaceRPCInterface
from wild import request

SUPERVISORS = {name for name in vars(SupervisorNamespaceRPCInterface) if not name.startswith("_")}
SYSTEMS = {name for name in vars(SystemNamespaceRPCInterface) if not name.startswith("_")}
MEANT = {"healer": set(METHODS), "supervisor": SUPERVISORS, "system": SYSTEMS}


def public(namespace: object) -> dict[str, object]:
    """All that a name in a request could lead to: Supervisor refuses only what begins with an underscore."""
    return {name: getattr(namespace, name) for name in dir(namespace) if not name.startswith("_")}


@pytest.mark.real
def test_supervisord_lists_what_is_meant_and_nothing_else(supervisord: Supervisord) -> None:
    listed = set(supervisord.rpc.system.listMethods())
    assert listed == {f"{namespace}.{method}" for namespace, methods in MEANT.items() for method in methods}


@pytest.mark.parametrize("namespace", MEANT)
def test_what_can_be_called_is_what_is_listed(door: Door, namespace: str) -> None:
    """`system.listMethods` looks into the class itself; a call finds what is inherited, or set on the object."""
    callable_ = {name for name, one in public(door.namespaces[namespace]).items() if isinstance(one, types.MethodType)}
    assert callable_ == MEANT[namespace]


def test_the_healers_namespace_has_nothing_public_but_methods(door: Door) -> None:
    assert set(public(door.namespaces["healer"])) == set(METHODS)


@pytest.mark.parametrize("namespace", ["healer", "supervisor"])
def test_nothing_private_can_be_called(door: Door, namespace: str) -> None:
    inside = [name for name in dir(door.namespaces[namespace]) if name.startswith("_")]
    assert "_state" in inside
    for name in (*inside, "_state.publish", "heal.__call__", "heal.__globals__", "", ".", "heal.", "nothing"):
        answer = door.post(request(f"{namespace}.{name}"))
        assert answer.fault is not None, name
        assert answer.fault.faultCode == Faults.UNKNOWN_METHOD, name
    assert door.log.complaints == []


@pytest.mark.real
def test_every_method_says_what_it_takes(supervisord: Supervisord) -> None:
    system = supervisord.rpc.system
    for method, kinds in METHODS.items():
        assert len(system.methodSignature(f"healer.{method}")) == 1 + len(kinds), method
        assert "@return" in system.methodHelp(f"healer.{method}"), method
    assert system.methodSignature("healer.heal") == ["string", "string", "struct"]
    assert system.methodSignature("healer.getHistory") == ["array", "string", "int"]
    assert system.methodSignature("supervisor.stopProcess") == ["boolean", "string", "boolean"]
    with fault(Faults.SIGNATURE_UNSUPPORTED):
        system.methodHelp("healer._complain")
