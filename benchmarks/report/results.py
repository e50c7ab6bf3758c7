"""What a run wrote, read back: cases, norma's measurements, those of other libraries.

A folder of results holds cases.json (NormaBench --cases), norma-*.json (Google Benchmark), peers.json (peers/run.py,
where it ran) and machine.json.
"""

import glob
import json
import os
import statistics


class Measurement:
    """norma in one case with some threads, beside the limit."""

    def __init__(self, name, threads, case, counters):
        self.name, self.threads, self.case = name, threads, case
        self.seconds, self.limit_seconds = counters["seconds"], counters["limit_seconds"]
        self.ratio = counters["ratio"]
        self.bytes = counters["bytes"]

    @property
    def rate(self):
        """GB/s of the fewest bytes that must move."""
        return self.bytes / self.seconds * 1e-9

    @property
    def limit_rate(self):
        return self.bytes / self.limit_seconds * 1e-9

    @property
    def met(self):
        return self.ratio >= self.case["goal"]


class Results:
    def __init__(self, folder):
        self.folder = folder
        table = _read(folder, "cases.json")
        self.cases = {case["name"]: case for case in table["cases"]}
        self.caches = table["caches"]
        self.machine = _read(folder, "machine.json")
        self.measurements, self.compilations, self.calls, self.failed = [], [], [], []
        for path in sorted(glob.glob(os.path.join(folder, "norma-*.json"))):
            for row in _read(folder, os.path.basename(path))["benchmarks"]:
                self._add(row)
        self.peers = _read(folder, "peers.json") if os.path.exists(os.path.join(folder, "peers.json")) else None

    def _add(self, row):
        name = row["name"].split("/iterations:")[0]
        if row.get("error_occurred"):
            self.failed.append((name, row.get("error_message", "")))
        elif name.startswith("compile/"):
            self.compilations.append((name.removeprefix("compile/"), row))
        elif name.startswith("call/"):
            self.calls.append((name.removeprefix("call/"), row))
        else:
            base, threads = name.rsplit("/t", 1)
            self.measurements.append(Measurement(base, int(threads), self.cases[base], row))

    def speedups(self):
        """(case, seconds of one thread / seconds of two, the same of the limit), where both were measured."""
        single = {m.name: m for m in self.measurements if m.threads == 1}
        return [(m.case, single[m.name].seconds / m.seconds, single[m.name].limit_seconds / m.limit_seconds)
                for m in self.measurements if m.threads == 2 and m.name in single]

    def beside_peers(self):
        """(case, seconds of norma, {peer: seconds})."""
        rows = self.peers["results"] if self.peers else []
        return [(self.cases[row["case"]], row["seconds"]["norma"],
                 {name: seconds for name, seconds in row["seconds"].items() if name != "norma"}) for row in rows]

    def compiled_beside_peers(self):
        rows = self.peers["compilations"] if self.peers else []
        return [(self.cases[row["case"]], row["seconds"]) for row in rows if "norma" in row["seconds"]]


class Goal:
    """A line of the list of goals: what was measured, what it should be, and whether it is."""

    def __init__(self, what, values, goal, higher_is_better=True, unit=""):
        """`values` are (name, value, goal of this one or None for that of all)."""
        self.what, self.unit, self.goal = what, unit, goal
        good = (lambda v, g: v >= g) if higher_is_better else (lambda v, g: v <= g)
        pick = min if higher_is_better else max
        self.count = len(values)
        self.met_count = sum(good(value, goal) for _, value in values)
        self.median = statistics.median(value for _, value in values)
        self.worst_name, self.worst = pick(values, key=lambda pair: pair[1])
        self.met = self.met_count == self.count
        self.sign = ">=" if higher_is_better else "<="


def _read(folder, name):
    with open(os.path.join(folder, name)) as file:
        return json.load(file)


FAMILIES = ["map", "reduce", "train", "gradient"]
ROOMS = ["L1", "L2", "last-level", "between", "memory"]


def limit_goals(results):
    """Ratios to the limit, with two threads where they were measured."""
    goals = []
    for family in FAMILIES:
        for room in ROOMS:
            rows = [m for m in results.measurements
                    if m.case["family"] == family and m.case["room"] == room and m.threads == 2]
            if rows:
                goals.append(Goal(f"{family}, data in {room}", [(m.name, m.ratio) for m in rows],
                                  rows[0].case["goal"]))
    return goals


def thread_goals(results):
    goals = []
    cached, memory = [], []
    for case, speedup, _ in results.speedups():
        (memory if case["room"] in ("memory", "between") else cached).append((case["name"], speedup))
    # Tiny work is for one thread, and must only not become slower. Then both figures are of the same code, and lie
    # around 1 by some hundredths.
    large = [(name, speedup) for name, speedup in cached if results.cases[name]["footprint"] >= 1 << 20]
    small = [(name, speedup) for name, speedup in cached if results.cases[name]["footprint"] < 1 << 20]
    for what, values, goal in [("two threads, from 1 MiB in cache", large, 1.7),
                               ("two threads, below 1 MiB", small, 0.95), ("two threads, memory", memory, 1.0)]:
        if values:
            goals.append(Goal(what, values, goal, unit=" x"))
    return goals


def cost_goals(results):
    """Compilation and calls."""
    goals = []
    if results.compilations:
        goals.append(Goal("cold compile", [(name, row["seconds"] * 1e3) for name, row in results.compilations], 5,
                          higher_is_better=False, unit=" ms"))
        goals.append(Goal("cold compile, LLVM's part",
                          [(name, row["codegen_seconds"] * 1e3) for name, row in results.compilations], 3,
                          higher_is_better=False, unit=" ms"))
    single = [(name, row["overhead_seconds"] * 1e9) for name, row in results.calls if row["threads"] == 1]
    if single:
        goals.append(Goal("call of a layer, beside its kernel", single, 100, higher_is_better=False, unit=" ns"))
    return goals


def peer_goals(results):
    """How many times faster norma is."""
    lists = {}
    for case, own, others in results.beside_peers():
        if not others:
            continue
        times = sorted(others.values())
        family = case["family"]
        if family == "map":
            lists.setdefault(("map, against the best peer", 1.0), []).append((case["name"], times[0] / own))
            lists.setdefault(("map, against the median peer", 2.0), []).append(
                (case["name"], statistics.median(times) / own))
        elif family == "reduce":
            for peer in ["scikit-learn", "keras"]:
                if peer in others:
                    lists.setdefault((f"adapt, against {peer}", 20.0), []).append((case["name"], others[peer] / own))
        else:
            lists.setdefault((f"{family}, against the best peer", 1.5), []).append((case["name"], times[0] / own))
    for case, seconds in results.compiled_beside_peers():
        for peer in ["jax", "keras-xla"]:
            if peer in seconds:
                lists.setdefault((f"cold compile, against {peer}", 10.0), []).append(
                    (case["name"], seconds[peer] / seconds["norma"]))
    return [Goal(what, values, goal, unit=" x") for (what, goal), values in lists.items()]
