"""The `healer` namespace: reads from memory, requests for the listener, and the listener's own calls.

Every public method is remote API and appears in `system.listMethods`; everything else begins with an underscore.
The docstrings are what `system.methodHelp` and `system.methodSignature` read.
"""

from __future__ import annotations

import time
from typing import Any

from supervisor.xmlrpc import Faults, RPCError

from supervisor_healer.protocol import (
    API_VERSION,
    REQUESTS_KEPT,
    Order,
    Publication,
    SignalOrder,
    WireWorker,
    decode,
    encode,
)
from supervisor_healer.supervisord import arguments, counter, explaining, structs
from supervisor_healer.supervisord.arguments import remote
from supervisor_healer.supervisord.shapes import fitting
from supervisor_healer.supervisord.state import State


class HealerNamespaceRPCInterface:
    """Answers in well under a millisecond a worker, from memory; never waits and does no check of its own."""

    def __init__(self, state: State) -> None:
        self._state = state

    # --- for anybody: reads ----------------------------------------------------------------------------------

    @remote
    def getAPIVersion(self) -> str:
        """Return the version of the healer's RPC API

        @return string version id
        """
        return API_VERSION

    @remote
    def getAllWorkerHealth(self) -> list[dict[str, Any]]:
        """Return the health of every worker, as last published by the healer; without a running healer each
        state is `unknown`, with the last verdict in `reason`

        @return array result  An array of worker structs, by name
        """
        workers = self._state.published.workers
        return [self._health(workers[name]) for name in sorted(workers)]

    @remote
    def getWorkerHealth(self, name: str) -> dict[str, Any]:
        """Return the health of one worker

        @param string name     The name of the worker (or supervisord's 'group:name')
        @return struct result  A struct with name, state, since, reason, critical, process, outputs, inputs,
                               blocked_by, attempts, budget_left, next_attempt_in, last_heal
        """
        return self._health(self._worker(name))

    @remote
    def getAllConsumerHealth(self) -> list[dict[str, Any]]:
        """Return the health of every reader that supervisord does not run; without a running healer `unknown`

        @return array result  An array of structs with name, state, since, reason, critical, inputs, blocked_by, by name
        """
        published, attendance = self._state.published, self._state.attendance
        return [
            structs.consumer(published.consumers[name], published, attendance) for name in sorted(published.consumers)
        ]

    @remote
    def getConsumerHealth(self, name: str) -> dict[str, Any]:
        """Return the health of one reader that supervisord does not run

        @param string name     The name of the consumer
        @return struct result  A struct as of getAllConsumerHealth
        """
        published, asked = self._state.published, arguments.text(name, "name", longest=arguments.PATH_MAX)
        if asked not in published.consumers:
            raise counter.bad_name(self._state, asked, "consumer")
        return structs.consumer(published.consumers[asked], published, self._state.attendance)

    @remote
    def getAllFileHealth(self) -> list[dict[str, Any]]:
        """Return every file that the healer watches, once; without a running healer its freshness is `unknown`

        @return array result  An array of structs with path, freshness, age, max_age, grace, producer, critical,
                              config, ground, note, readers (names of workers and consumers), by path
        """
        return structs.files(self._state.published, self._state.attendance)

    @remote
    def getFileHealth(self, path: str) -> dict[str, Any]:
        """Return one file or config that the healer watches

        @param string path     The path, as in the architecture file; or a path that a pattern there matches
        @return struct result  A struct as of getAllFileHealth; its path is that of the architecture file
        """
        asked = arguments.text(path, "path", longest=arguments.PATH_MAX)
        found = self._state.published.path_of(asked)
        if not found:
            raise counter.bad_name(self._state, asked, counter.ANYTHING)
        [file] = structs.files(self._state.published, self._state.attendance, found)
        return file

    @remote
    def getReport(self) -> dict[str, Any]:
        """Return the report of the latest healing cycle, as in the results file

        @return struct result  The report; empty if none was published yet
        """
        report = structs.free_form(self._state.published.report, time.monotonic())
        assert isinstance(report, dict)
        return report

    @remote
    def explain(self, name: str) -> list[str]:
        """Return why a worker, a consumer or a file is in its state: the evidence, the chain to the root cause,
        what is next

        @param string name    The name of the worker (or supervisord's 'group:name') or consumer, or a file's path
        @return array result  An array of lines of text
        """
        asked = arguments.text(name, "name", longest=arguments.PATH_MAX)
        lines = explaining.explanation(asked, self._state.published, self._state.attendance)
        if lines is None:
            raise counter.bad_name(self._state, asked, counter.ANYTHING)
        return lines

    @remote
    def getHistory(self, name: str, limit: int) -> list[dict[str, Any]]:
        """Return what was done, and refused, when and why

        @param string name    The name of the worker (or supervisord's 'group:name'), consumer or component healer, a
                              file's path, or '' for all
        @param int limit      How many of the latest entries to return, 0 for all that are kept
        @return array result  An array of structs with id, at, worker, event, text, evidence; the latest is last
        """
        count = arguments.limit(limit)
        asked = arguments.text(name, "name", empty=True, longest=arguments.PATH_MAX)
        published = self._state.published
        worker = published.named(asked) if asked else None
        path = published.path_of(asked) if asked and not worker else ""
        notes = published.notes(worker["name"] if worker else path or asked, count)
        if asked and worker is None and not path and asked not in published.consumers and not notes:
            raise counter.bad_name(self._state, asked, counter.ANYTHING)
        return [structs.note(note) for note in notes]

    @remote
    def getRequest(self, id: str) -> dict[str, Any]:  # noqa: A002 - the name in the API
        """Return how far a request has come

        @param string id       The id that heal, verify, restore, monitor or unmonitor returned
        @return struct result  A struct with id, name, state (queued, running or done), exit_status (counts when
                               done), steps (structs with at, text) and reason
        """
        self._state.expire()
        request = self._state.requests.get(arguments.text(id, "id"))
        if request is None:
            raise RPCError(Faults.BAD_NAME, f"no request {id!r} (supervisord keeps the last {REQUESTS_KEPT})")
        return structs.request(request)

    @remote
    def getListenerState(self) -> dict[str, Any]:
        """Return whether the healer is running

        @return struct result  A struct with state (running, silent, stopped or broken), pid, since, last_publish,
                               architecture_errors; and name, mode, loaded, warnings, trouble
        """
        return structs.listener(self._state.attendance)

    # --- for anybody: requests -------------------------------------------------------------------------------

    @remote
    def heal(self, name: str, options: Any = None) -> str:
        """Ask the healer to judge a worker now and to heal what may be healed

        @param string name      The name of the worker (or supervisord's 'group:name'), or 'all'
        @param struct options   Booleans: dry_run (say what would be done), force (do not ask for fresh inputs)
        @return string id       The id of the request, for getRequest
        """
        chosen = arguments.options(options, ("dry_run", "force"))
        return counter.ask_for(self._state, "heal", name, dry_run=chosen["dry_run"], force=chosen["force"])

    @remote
    def unmonitor(self, name: str, seconds: float = 0) -> str:
        """Ask the healer to go on watching a worker, but not to act on it

        @param string name     The name of the worker (or supervisord's 'group:name'), or 'all'
        @param double seconds  For how long; 0 means until monitor
        @return string id      The id of the request, for getRequest
        """
        return counter.ask_for(self._state, "unmonitor", name, seconds=arguments.seconds(seconds))

    @remote
    def monitor(self, name: str) -> str:
        """Ask the healer to act on a worker again

        @param string name  The name of the worker (or supervisord's 'group:name'), or 'all'
        @return string id   The id of the request, for getRequest
        """
        return counter.ask_for(self._state, "monitor", name)

    @remote
    def verify(self) -> str:
        """Ask the healer to look at everything afresh, and to heal nothing

        @return string id  The id of the request, for getRequest
        """
        return counter.ask(self._state, "verify", counter.ALL)

    @remote
    def restore(self, path: str) -> str:
        """Ask the healer to put the newest backup of a config back

        @param string path  The config, as in the architecture file, or absolute
        @return string id   The id of the request, for getRequest
        """
        return counter.ask(self._state, "restore", arguments.text(path, "path", longest=arguments.PATH_MAX))

    # --- for the listener alone ------------------------------------------------------------------------------

    @remote
    def publish(self, text: str) -> str:
        """For the healer's own process: publish what it has concluded

        @param string text      A publication as JSON
        @return string result   How many requests are open, and the generation of the process table, as JSON
        """
        return encode(self._state.publish(fitting(decode(text), Publication)))

    @remote
    def takeRequests(self) -> str:
        """For the healer's own process: take what people have asked for

        @return string result  The open requests as JSON
        """
        self._state.expire()
        return encode(self._state.requests.take())

    @remote
    def getProcessTable(self) -> str:
        """For the healer's own process: every process as supervisord holds it, at a fraction of the cost of
        supervisor.getAllProcessInfo

        @return string result  The process table as JSON
        """
        return encode(self._state.rows())

    @remote
    def stopWorker(self, text: str) -> str:
        """For the healer's own process: stop one process, without waiting

        @param string text      An order as JSON
        @return string result   What became of it, as JSON
        """
        return encode(self._state.stop(fitting(decode(text), Order)))

    @remote
    def startWorker(self, text: str) -> str:
        """For the healer's own process: start one process unless an operator has stopped it, without waiting

        @param string text      An order as JSON
        @return string result   What became of it, as JSON
        """
        return encode(self._state.start(fitting(decode(text), Order)))

    @remote
    def signalWorker(self, text: str) -> str:
        """For the healer's own process: send a signal to one process

        @param string text      A signal order as JSON
        @return string result   What became of it, as JSON
        """
        return encode(self._state.signal(fitting(decode(text), SignalOrder)))

    # --- inside ----------------------------------------------------------------------------------------------

    def _worker(self, name: object) -> WireWorker:
        asked = arguments.text(name, "name")
        worker = self._state.published.named(asked)
        if worker is None:
            raise counter.bad_name(self._state, asked)
        return worker

    def _health(self, worker: WireWorker) -> dict[str, Any]:
        process = self._state.process_at(worker["address"])
        return structs.worker(worker, self._state.published, self._state.attendance, process)

    def _complain(self, doing: str) -> None:
        self._state.complain(doing)
