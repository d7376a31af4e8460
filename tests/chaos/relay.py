"""A worker of the wide pipeline, as small as a Python process can be.

It appends a line to its output whenever one of its inputs has moved; without inputs, all the time. It hangs, for as
long as the process lives, when there is a file `hang.PID`. A disk without room is no reason to die; the end of
supervisord, which closes the pipe to its stdin, is.
"""

import os
import select
import sys
import time

PACE = 250  # milliseconds between two looks
ROTATE_AT = 2048  # bytes; all on the small disk together must leave room there

sink, *sources = sys.argv[1:]
hung = f"hang.{os.getpid()}"
seen: list[int] = []
lifeline = select.poll()
lifeline.register(sys.stdin, select.POLLHUP)
while not lifeline.poll(PACE):
    try:
        moves = [os.stat(source).st_mtime_ns for source in sources]
        if (not sources or moves != seen) and not os.path.exists(hung):
            file = os.open(sink, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(file, b"%d\n" % time.time_ns())
                full = os.fstat(file).st_size >= ROTATE_AT
            finally:
                os.close(file)
            if full:
                os.replace(sink, sink + ".1")
            seen = moves
    except OSError:
        pass
