#!/usr/bin/env python3
"""The example's web service under gunicorn with two workers: the workers, the server and the daemon
are killed while clients ask, and every decision that was answered is delivered."""

import http.client
import json
import os
import pathlib
import signal
import sys
import threading
import unittest

from support import (AppTest, Process, ROOT, app_environment, decisions, eventually, free_port,
                     key_of, scaled)

EXAMPLES = ROOT / "client/python/examples"
CALLERS = 4


class Service(Process):
    def __init__(self, test, run_dir, *options):
        self.port = free_port()
        super().__init__(
            test, "gunicorn", sys.executable, "-m", "gunicorn", "--workers", "2", "--preload",
            "--bind", f"127.0.0.1:{self.port}", *options, "credit_service:app", cwd=EXAMPLES,
            env=app_environment(XASE_RUN_DIR=run_dir))
        eventually(lambda: self.health() is not None, "the service answers")

    def health(self):
        try:
            return json.loads(self.ask("GET", "/health"))
        except (OSError, http.client.HTTPException):
            return None

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise http.client.HTTPException(f"{answer.status} {text!r}")
            return text
        finally:
            connection.close()

    def workers(self):
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(child) for child in children.split()]


class Callers:
    """Threads that ask for decisions, and keep the ids of those that were answered."""

    def __init__(self, test, service, count):
        self.answered, self.asked = [], 0
        self._numbers = iter(range(count))
        self._service = service
        self._lock = threading.Lock()
        self._decisions = decisions()
        self._threads = [threading.Thread(target=self._ask_all) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()
        test.addCleanup(self.wait)

    def _ask_all(self):
        while True:
            with self._lock:
                n = next(self._numbers, None)
            if n is None:
                return
            application = self._decisions[n % len(self._decisions)]["input"]
            try:
                answer = json.loads(self._service.ask(
                    "POST", "/decisions", json.dumps(application),
                    {"Content-Type": "application/json", "X-Request-Id": f"request-{n}"}))
            except (OSError, http.client.HTTPException):
                continue
            finally:
                self.asked += 1
            assert answer["decision"] in ("APPROVED", "DECLINED"), answer
            self.answered.append(f"request-{n}")

    def wait(self):
        for thread in self._threads:
            thread.join()


class Framework(AppTest):
    def test_workers_killed_hard_lose_no_decision_that_was_answered(self):
        api = self.api()
        daemon = self.daemon(api)
        service = Service(self, daemon.run_dir)
        self.assertEqual(service.health(), {"daemon": "running", "waiting": 0})
        count = scaled(400)
        callers = Callers(self, service, count)
        for part in (1, 2, 3):
            eventually(lambda: callers.asked > part * count // 5, "some are answered")
            for worker in service.workers():
                os.kill(worker, signal.SIGKILL)
        callers.wait()
        # The server itself, and its workers with it: they see that it is gone.
        workers = service.workers()
        service.kill()
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        self.assertGreater(len(callers.answered), count // 4)
        daemon.drained()
        arrived = api.keys()
        self.assertEqual(len(arrived), len(set(arrived)))
        lost = {key_of(one) for one in callers.answered} - set(arrived)
        self.assertEqual(lost, set())
        self.verify(daemon)

    def test_the_daemon_killed_and_gone_for_a_while(self):
        api = self.api()
        daemon = self.daemon(api)
        service = Service(self, daemon.run_dir, "--threads", "2")
        count = scaled(200)
        callers = Callers(self, service, count)
        eventually(lambda: callers.asked > count // 5, "some are answered")
        daemon.kill()
        callers.wait()
        self.assertEqual(service.health()["daemon"], "away")
        self.assertEqual(len(callers.answered), count, "an answer does not wait for the daemon")
        daemon.start()
        daemon.drained(count)
        self.assert_delivered(api, callers.answered)
        self.assertEqual(service.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
