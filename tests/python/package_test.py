#!/usr/bin/env python3
"""The package as a user gets it: installed by pip without a network, typed, and as documented."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import unittest
import zipfile

from support import ROOT, AppTest, Process, app_environment

SOURCE = ROOT / "client/python"
TYPED_USE = '''
import asyncio
from typing import Optional

from xase import (RecordPayload, RecordResult, Status, XaseClient, XaseClientConfig, XaseError,
                  XaseWarning)


def on_error(error: XaseError) -> None:
    status: Optional[int] = error.status_code
    print(error.message, error.code, status, error.details, str(error))


def on_success(receipt: RecordResult) -> None:
    print(receipt["transaction_id"], receipt["record_hash"])


config: XaseClientConfig = {
    "api_key": None, "base_url": None, "fire_and_forget": True, "timeout": 3.0, "max_retries": 3,
    "queue_max_size": 10000, "on_success": on_success, "on_error": on_error}

with XaseClient(config) as client:
    payload: RecordPayload = {"policy": "p", "input": {"a": 1}, "output": {}, "confidence": 0.5}
    result: Optional[RecordResult] = client.record(payload, skip_queue=True)
    client.record({"policy": "p", "input": {}, "output": {}}, idempotency_key="k" * 16)

    @client.evidence(policy="p", exclude=["secret"])
    def decide(amount: int, secret: str) -> bool:
        return amount > len(secret)

    decided: bool = decide(1, secret="x")

    async def main() -> RecordResult:
        return await client.record_async(payload)

    receipt: RecordResult = asyncio.run(main())
    client.flush(5.0)
    client.flush(timeout_s=1, until="durable")
    stats: int = client.get_stats()["size"]
    status: Status = client.status()
    print(status["daemon"], XaseWarning)
'''
# Each line is a mistake, with the code that mypy must give it.
MISTAKES = '''
from xase import XaseClient
client = XaseClient()
client.record({"policy": 4, "input": {}, "output": {}})  # typeddict-item
client.record({"policy": "p", "input": {}})  # typeddict-item
client.record({"policy": "p", "input": {}, "output": {}, "decision_type": "X"})  # typeddict-item
client.record({"policy": "p", "input": {}, "output": {}}, "key")  # misc
XaseClient({"timout": 3})  # arg-type
client.flush("soon")  # arg-type
client.no_such()  # attr-defined
'''


class PackageTest(AppTest):
    def run_command(self, *command, exit_code=0, cwd=None, **environment):
        done = subprocess.run(
            [str(part) for part in command], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=300, cwd=cwd or self.folder,
            env={**os.environ, "PYTHONPATH": "", **environment})
        self.assertEqual(done.returncode, exit_code, f"{command}:\n{done.stdout}")
        return done.stdout

    def offline(self, *command, **options):
        """In a network of its own without any interface, where this user may have one."""
        unshare = ["unshare", "--user", "--map-root-user", "--net"]
        alone = subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL).returncode == 0
        return self.run_command(*(unshare if alone else []), *command,
                                http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9",
                                PIP_CONFIG_FILE=os.devnull, PIP_NO_CACHE_DIR="1", **options)

    def environment(self):
        self.run_command(sys.executable, "-m", "venv", self.folder / "venv")
        return self.folder / "venv/bin/python"

    def readme_block(self, language, containing, file=SOURCE / "README.md"):
        blocks = re.findall(rf"^```{language}\n(.*?)^```$", file.read_text(), re.M | re.S)
        found = [block for block in blocks if containing in block]
        self.assertEqual(len(found), 1, f"{file}: one block with {containing}")
        return found[0]


class Installed(PackageTest):
    def test_pip_installs_it_offline_and_the_quick_start_runs_as_printed(self):
        python = self.environment()
        self.offline(python, "-m", "pip", "install", ROOT / "client/python")
        self.assertRegex(self.run_command(python, "-m", "pip", "show", "-f", "xase"),
                         r"xase/_core\.abi3\.so")
        api = self.api()
        daemon = self.daemon(api)
        for file in (ROOT / "README.md", SOURCE / "README.md"):
            quick_start = self.readme_block(
                "python", "from xase import XaseClient\n\nclient =", file)
            self.assertLessEqual(len(quick_start.splitlines()), 10)
            script = self.folder / "quick_start.py"
            script.write_text(quick_start)
            before = len(api.records())
            process = Process(self, "quick_start", python, script,
                              env={"XASE_RUN_DIR": str(daemon.run_dir), "PYTHONPATH": ""})
            self.assertEqual(process.wait(), 0, process.log_text())
            self.assertIn("txn_", process.log_text())
            daemon.drained()
            self.assertEqual(len(api.records()) - before, 2)

    def test_a_wheel_by_one_command_and_from_the_sources_that_sdist_gives(self):
        self.run_command(sys.executable, SOURCE / "build_backend.py", "sdist", self.folder)
        sdist, = self.folder.glob("xase-*.tar.gz")
        with tarfile.open(sdist) as archive:
            archive.extractall(self.folder / "sources")
        sources, = (self.folder / "sources").iterdir()
        self.offline(sys.executable, sources / "build_backend.py", "wheel", self.folder / "one",
                     CXXFLAGS="-O0")
        self.offline(sys.executable, SOURCE / "build_backend.py", "wheel", self.folder / "two")
        wheel, = (self.folder / "one").iterdir()
        same, = (self.folder / "two").iterdir()
        self.assertRegex(wheel.name, r"^xase-[\d.]+-cp39-abi3-linux_\w+\.whl$")
        with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(same) as two:
            self.assertEqual(one.namelist(), two.namelist())
            names = one.namelist()
            extension = one.extract("xase/_core.abi3.so", self.folder)
        for name in ("xase/py.typed", "xase/_core.pyi", "xase/__init__.py"):
            self.assertIn(name, names)
        self.check_extension(extension)
        python = self.environment()
        self.offline(python, "-m", "pip", "install", "--no-index", wheel)
        self.run_command(python, "-c", "import xase; xase.XaseClient({'run_dir': 'run'}).record("
                                       "{'policy': 'p', 'input': {}, 'output': {}})")
        self.assertTrue(list((self.folder / "run/rings").glob("*.ring")))

    def check_extension(self, extension):
        """It needs the C library alone, shows its init function alone, and keeps to the limited API
        of 3.9, but for the function that python.cpp looks up."""
        dynamic = self.run_command("readelf", "-dW", extension)
        needed = set(re.findall(r"Shared library: \[([^]]+)\]", dynamic))
        self.assertLessEqual(needed, {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2",
                                      "ld-linux-aarch64.so.1"}, needed)
        shown = self.run_command("nm", "-D", "--defined-only", extension).split()[2::3]
        self.assertEqual(shown, ["PyInit__core"])
        used = set(re.findall(r"\bU (_?Py\w+)", self.run_command("nm", "-D", extension)))
        self.assertIn("PyDict_Next", used)
        self.assertEqual(used & {"PyUnicode_AsUTF8AndSize", "_PyObject_GC_New",
                                 "PyObject_CallOneArg", "PyObject_CallNoArgs"}, set())
        # Of the stable ABI, by other names in its headers.
        private = {name for name in used if name.startswith("_Py")}
        self.assertLessEqual(private, {
            "_Py_Dealloc", "_Py_NoneStruct", "_Py_TrueStruct", "_Py_FalseStruct",
            "_PyArg_ParseTuple_SizeT", "_PyObject_CallMethod_SizeT", "_Py_BuildValue_SizeT"})

    def test_what_it_needs_is_said_where_it_is_missing(self):
        said = self.run_command(sys.executable, SOURCE / "build_backend.py", "wheel", self.folder,
                                exit_code=1, CXX="no-such-compiler")
        self.assertIn("apt install g++ python3-dev libboost-dev", said)


class Typed(PackageTest):
    def mypy(self, *arguments, exit_code=0, **options):
        return self.run_command(
            sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir",
            self.folder / "mypy", *arguments, exit_code=exit_code, **options)

    def test_the_package_itself_in_strict_mode(self):
        self.assertEqual(self.mypy("--config-file", SOURCE / "pyproject.toml", cwd=SOURCE), "")

    def use(self, text, exit_code=0):
        package = self.folder / "site/xase"
        if not package.exists():
            shutil.copytree(SOURCE / "xase", package)
        (self.folder / "use.py").write_text(text)
        return self.mypy("use.py", exit_code=exit_code, MYPYPATH=str(package.parent))

    def test_what_users_write_in_strict_mode(self):
        self.assertEqual(self.use(TYPED_USE), "")

    def test_mistakes_are_found(self):
        said = self.use(MISTAKES, exit_code=1)
        found = dict(re.findall(r"^use\.py:(\d+): error: .*\[([\w-]+)\]$", said, re.M))
        expected = {str(number): line.split("#")[1].strip()
                    for number, line in enumerate(MISTAKES.splitlines(), 1) if "#" in line}
        self.assertEqual(found, expected, said)

    def test_the_stubs_say_what_the_extension_has(self):
        import xase._core as core
        stub = (SOURCE / "xase/_core.pyi").read_text()
        in_stub = set(re.findall(r"^ *def (\w+)", stub, re.M))
        own = {name for name in vars(core) if not name.startswith("__") and name != "Client"}
        methods = {name for name in vars(core.Client) if not name.startswith("__")}
        self.assertEqual(in_stub, own | methods)


class Documented(PackageTest):
    def test_every_behaviour_in_the_readme_names_a_test_that_exists(self):
        named = re.findall(r"\[([\w.]+)\]\((\.\./\.\./tests/[\w/]+_test\.py)\)",
                           (SOURCE / "README.md").read_text())
        self.assertGreater(len(named), 20)
        for name, link in named:
            text = (SOURCE / link).resolve().read_text()
            for part in name.split("."):
                self.assertRegex(text, rf"(class|def) {part}\b", f"{name} in {link}")

    def test_no_file_is_too_long_to_read(self):
        for file in [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.?pp"),
                     *pathlib.Path(__file__).parent.glob("*.py")]:
            self.assertLess(len(file.read_text().splitlines()), 500, file)


if __name__ == "__main__":
    unittest.main()
