"""supervisor_healer: restarts a stalled Supervisor worker only after its inputs are confirmed fresh."""

__version__ = "0.1.0"
