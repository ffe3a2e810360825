#!/usr/bin/env python3
"""xase-devapi as a program: its flags, its signals, and what it owes after kill -9."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAM = os.path.join(os.environ["XASE_BIN"], "xase-devapi")
KEY = "xase_pk_" + "a" * 48


class Devapi:
    def __init__(self, directory, *flags):
        self.process = subprocess.Popen(
            [PROGRAM, "--port", "0", "--rate-limit", "0", "--dir", directory, *flags],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), self.process.stderr.read()
        assert line.endswith("/api/xase/v1\n"), line
        self.port = int(line.split(":")[2].split("/")[0])

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, path):
        connection = self.connect()
        connection.request("GET", path)
        body = json.loads(connection.getresponse().read())
        connection.close()
        return body

    def records(self):
        found = []
        while True:
            page = self.get(f"/dev/records?after={len(found)}&limit=10000")
            if not page["records"]:
                return found
            found += page["records"]

    def end(self, sig):
        self.process.send_signal(sig)
        code = self.process.wait(60)
        errors = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return code, errors


def post(connection, key, body):
    connection.request("POST", "/api/xase/v1/records", body=json.dumps(body),
                       headers={"X-API-Key": KEY, "Idempotency-Key": key})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


class ProgramTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.directory = os.path.join(self.temporary.name, "made", "by", "it")

    def tearDown(self):
        self.temporary.cleanup()

    def test_signals_end_it_with_zero(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            devapi = Devapi(self.directory, "--run-dir", "/nowhere", "--config", "/nowhere")
            idle = devapi.connect()
            idle.connect()
            self.assertEqual(devapi.end(sig), (0, ""))
            idle.close()

    def test_wrong_calls_end_with_two(self):
        for flags in ([], ["--dir"], ["--dir", "x", "--nope"], ["--dir", "x", "--port", "65536"],
                      ["--dir", "x", "--rate-limit", "many"], ["--dir", "x", "--faults", "{"],
                      ["--dir", "x", "--faults", "@/nowhere"], ["--dir", "x", "--api-key", "k"],
                      ["--dir", "x", "--keep-keys", "--forget-keys"]):
            done = subprocess.run([PROGRAM, *flags], cwd=self.temporary.name, capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual(done.returncode, 2, flags)
            self.assertNotEqual(done.stderr, "", flags)
            self.assertEqual(done.stdout, "", flags)

    def test_second_one_on_a_directory_names_the_first(self):
        devapi = Devapi(self.directory)
        done = subprocess.run([PROGRAM, "--port", "0", "--dir", self.directory],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(devapi.process.pid), done.stderr)
        devapi.end(signal.SIGTERM)

    def test_damage_is_named_and_left_alone(self):
        devapi = Devapi(self.directory)
        connection = devapi.connect()
        for i in range(3):
            post(connection, f"key-{i:016}", {"input": {}, "output": {}})
        connection.close()
        devapi.end(signal.SIGTERM)
        log = os.path.join(self.directory, "records.jsonl")
        with open(log, "r+b") as file:
            first = len(file.readline())
            file.seek(first + 100)
            file.write(b"!")
        done = subprocess.run([PROGRAM, "--port", "0", "--dir", self.directory],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"the line at byte {first} is damaged", done.stderr)

    def test_faults_from_a_file(self):
        path = os.path.join(self.temporary.name, "faults.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"status":{"status":503,"count":1}}')
        devapi = Devapi(self.directory, "--faults", "@" + path)
        connection = devapi.connect()
        self.assertEqual(post(connection, "k" * 16, {"input": {}, "output": {}})[0], 503)
        self.assertEqual(post(connection, "k" * 16, {"input": {}, "output": {}})[0], 201)
        connection.close()
        devapi.end(signal.SIGTERM)

    def test_what_was_answered_is_there_after_kill_9(self):
        answered = {}
        lock = threading.Lock()
        for cycle in range(5):
            devapi = Devapi(self.directory)
            enough = threading.Event()

            def work(worker, cycle=cycle, devapi=devapi, enough=enough):
                connection = devapi.connect()
                try:
                    for i in range(1_000_000):
                        key = f"c{cycle}-w{worker}-{i:012}"
                        status, body = post(connection, key, {"input": {"i": i}, "output": {}})
                        assert status == 201, body
                        with lock:
                            answered[key] = body["record_hash"]
                            if len(answered) >= 200 * (cycle + 1):
                                enough.set()
                except (OSError, http.client.HTTPException, ValueError):
                    pass
                finally:
                    connection.close()

            workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
            for worker in workers:
                worker.start()
            self.assertTrue(enough.wait(120))
            self.assertEqual(devapi.end(signal.SIGKILL)[0], -signal.SIGKILL)
            for worker in workers:
                worker.join()
        devapi = Devapi(self.directory)
        records = devapi.records()
        hashes = {record["idempotency_key"]: record["record_hash"] for record in records}
        self.assertEqual(len(hashes), len(records), "a key made two records")
        for key, record_hash in answered.items():
            self.assertEqual(hashes.get(key), record_hash, key)
        previous = None
        for record in records:
            self.assertEqual(record["previous_hash"], previous)
            previous = record["record_hash"]
        devapi.end(signal.SIGTERM)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
