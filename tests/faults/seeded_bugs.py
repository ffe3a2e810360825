#!/usr/bin/env python3
"""Breaks a copy of the sources in one place after the other, as someone might by mistake, and runs the
tests that should notice.

  tests/faults/seeded_bugs.py             all of them
  tests/faults/seeded_bugs.py NAME...     these
  tests/faults/seeded_bugs.py --list

Prints for each the first tests that fail; exit code 1 where none does. The copy and its build are in
build/seeded. A bug whose place is not in the sources any more is an error: it is to be sown anew.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
COPY = SOURCE / "build/seeded/source"
BUILD = SOURCE / "build/seeded/build"
JOURNAL = ["ledger_journal_test", "ledger_recovery_test", "intake_test"]
LIFE = ["faults_crash_states_test"]
TREE = ["ledger_tree_test", "ledger_tree_keeper_test"]
DELIVERY = ["delivery_parts_test", "delivery_core_test"]

# name: what it does, file, what stands there, what is put in its place, programs of the tests
BUGS = {
    "acknowledge_before_sync": (
        "calls entries durable before they are synced", "daemon/ledger/sync_stage.cpp",
        "    if (Status status = request.file->sync_data(); !status.ok()) return status;\n",
        "    positions_.durable.store(request.sequence, std::memory_order_release);\n"
        "    if (Status status = request.file->sync_data(); !status.ok()) return status;\n", JOURNAL),
    "skip_directory_sync": (
        "trusts a new segment's name that is not synced", "daemon/ledger/journal.cpp",
        "  if (name_is_synced_) return {};\n",
        "  name_is_synced_ = true;\n  if (name_is_synced_) return {};\n", JOURNAL),
    "swallow_fsync_error": (
        "takes a failed sync for a good one", "daemon/ledger/sync_stage.cpp",
        "    if (Status status = request.file->sync_data(); !status.ok()) return status;\n",
        "    (void)request.file->sync_data();\n", JOURNAL),
    "retry_failed_fsync": (
        "syncs a file again whose sync failed", "daemon/ledger/sync_stage.cpp",
        "    if (Status status = request.file->sync_data(); !status.ok()) return status;\n",
        "    if (Status status = request.file->sync_data(); !status.ok()) {\n"
        "      if (status = request.file->sync_data(); !status.ok()) return status;\n    }\n",
        JOURNAL),
    "unlink_before_replacement": (
        "removes a segment before the name of the one that replaces it is synced",
        "daemon/ledger/journal.cpp",
        "  if (Status status = sync_names(); !status.ok()) return status;\n  bool removed = false;\n",
        "  name_is_synced_ = true;\n  bool removed = false;\n", JOURNAL),
    "unlink_before_cursor": (
        "removes a segment that the delivery cursor still needs", "daemon/ledger/retention.cpp",
        "  const std::uint64_t through = std::min(peers_.settled_through.load(",
        "  const std::uint64_t through = std::min(peers_.positions.durable.load(", LIFE),
    "unlink_before_entry": (
        "removes a segment before the entry that tells of it is durable",
        "daemon/ledger/retention.cpp",
        "  if (peers_.positions.durable.load(std::memory_order_acquire) < entered_) return kLookAgain;\n",
        "", LIFE),
    "unlink_newest_first": (
        "removes segments without syncing one removal before the next",
        "daemon/ledger/retention.cpp",
        "  if (status = peers_.fs.sync_directory(directory_); !status.ok()) return status;\n",
        "", LIFE),
    "tile_before_its_sync": (
        "gives a tile its name before its bytes are synced", "daemon/ledger/tree/tile_writer.cpp",
        "  if (Status status = fs_.sync_all(files); !status.ok()) return status;\n",
        "", TREE),
    "tree_before_its_sync": (
        "puts a new tree in the place of the old one before it is synced",
        "daemon/ledger/tree/renew_tree.cpp",
        "  return status.ok() ? writer.publish() : status;\n",
        "  return status;\n", LIFE),
    "truncate_in_the_middle": (
        "cuts at damage that lies before the last commit mark", "daemon/ledger/recovery_damage.cpp",
        "  if (index >= tail_ && from >= durable_position_) {\n",
        "  if (index >= tail_ || from >= durable_position_) {\n", JOURNAL),
    "cut_written_since": (
        "cuts a torn tail again at a place where entries were written since",
        "daemon/ledger/torn_tail.cpp", "  if (*is_ours) {\n", "  if (true) {\n", JOURNAL),
    "half_a_cut": (
        "leaves a torn tail half cut where a start died in it", "daemon/ledger/recovery.cpp",
        "  auto tail = finish_cuts(fs, state_dir);\n",
        "  Result<std::optional<KeptTail>> tail = std::optional<KeptTail>();\n", JOURNAL),
    "whole_entries_in_a_tail": (
        "leaves entries in a torn tail that stays", "daemon/ledger/torn_tail.cpp",
        "    if (status.ok()) status = spoil_frames(fs, state_dir, tail);\n",
        "    if (!status.ok()) status = spoil_frames(fs, state_dir, tail);\n", JOURNAL),
    "new_key_on_retry": (
        "tries again under another idempotency key", "daemon/delivery/delivery_core.cpp",
        "  dispatch_.send({shipment.sequence, shipment.request, route_});\n",
        "  auto request = std::make_shared<Request>(*shipment.request);\n"
        "  request->idempotency_key.back() = static_cast<char>('a' + shipment.attempts % 26);\n"
        "  dispatch_.send({shipment.sequence, request, route_});\n", DELIVERY),
    "unauthorized_as_refusal": (
        "sets a record aside where the key is not accepted", "daemon/delivery/answer.cpp",
        "      pause(PauseReason::kUnauthorized);\n",
        "      verdict.outcome = Outcome::kRefused;\n", DELIVERY),
    "set_aside_before_sync": (
        "counts an answer as settled before its entry is durable", "daemon/intake/intake_stage.cpp",
        "  while (!awaited_.empty() && awaited_.front().entry_sequence <= durable) {\n",
        "  while (!awaited_.empty()) {\n", ["intake_test", "delivery_core_test"]),
    "wall_clock_backoff": (
        "waits by the wall clock", "daemon/delivery/delivery_core.hpp",
        "  std::int64_t now() const { return clock_.boot_ns(); }\n",
        "  std::int64_t now() const { return clock_.wall_ns(); }\n", DELIVERY),
    "unchained_gap": (
        "leaves gaps out of the chain", "daemon/ledger/chain.cpp",
        "  leaf.previous = state_.head;\n",
        "  leaf.previous = entry.type == EntryType::kGap ? xase::proto::Hash{} : state_.head;\n",
        ["ledger_chain_test", "intake_test", "ledger_verify_test"]),
    "release_before_write": (
        "frees a ring's space before its records are written", "daemon/intake/intake_stage.cpp",
        "  const bool had_batch = !ledger_.journal().batch_is_empty();\n",
        "  const bool had_batch = !ledger_.journal().batch_is_empty();\n"
        "  for (AttachedRing* ring : touched_) ring->publish_journaled();\n", ["intake_test"]),
}


def run(*command, **options):
    return subprocess.run([str(part) for part in command], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def copy_sources():
    """What git knows of and what it does not ignore; times are kept, so that little is built."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], text=True,
                                     cwd=SOURCE).splitlines()
    if COPY.exists():
        gone = {path.relative_to(COPY) for path in COPY.rglob("*") if path.is_file()}
        for path in gone - {pathlib.Path(name) for name in listed}:
            (COPY / path).unlink()
    for name in listed:
        to = COPY / name
        to.parent.mkdir(parents=True, exist_ok=True)
        if not to.exists() or to.read_bytes() != (SOURCE / name).read_bytes():
            shutil.copy2(SOURCE / name, to)


def build(programs):
    done = run("ninja", "-C", BUILD, *(f"tests/{program}" for program in programs))
    if done.returncode != 0:
        sys.exit(f"{done.stdout[-4000:]}\nseeded_bugs: it does not build")


def failing(program):
    """The tests that fail, or what ended the program."""
    try:
        done = run(BUILD / "tests" / program, timeout=300)
    except subprocess.TimeoutExpired:
        return [f"{program} (does not end)"]
    names = re.findall(r"^\[  FAILED  \] ([\w/]+\.[\w/]+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 and not names:
        started = re.findall(r"^\[ RUN      \] (\S+)", done.stdout, re.MULTILINE)
        return [f"{started[-1] if started else program} (ends with {done.returncode})"]
    return list(dict.fromkeys(names))


def main():
    wanted = sys.argv[1:]
    if wanted == ["--list"]:
        for name, bug in BUGS.items():
            print(f"{name:28}{bug[0]}")
        return 0
    if unknown := [name for name in wanted if name not in BUGS]:
        sys.exit(f"seeded_bugs: there is no {', '.join(unknown)}; there are {', '.join(BUGS)}")
    bugs = {name: BUGS[name] for name in wanted or BUGS}
    copy_sources()
    configured = run("cmake", "-S", COPY, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                     "-DCMAKE_CXX_FLAGS_DEBUG=-O1")
    if configured.returncode != 0:
        sys.exit(configured.stdout)
    programs = sorted({program for bug in bugs.values() for program in bug[4]})
    build(programs)
    for program in programs:
        if names := failing(program):
            sys.exit(f"seeded_bugs: without a bug, {', '.join(names)} fail already")
    missed = 0
    for name, (_, file, sound, broken, tests) in bugs.items():
        path = COPY / file
        text = path.read_text()
        if text.count(sound) != 1:
            sys.exit(f"seeded_bugs: {name}: its place is in {file} {text.count(sound)} times, not once")
        begin = time.monotonic()
        path.write_text(text.replace(sound, broken))
        caught = []
        try:
            build(tests)
            for program in tests:
                caught += failing(program)
        finally:
            path.write_text(text)
        missed += not caught
        told = ", ".join(caught[:3]) + (f" and {len(caught) - 3} more" if len(caught) > 3 else "")
        print(f"{name:28}{'caught by ' + told if caught else 'MISSED'} "
              f"({time.monotonic() - begin:.0f} s)", flush=True)
    print(f"{len(bugs) - missed} of {len(bugs)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
