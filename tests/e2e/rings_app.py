#!/usr/bin/env python3
"""An app of many rings, or one that forks: for rings_test.py. What returned OK is a line on stdout.

rings_app.py rings RUN_DIR PREFIX COUNT RECORDS   COUNT clients with a ring each, RECORDS into each
rings_app.py forks RUN_DIR PREFIX COUNT           a thread records all the time, and COUNT children
                                                  are forked meanwhile: one records, the next execs

Both say "ready" then, and hold what they have until stdin ends.
"""

import os
import sys
import threading

from client_library import OK, Client
from harness import decisions

RING_BYTES, RESULTS_BYTES = 64 << 10, 4 << 10  # the smallest


def say(line):
    # One write: lines of several threads and processes do not mix.
    os.write(1, f"{line}\n".encode())


def record(client, decision, transaction_id):
    if client.record(dict(decision, transaction_id=transaction_id)) != OK:
        sys.exit(f"{transaction_id}: {client.last_error()}")
    say(transaction_id)


def rings(run_dir, prefix, count, records):
    clients = []
    decision = decisions()[0]
    for n in range(count):
        clients.append(Client(run_dir, ring_bytes=RING_BYTES, results_bytes=RESULTS_BYTES))
        for k in range(records):
            record(clients[-1], decision, f"{prefix}-{n}-{k}")
    say("ready")
    sys.stdin.read()


def forks(run_dir, prefix, count):
    client = Client(run_dir, block_timeout_ms=60000)
    decision = decisions()[0]
    stop = threading.Event()

    def record_all_the_time():
        n = 0
        while not stop.is_set():
            n += 1
            record(client, decision, f"{prefix}-{n}")

    thread = threading.Thread(target=record_all_the_time)
    thread.start()
    for n in range(count):
        child = os.fork()
        if child == 0:
            if n % 2:
                os.execvp("cat", ["cat"])  # until stdin ends
            record(client, decision, f"{prefix}-child-{n}")
            os._exit(0)
        if n % 2 == 0 and os.waitpid(child, 0)[1] != 0:
            sys.exit("a child has failed")
    stop.set()
    thread.join()
    say("ready")
    sys.stdin.read()


if __name__ == "__main__":
    {"rings": rings, "forks": forks}[sys.argv[1]](
        *sys.argv[2:4], *(int(number) for number in sys.argv[4:]))
