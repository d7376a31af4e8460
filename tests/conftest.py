"""Puts this folder on the path, so that every test can say ``from fakes.supervisor import FakeSupervisor``."""
