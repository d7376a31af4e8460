"""The commands that show the pipeline as a whole: report, verify, graph."""

from __future__ import annotations

import argparse
import time
from typing import Any

from supervisor_healer.protocol import DONE, NO_HEALER, USAGE
from supervisor_healer.supervisorctl import diagrams, drawing, rendering, stages
from supervisor_healer.supervisorctl import report as reports
from supervisor_healer.supervisorctl.asking import Out, as_json, request_one
from supervisor_healer.supervisorctl.naming import pipeline
from supervisor_healer.supervisorctl.statuses import UNKNOWN, WORST_FIRST, worst


def report(args: argparse.Namespace, server: Any, out: Out) -> int:
    """The latest report. Without a healer: the last one that supervisord still holds, marked as old, and 7."""
    listener = server.healer.getListenerState()
    latest = server.healer.getReport()
    gone = listener["state"] == "stopped"
    if args.json:
        out(as_json(latest))
        return NO_HEALER if gone else DONE
    for line in rendering.listener_lines(listener):
        out(line)
    if not latest:
        out(_no_report(listener["state"]))
    elif gone:
        out("OLD: what follows is its last report, and may no longer be true")
    for line in reports.lines(latest, time.time()) if latest else ():
        out(line)
    return NO_HEALER if gone else DONE


def _no_report(state: str) -> str:
    if state == "broken":
        return "no report: nothing is judged until the architecture is mended"
    return "no report is left of it" if state == "stopped" else "no report yet: it comes with the first healing cycle"


def verify(args: argparse.Namespace, server: Any, out: Out) -> int:
    """A fresh look at everything, healing nothing; then a line a stage, and the status of the worst."""
    listener = server.healer.getListenerState()
    ended = request_one(server, "verify", lambda _name: str(server.healer.verify()))
    walked = stages.walk(pipeline(server)) if ended["exit_status"] != NO_HEALER else []
    failed = [UNKNOWN] * (ended["exit_status"] != DONE)
    status = worst([stages.status(walked), *failed], WORST_FIRST)
    if args.json:
        out(as_json({"request": ended, "exit_status": status, "stages": stages.as_structs(walked)}))
        return status
    if listener["state"] == "broken":
        for line in rendering.listener_lines(listener):
            out(line)
    if failed and ended["reason"]:
        out(rendering.result_line("verify", ended["exit_status"], ended["reason"]))
    for line in stages.lines(walked):
        out(line)
    out(stages.summary(walked, status) if walked else "UNKNOWN: nothing was verified")
    return status


def graph(args: argparse.Namespace, server: Any, out: Out) -> int:
    """The pipeline, or what is up and down of one name. Without a healer: what it last knew, and 7."""
    listener = server.healer.getListenerState()
    whole = pipeline(server)
    if args.name:
        centre = whole.named(args.name)
        if not centre:
            because = f"; {listener['trouble']}" if listener["trouble"] else ""
            out(f"{args.name}: ERROR: no worker, consumer or file {args.name!r} is known{because}")
            return USAGE
        whole = whole.around(centre)
    remarks = [listener["trouble"]] if listener["trouble"] else []
    if args.json:
        out(as_json(diagrams.as_struct(whole)))
    elif args.mermaid or args.dot:
        for line in (diagrams.mermaid if args.mermaid else diagrams.dot)(whole, remarks):
            out(line)
    else:
        for line in (*remarks, *drawing.lines(whole)):
            out(line)
        if not whole.nodes:
            out("nothing is known of the pipeline" if remarks else "the healer has judged no worker yet")
    return NO_HEALER if listener["state"] == "stopped" else DONE
