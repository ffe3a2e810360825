#!/usr/bin/env python3
"""The files that an operator installs: units, manifests, dashboard, alerts, scripts.

A missing tool is a failure where CI=true, and elsewhere a skip that names it. Where XASE_BIN is set
(ctest sets it) the real programs are used; else a stand-in takes the place of xased in the unit.
"""

import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

from block_yaml import parse_yaml

ROOT = pathlib.Path(os.environ.get("XASE_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
CI = os.environ.get("CI") == "true"
BIN = os.environ.get("XASE_BIN")


def tool(test, name):
    path = shutil.which(name)
    if path is None:
        message = f"{name} is not installed: deploy/install-deps --ci brings it"
        test.fail(message) if CI else test.skipTest(message)
    return path


def run(*command, **options):
    return subprocess.run(
        [str(part) for part in command], text=True, capture_output=True, timeout=120,
        stdin=subprocess.DEVNULL, **options)


class Folder(unittest.TestCase):
    """A test with a folder of its own, which other users may enter."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="xased-deploy-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.folder.chmod(0o755)


# ---- systemd ----


class Unit(Folder):
    TEXT = (ROOT / "systemd/xased.service").read_text()

    def verify(self, text):
        """What systemd-analyze has to say about the unit, and its exit code."""
        program = pathlib.Path(BIN) / "xased" if BIN else self.folder / "xased"
        if not BIN:
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
        unit = self.folder / "xased.service"
        unit.write_text(text.replace("=/usr/bin/xased", f"={program}"))
        done = run(tool(self, "systemd-analyze"), "verify", "--man=no", unit)
        # It also loads, and may complain of, units of this machine that ours comes after.
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "xased" in line]
        return done.returncode, ours

    def value(self, key, text=None):
        return re.findall(rf"^{key}=(.*)$", text or self.TEXT, re.MULTILINE)

    def seconds(self, key):
        (value,) = self.value(key)
        self.assertRegex(value, r"^\d+s?$")
        return int(value.rstrip("s"))

    def test_verifies_without_a_word(self):
        self.assertEqual(self.verify(self.TEXT), (0, []))

    def test_verification_notices_a_misspelt_key_and_a_missing_program(self):
        _, said = self.verify(self.TEXT.replace("WatchdogSec=", "WatchdogSecs="))
        self.assertTrue(any("WatchdogSecs" in line for line in said), said)
        code, said = self.verify(self.TEXT.replace("=/usr/bin/xased", "=/nowhere/xased"))
        self.assertNotEqual(code, 0, said)

    def test_is_hardened(self):
        unit = self.folder / "xased.service"
        unit.write_text(self.TEXT)
        done = run(tool(self, "systemd-analyze"), "security", "--offline=true", "--threshold=20",
                   "--no-pager", unit)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.value("LimitCORE"), ["0"])
        self.assertEqual(self.value("CoredumpFilter"), ["elf-headers"])
        self.assertEqual(self.value("UMask"), ["0077"])

    def test_keeps_what_the_entries_attest(self):
        # Either would turn a ring's owner into nobody, or hide the boot id.
        for key in ("PrivateUsers", "ProcSubset", "DynamicUser"):
            self.assertEqual(self.value(key), [], key)

    def test_rings_outlive_the_daemon(self):
        self.assertEqual(self.value("RuntimeDirectory"), ["xased"])
        self.assertEqual(self.value("RuntimeDirectoryPreserve"), ["yes"])

    def test_agrees_with_tmpfiles_about_the_runtime_directory(self):
        # Where they disagree, systemd changes the owner of every ring at each start.
        lines = [line.split() for line in
                 (ROOT / "systemd/xased.tmpfiles").read_text().splitlines()
                 if line and not line.startswith("#")]
        folders = {path: (mode, user, group) for _, path, mode, user, group, _ in lines}
        said = tuple(self.value(key)[0] for key in ("RuntimeDirectoryMode", "User", "Group"))
        self.assertEqual(folders["/run/xased"], said)
        self.assertEqual(folders["/run/xased/rings"], ("3733", "xased", "xased"))

    def test_grants_time_to_drain_and_files_for_every_ring(self):
        self.assertEqual(self.value("Type"), ["notify"])
        self.assertEqual(self.seconds("WatchdogSec"), 30)
        self.assertGreaterEqual(self.seconds("TimeoutStopSec"), 30)
        self.assertEqual(self.value("Restart"), ["always"])
        self.assertEqual(self.value("RestartPreventExitStatus"), ["2 78"])
        self.assertGreater(int(self.value("LimitNOFILE")[0]), 2 * 16384)
        self.assertLess(int(self.value("OOMScoreAdjust")[0]), 0)


@unittest.skipUnless(CI or os.geteuid() == 0, "needs root, to be several users")
class Access(Folder):
    """The table of systemd/README.md, tried by real users on folders made from the real files."""

    def setUp(self):
        super().setUp()
        (self.folder / "etc").mkdir()
        self.create()
        names = {}
        for name in ("passwd", "group"):
            for line in (self.folder / "etc" / name).read_text().splitlines():
                fields = line.split(":")
                names[name, fields[0]] = int(fields[2])
        self.run_dir = self.folder / "run/xased"
        self.rings = self.run_dir / "rings"
        self.own_group = names["group", "xased"]
        self.app_group = names["group", "xase"]
        self.daemon = (names["passwd", "xased"], self.app_group, [self.own_group])
        self.app = (30001, 30001, [self.app_group])
        self.other_app = (30002, 30002, [self.app_group])
        self.outsider = (30003, 30003, [])

    def create(self):
        for command in (("systemd-sysusers",), ("systemd-tmpfiles", "--create")):
            source = ROOT / "systemd" / command[0].replace("systemd-", "xased.")
            done = run(tool(self, command[0]), f"--root={self.folder}", *command[1:], source)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def attempt(self, who, action):
        """Does `action` in a process of that user; the name of the error, or None."""
        uid, gid, groups = who
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups(groups)
                os.setgid(gid)
                os.setuid(uid)
                os.umask(0o077)
                action()
                answer = ""
            except OSError as error:
                answer = type(error).__name__
            except BaseException as error:  # Nothing may leave a forked test by another way.
                answer = f"unexpected: {error!r}"
            os.write(writer, answer.encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        return answer or None

    def make_ring(self, name="a.ring"):
        def make():
            temporary = self.rings / f".{name}.tmp"
            with open(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                os.fchmod(file.fileno(), 0o660)
                file.write(b"ring")
            temporary.rename(self.rings / name)

        self.assertIsNone(self.attempt(self.app, make))
        return self.rings / name

    def test_an_app_makes_a_ring_which_the_daemon_opens_and_removes(self):
        ring = self.make_ring()
        made = ring.stat()
        self.assertEqual((made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)),
                         (self.app[0], self.own_group, 0o660))
        self.assertIsNone(self.attempt(self.app, lambda: open(ring, "r+b").close()))
        self.assertIsNone(self.attempt(self.daemon, lambda: open(ring, "r+b").close()))
        self.assertIsNone(self.attempt(self.daemon, lambda: os.listdir(self.rings)))
        self.assertIsNone(self.attempt(self.daemon, ring.unlink))

    def test_another_app_cannot_list_open_remove_or_replace_a_ring(self):
        ring = self.make_ring()
        mine = self.rings / "b.ring"
        self.assertIsNone(self.attempt(self.other_app, mine.touch))
        for action in (lambda: os.listdir(self.rings), lambda: open(ring, "rb").close(), ring.unlink,
                       lambda: ring.rename(self.rings / "c.ring"), lambda: mine.rename(ring),
                       lambda: ring.chmod(0o666), lambda: os.link(ring, self.rings / "d.ring")):
            self.assertEqual(self.attempt(self.other_app, action), "PermissionError")
        self.assertEqual(ring.read_bytes(), b"ring")

    def test_an_app_changes_nothing_but_its_rings(self):
        for action in ((self.run_dir / "doorbell").touch, self.rings.rmdir,
                       lambda: self.rings.chmod(0o777),
                       lambda: self.rings.rename(self.run_dir / "away")):
            self.assertEqual(self.attempt(self.app, action), "PermissionError")

    def test_what_the_daemon_makes_is_for_the_apps_once_it_says_so(self):
        bell = self.run_dir / "doorbell"
        self.assertIsNone(self.attempt(self.daemon, bell.touch))
        self.assertEqual(self.attempt(self.app, lambda: open(bell, "r+b").close()),
                         "PermissionError")
        self.assertIsNone(self.attempt(self.daemon, lambda: bell.chmod(0o660)))
        self.assertIsNone(self.attempt(self.app, lambda: open(bell, "r+b").close()))

    def test_an_outsider_gets_nothing(self):
        ring = self.make_ring()
        for action in (self.rings.stat, ring.stat, lambda: os.listdir(self.run_dir),
                       (self.rings / "x.ring").touch, lambda: os.chdir(self.run_dir)):
            self.assertEqual(self.attempt(self.outsider, action), "PermissionError")

    def test_making_the_folders_again_leaves_the_rings_owners(self):
        ring = self.make_ring()
        before = ring.stat()
        self.rings.chmod(0o700)
        self.create()
        after = ring.stat()
        self.assertEqual((after.st_uid, after.st_gid, after.st_mode),
                         (before.st_uid, before.st_gid, before.st_mode))
        self.assertEqual(stat.S_IMODE(self.rings.stat().st_mode), 0o3733)


# ---- Kubernetes ----


def named(items, name):
    (found,) = [item for item in items if item["name"] == name]
    return found


class Manifests(unittest.TestCase):
    def build(self, overlay):
        done = run(tool(self, "kubectl"), "kustomize", ROOT / "deploy/kubernetes" / overlay)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {document["kind"]: document for document in parse_yaml(done.stdout)}

    def check_container(self, container):
        """Locked down, and where it asks whether xased is ready, it asks xasectl."""
        security = container["securityContext"]
        self.assertIs(security["allowPrivilegeEscalation"], False)
        self.assertIs(security["readOnlyRootFilesystem"], True)
        self.assertEqual(security["capabilities"]["drop"], ["ALL"])
        if container["name"] == "xased":
            self.assertEqual(security["runAsUser"], 65532)
            for probe in ("startupProbe", "readinessProbe"):
                self.assertEqual(container[probe]["exec"]["command"],
                                 ["/usr/bin/xasectl", "ready", "--run-dir", "/run/xased"])
            self.assertIn("memory", container["resources"]["limits"])

    def check_pod(self, documents, pod):
        """What both overlays have in common."""
        for container in pod["initContainers"] + pod["containers"]:
            self.check_container(container)
        self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], 30)
        self.assertIs(pod["automountServiceAccountToken"], False)
        # The reference carries the hash, so that a change of the configuration rolls the pods.
        config = documents["ConfigMap"]
        self.assertRegex(config["metadata"]["name"], r"^xased-config-\w+$")
        self.assertEqual(named(pod["volumes"], "config")["configMap"]["name"],
                         config["metadata"]["name"])
        key = named(pod["volumes"], "key")["secret"]
        self.assertEqual(key["secretName"], "xased-api-key")
        self.assertEqual(key["defaultMode"], 0o400)
        self.assertNotIn("Secret", documents)
        self.assertNotIn("xase_pk_", json.dumps(documents))

    def test_sidecar(self):
        documents = self.build("sidecar")
        spec = documents["StatefulSet"]["spec"]
        pod = spec["template"]["spec"]
        self.check_pod(documents, pod)
        daemon = named(pod["initContainers"], "xased")
        self.assertEqual(daemon["restartPolicy"], "Always")
        app = named(pod["containers"], "app")
        run_volume = named(pod["volumes"], "run")["emptyDir"]
        self.assertEqual(run_volume["medium"], "Memory")
        self.assertRegex(run_volume["sizeLimit"], r"^\d+Mi$")
        mounts = {mount["name"]: mount["mountPath"] for mount in daemon["volumeMounts"]}
        self.assertEqual(mounts["run"], "/run/xased")
        # The app gets the rings, and neither the ledger nor the key.
        self.assertEqual(app["volumeMounts"], [{"name": "run", "mountPath": "/run/xased"}])
        self.assertEqual(named(app["env"], "XASE_RUN_DIR")["value"], mounts["run"])
        self.assertNotEqual(app["securityContext"]["runAsUser"],
                            daemon["securityContext"]["runAsUser"])
        (claim,) = spec["volumeClaimTemplates"]
        self.assertEqual(mounts[claim["metadata"]["name"]], "/var/lib/xased")
        self.assertIs(pod["securityContext"]["runAsNonRoot"], True)
        self.assertEqual(pod["securityContext"]["fsGroup"], 65532)

    def test_daemonset(self):
        documents = self.build("daemonset")
        spec = documents["DaemonSet"]["spec"]
        pod = spec["template"]["spec"]
        self.check_pod(documents, pod)
        for name, path in (("run", "/run/xased"), ("state", "/var/lib/xased")):
            self.assertEqual(named(pod["volumes"], name)["hostPath"],
                             {"path": path, "type": "DirectoryOrCreate"})
        self.assertEqual(pod["tolerations"], [{"operator": "Exists"}])
        self.assertEqual(spec["updateStrategy"]["rollingUpdate"]["maxSurge"], 0)
        daemon = named(pod["containers"], "xased")["securityContext"]
        self.assertIs(daemon["runAsNonRoot"], True)
        folders = named(pod["initContainers"], "folders")
        self.assertEqual(
            folders["command"][2].splitlines(),
            ["install -d -o 65532 -g 65533 -m 0750 /run/xased",
             "install -d -o 65532 -g 65532 -m 3733 /run/xased/rings",
             "install -d -o 65532 -g 65533 -m 0700 /var/lib/xased"])

    def test_the_image_has_the_numbers_that_the_manifests_name(self):
        text = (ROOT / "deploy/container/Containerfile").read_text()
        self.assertIn("--gid 65532 xased", text)
        self.assertIn("--gid 65533 xase", text)
        self.assertIn("--uid 65532 --gid xased", text)
        self.assertRegex(text, r"(?m)^USER 65532:65533$")

    def test_the_daemon_accepts_the_configuration(self):
        if not BIN:
            self.skipTest("without XASE_BIN there is no daemon to ask")
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "xased.toml"
            file.write_text(self.build("sidecar")["ConfigMap"]["data"]["xased.toml"])
            done = run(pathlib.Path(BIN) / "xased", "--check-config", "--config", file)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


# ---- Dashboard and alerts ----


class Monitoring(Folder):
    ALERTS = ROOT / "deploy/prometheus/alerts.yaml"

    def dashboard(self):
        return json.loads((ROOT / "deploy/grafana/xased.json").read_text())

    def test_dashboard_panels_ask_for_something_and_do_not_overlap(self):
        panels = self.dashboard()["panels"]
        self.assertGreater(len(panels), 10)
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        taken = {}
        for panel in panels:
            self.assertTrue(all(target["expr"] for target in panel["targets"]), panel["title"])
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24)
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    self.assertIsNone(taken.get((x, y)), panel["title"])
                    taken[x, y] = panel["title"]

    def test_every_metric_asked_for_is_one_that_the_daemon_has(self):
        asked = set(re.findall(r"xased_[a-z_]+(?=[{\[) ]|$)", self.ALERTS.read_text(), re.M))
        for panel in self.dashboard()["panels"]:
            for target in panel["targets"]:
                asked |= set(re.findall(r"xased_[a-z_]+", target["expr"]))
        self.assertGreater(len(asked), 15)
        source = "".join(path.read_text() for path in (ROOT / "daemon").rglob("*.[ch]pp"))
        missing = [name for name in sorted(asked)
                   if not re.search(rf"\b{re.sub('_(sum|count)$', '', name)}\b", source)]
        self.assertEqual(missing, [])

    def test_alert_rules_are_well_formed_and_fire_for_what_they_name(self):
        promtool = tool(self, "promtool")
        done = run(promtool, "check", "rules", self.ALERTS)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = run(promtool, "test", "rules", self.ALERTS.with_name("alerts_test.yaml"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_alert_has_a_severity_and_says_what_to_do(self):
        alerts = self.ALERTS.read_text().split("- alert: ")[1:]
        self.assertGreaterEqual(len(alerts), 7)
        for alert in alerts:
            self.assertRegex(alert, r"severity: (page|ticket)\n")
            self.assertRegex(alert, r"summary: ")
            self.assertRegex(alert, r"description: ")


# ---- Scripts ----


class Scripts(Folder):
    def test_shellcheck_has_nothing_to_say(self):
        scripts = [ROOT / name for name in
                   ("deploy/install-deps", "tests/run", "tests/package/run", ".ci/run")]
        done = run(tool(self, "shellcheck"), *scripts)
        self.assertEqual(done.returncode, 0, done.stdout)
        for script in scripts:
            self.assertTrue(os.access(script, os.X_OK), script)

    def install_deps(self, status, *arguments):
        """Runs deploy/install-deps where every package has that status; its calls of apt-get."""
        calls = self.folder / "calls"
        for name, text in (("apt-get", f'printf "%s\\n" "$*" >>{calls}'),
                           ("sudo", 'exec "$@"'), ("dpkg-query", f"printf %s '{status}'")):
            (self.folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.folder / name).chmod(0o755)
        done = run(ROOT / "deploy/install-deps", *arguments,
                   env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"})
        self.assertEqual(done.returncode, 0, done.stderr)
        return calls.read_text().splitlines() if calls.exists() else []

    def test_install_deps_does_nothing_when_all_is_there(self):
        self.assertEqual(self.install_deps("installed"), [])

    def test_install_deps_installs_what_is_missing(self):
        update, install = self.install_deps("not-installed", "--ci")
        self.assertRegex(update, r"^update\b")
        for package in ("g++", "libsystemd-dev", "clang-tidy", "shellcheck"):
            self.assertIn(package, install.split())

    def test_install_deps_refuses_what_it_does_not_know(self):
        done = run(ROOT / "deploy/install-deps", "--frobnicate")
        self.assertEqual(done.returncode, 2)
        self.assertIn("usage", done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
