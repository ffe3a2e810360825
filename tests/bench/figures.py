"""What is demanded of xase's speed, and the table that sets what was measured beside it."""

import dataclasses

NOT_MEASURED = "not measured"


@dataclasses.dataclass(frozen=True)
class Demand:
    what: str
    figure: str            # "command:key"
    bound: float
    unit: str
    at_least: bool = False
    beside: tuple = ()     # (words, "command:key") of the same run: limits, alternatives
    judged: str = "median"  # of the runs; or "highest"
    why: str = ""          # the reason where it is missed; {command:key} are figures


LINE_TRANSFER = (
    "handing the bytes to another core costs more than copying them: the same copy while another core "
    "copies out, and nothing else done, is at {record:burst.shared_copy.of_copy} x, `record()` at "
    "{record:burst.record.of_shared} x of that; with no daemon draining, its "
    "{hot-path:instructions} instructions take {record:burst.record.alone} ns")

EVICTED = (
    "{hot-path:lines.code.run} lines of code and {hot-path:lines.app.read} of data have to come back "
    "first, and one that is waited for takes {record:limit.line.shared} ns from the cache of all "
    "cores, {record:limit.line.memory} ns from memory; the copy has the decision's lines alone to "
    "read")
NEIGHBOUR = (
    "the daemon takes the same lines meanwhile, and one that another core has takes half of the "
    "round trip above; the copy's own p99 is {record:call.paced.copy.p99} ns")

CORES = (
    "{durable:durable.one.cores} of two cores are in use, {durable:durable.one.busiest} of one by the "
    "daemon's busiest thread; what is not in use waits, for the disk or for another thread. All its "
    "threads take {durable:durable.one.daemon_ns} ns of CPU a record, tree and index among them, of "
    "which checking its JSON is {functions:record_check} ns and hashing it "
    "{functions:commitments_together/256} ns")

SLOW = (
    "the API's 50 ms begin once one of the same two cores has read the request and end with a sync: 64 "
    "clients that only post get {delivery:slow.posted} a second")

DEMANDS = (
    Demand("`record()` in bursts of 1,000, against a plain copy", "record:burst.record.of_copy",
           2.5, "x", beside=(
               ("record()", "record:burst.record"), ("copy", "record:burst.copy"),
               ("record(), no daemon draining", "record:burst.record.alone"),
               ("copy, another core copying out", "record:burst.shared_copy"),
               ("Boost.Lockfree", "record:burst.boost"), ("pipe", "record:burst.pipe"),
               ("file append", "record:burst.append"), ("spdlog", "record:burst.spdlog")),
           why=LINE_TRANSFER),
    Demand("the same in bursts of 100", "record:short.record.of_copy", 2.5, "x", beside=(
        ("record()", "record:short.record"), ("copy", "record:short.copy"),
        ("copy, another core copying out", "record:short.shared_copy")),
        why="as above; the copy with another core copying out is at "
            "{record:short.shared_copy.of_copy} x"),
    Demand("paced, one every 10 µs: median", "record:call.paced.median", 100, "ns",
           beside=(("copy", "record:call.paced.copy"),), why=NEIGHBOUR),
    Demand("the same: p99", "record:call.paced.p99", 300, "ns",
           beside=(("copy", "record:call.paced.copy.p99"),), why=NEIGHBOUR),
    Demand("one a millisecond: median", "record:call.sparse.median", 500, "ns",
           beside=(("copy", "record:call.sparse.copy"),
                   ("the app asleep between", "record:call.asleep.median"),
                   ("copy, the app asleep between", "record:call.asleep.copy")), why=EVICTED),
    Demand("the caches of the app's core evicted between calls: median", "record:call.cold.median", 250, "ns",
           beside=(("copy", "record:call.cold.copy"),
                   ("all caches evicted", "record:call.colder.median"),
                   ("copy, all caches evicted", "record:call.colder.copy")), why=EVICTED),
    Demand("the same: p99", "record:call.cold.p99", 1500, "ns",
           beside=(("copy", "record:call.cold.copy.p99"),), why=EVICTED),
    Demand("a Unix datagram of the same bytes, against `record()`",
           "record:burst.datagram.of_record", 10, "x", at_least=True,
           beside=(("datagram", "record:burst.datagram"),),
           why="what `record()` takes, and why, is in the first line"),
    Demand("system calls in 1,000 calls (locks and allocations: "
           "[hot_path_test](../client/hot_path_test.cpp))", "hot-path:system_calls", 0, "",
           beside=(("instructions", "hot-path:instructions"),
                   ("of the copy", "hot-path:instructions.copy"),
                   ("branches", "hot-path:branches"),
                   ("mispredicted", "hot-path:mispredicted"),
                   ("lines of the ring", "hot-path:lines.ring.written"))),
    Demand("ring to durable, one producer", "durable:durable.one", 350_000, "a second",
           at_least=True, beside=(
               ("a core hashing the same", "durable:limit.hashing"),
               ("write and sync", "durable:limit.write"),
               ("one SHA-256 pass", "durable:limit.pass")),
           why=CORES),
    Demand("the same, of the lower of hashing and writing", "durable:durable.one.of_limit", 0.6, "x",
           at_least=True, why=CORES),
    Demand("with 16 producers, against one", "durable:durable.many.of_one", 1, "x", at_least=True,
           beside=(("16 producers", "durable:durable.many"),),
           why="16 processes and the daemon take turns on two cores"),
    Demand("`record_sync()` until durable, of one `fdatasync` and one wake-up",
           "durable:waited.of_limit", 3, "x", beside=(
               ("waited", "durable:waited"), ("fdatasync", "durable:limit.sync"),
               ("wake-up", "durable:limit.wake_up"),
               ("waited while tree and index come behind", "durable:behind.waited")),
           why="two threads of the daemon and the caller are woken one after the other around the "
               "sync"),
    Demand("commit to durable where nobody waits, at most", "durable:alone", 60, "ms",
           judged="highest",
           why="the daemon sleeps 50 ms at most and syncs at most every 5 ms; the rest is the sync, "
               "and other work of this machine"),
    Demand("ring to private memory, 512 B", "drain:drain", 15_000_000, "a second", at_least=True,
           beside=(("copy", "drain:limit.copy"), ("pread", "drain:limit.pread"))),
    Demand("delivered to an API at 0 ms", "delivery:quick", 5_000, "a second", at_least=True,
           beside=(("32 clients that only post", "delivery:quick.posted"),
                   ("as the SDKs do", "delivery:quick.alone")),
           why="the API has the same two cores: it takes {delivery:quick.posted} of clients that "
               "only post"),
    Demand("delivered to an API at 50 ms", "delivery:slow", 1_000, "a second", at_least=True,
           beside=(("64 clients that only post", "delivery:slow.posted"),), why=SLOW),
    Demand("the same, of in flight / latency", "delivery:slow.of_limit", 0.9, "x", at_least=True,
           beside=(("in flight / latency", "delivery:slow.limit"),
                   ("64 clients that only post", "delivery:slow.posted")), why=SLOW),
    Demand("an API that admits 100 a second: of what it admits", "delivery:limited.of_limit", 0.95,
           "x", at_least=True, beside=(("delivered", "delivery:limited"),),
           why="each 429 costs the second that it asks for, and the pace stays 2 % below what was "
               "seen to be admitted"),
    Demand("the same: answers that are 429", "delivery:limited.refused", 2, "%"),
    Demand("idle: CPU", "idle:cpu", 0.15, "% of a core",
           beside=(("a process that sleeps 50 ms at a time", "idle:limit.cpu"),),
           why="{idle:wake_ups} wake-ups a second of its threads, of which 20 cost a process that "
               "does nothing else {idle:limit.cpu} %"),
    Demand("idle: wake-ups", "idle:wake_ups", 25, "a second",
           beside=(("a process that sleeps 50 ms at a time", "idle:limit.wake_ups"),),
           why="more than one thread has a timer of its own"),
    Demand("idle: resident memory", "idle:resident", 12, "MiB", beside=(
        ("its own", "idle:resident.own"), ("program and libraries", "idle:resident.files"),
        ("the producer's ring", "idle:resident.shared"),
        ("before the first record", "idle:resident.start")),
        why="the pages of the program and its libraries that were run through count as well, though "
            "others share them: {idle:resident.files} MiB; its own are {idle:resident.own} MiB"),
    Demand("backlog, API away: memory over idle", "backlog:memory.more", 32, "MiB", beside=(
        ("records", "backlog:records"), ("idle", "backlog:memory.idle"),
        ("with all", "backlog:memory.full"), ("after the restarts", "backlog:memory.after"),
        ("at its most", "backlog:memory.peak")),
        why="what intake needed while all came at once is kept; with the backlog alone, after a "
            "restart, it is {backlog:memory.after} MiB"),
    Demand("ready again after `kill -9` with it", "backlog:ready", 2, "s",
           beside=(("with a thousand", "backlog:ready.empty"),)),
    Demand("the shared object, stripped", "library:size", 100, "KiB"),
    Demand("the first `record()` of a thread", "library:first", 300, "µs",
           beside=(("a file of that size made, mapped, renamed", "library:limit.file"),
                   ("the same, every page mapped", "library:limit.whole"),
                   ("p99", "library:first.p99"), ("the second", "library:second")),
           why="the kernel takes {library:limit.file} µs for the ring's 4 MiB of memory alone, and "
               "{library:limit.whole!lowest} µs at the least where all of it is mapped at once, so that "
               "no later call faults"),
    Demand("a record's cost with up to 64 producers, at its worst of that with one",
           "scale:producers.worst", 1.25, "x", beside=(
               ("one", "scale:producers.1"), ("4", "scale:producers.4"),
               ("16", "scale:producers.16"), ("64", "scale:producers.64")),
           why="the producers and the daemon take turns on two cores, and as the runs go on tree and index "
               "come behind on them too"),
    Demand("the same as the ledger grows, of that with the fewest", "scale:ledger.worst", 1.25,
           "x", beside=(
               ("from 10,000 on", "scale:ledger.10000"),
               ("1,000,000", "scale:ledger.1000000"),
               ("10,000,000", "scale:ledger.10000000")), why="what the tree and the index have to do comes behind, on the same cores"),
)


def figure(value):
    """Three digits that say something, as xase-bench prints them."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{0 if size >= 100 or size == 0 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"


def bounds():
    return {demand.figure: demand.bound for demand in DEMANDS}


def look_up(results, name):
    """The line of "command:key", or None."""
    command, key = name.split(":")
    lines = results.get(command, {}).get("lines", ())
    return next((one for one in lines if one["key"] == key), None)


def explained(results, why):
    """`why` with its {figures} put in; {figure!lowest} is the lowest of the runs."""
    parts = why.split("{")
    out = parts[0]
    for part in parts[1:]:
        name, rest = part.split("}")
        name, _, which = name.partition("!")
        line = look_up(results, name)
        out += (figure(line[which or "median"]) if line else NOT_MEASURED) + rest
    return out


def row(results, demand):
    line = look_up(results, demand.figure)
    bound = f"{'≥' if demand.at_least else '≤'} {figure(demand.bound)} {demand.unit}".rstrip()
    if line is None:
        return f"| {demand.what} | {bound} | {NOT_MEASURED} | | |"
    value = line[demand.judged]
    met = value >= demand.bound if demand.at_least else value <= demand.bound
    measured = figure(value)
    if demand.judged == "median" and line["lowest"] != line["highest"]:
        measured += f" ({figure(line['lowest'])} to {figure(line['highest'])})"
    elif demand.judged != "median":
        measured += f" (median {figure(line['median'])})"
    beside = "; ".join(
        f"{words} {figure(found['median'])} {found['unit'].replace('us', 'µs')}".rstrip()
        for words, found in ((words, look_up(results, name)) for words, name in demand.beside)
        if found is not None)
    verdict = "yes" if met else "**no**"
    if not met and demand.why:
        verdict += ": " + explained(results, demand.why)
    return f"| {demand.what} | {bound} | {measured} | {beside} | {verdict} |"


def heading(results):
    """Where and when, and how quiet it was."""
    reports = list(results.values())
    machine = next(report["machine"] for report in reports if "machine" in report)
    dates = sorted({report["date"] for report in reports})
    sizes = "; ".join(
        f"{size} size: " + ", ".join(f"`{name}`" for name, one in results.items()
                                     if one["size"] == size)
        for size in sorted({report["size"] for report in reports}))
    trips = ", ".join(
        "`{}` {} and {} ns".format(name, *(figure(report["cache_line_round_trip_ns"][when])
                                           for when in ("before", "after")))
        for name, report in results.items() if "cache_line_round_trip_ns" in report)
    return [f"{machine}, {' to '.join(dict.fromkeys((dates[0], dates[-1])))}; {sizes}.",
            f"A cache line there and back, before and after: {trips}."]


def table(results):
    return "\n".join([*heading(results), "",
                      "| what | demanded | measured | beside, in the same run | met |",
                      "|---|---|---|---|---|", *(row(results, demand) for demand in DEMANDS),
                      *counts(results), *functions(results)])


def counts(results):
    """What hot-path counted."""
    lines = results.get("hot-path", {}).get("lines", ())
    values = {one["key"]: figure(one["median"]) for one in lines}
    out = ["", "| one `record()`, counted | | a plain copy of the same bytes |", "|---|---|---|"]
    for one in lines:
        name = one["name"].removesuffix(": record()")
        if one["section"].startswith("lines"):
            name = "lines of memory " + name
        if one["key"].endswith(".copy"):
            continue
        if one["key"] == "system_calls":
            name = "system calls, in 1,000 calls"
        out.append(f"| {name} | {values[one['key']]} | {values.get(one['key'] + '.copy', '')} |")
    return out if lines else []


def functions(results):
    """What bench-functions timed."""
    lines = results.get("functions", {}).get("lines", ())
    out = ["", "| one function, on one real decision | ns |", "|---|---|"]
    out += [f"| `{one['name']}` | {figure(one['median'])} |" for one in lines]
    return out if lines else []


def missed(results):
    """The demands that are measured and not met."""
    return [demand.what for demand in DEMANDS if "| **no**" in row(results, demand)]
