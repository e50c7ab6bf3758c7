"""Results as Markdown."""

import statistics

from results import FAMILIES, cost_goals, limit_goals, peer_goals, thread_goals


def table(header, rows, right=()):
    """A Markdown table; `right` are the columns to align right."""
    line = ["---:" if index in right else "---" for index in range(len(header))]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [header, line, *rows]) + "\n"


def mark(met):
    return "met" if met else "**not met**"


def time_text(seconds):
    for unit, scale in [("s", 1), ("ms", 1e-3), ("us", 1e-6)]:
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def size_text(size):
    for unit, scale in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]:
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} B"


def machine_table(machine):
    return table(["", ""], list(machine.items()))


def goals_table(goals):
    rows = [(goal.what, f"{goal.sign} {goal.goal:.3g}{goal.unit}", f"{goal.met_count} of {goal.count}",
             f"{goal.median:.2f}{goal.unit}", f"{goal.worst:.2f}{goal.unit}", f"`{goal.worst_name}`", mark(goal.met))
            for goal in goals]
    return table(["what", "goal", "cases that meet it", "median", "worst", "which is", ""], rows, right=(1, 2, 3, 4))


def summary(results):
    """All goals with what was measured."""
    parts = []
    for title, text, goals in [
            ("Beside the limit", "The limit's time over the kernel's, two threads.", limit_goals(results)),
            ("The second thread", "The time of one thread over that of two." + limit_speedup_text(results),
             thread_goals(results)),
            ("Compilation and calls", "From MLIR to code that can be called, without the disk cache.",
             cost_goals(results)),
            ("Beside other libraries", "The other's time over norma's.", peer_goals(results))]:
        if goals:
            parts.append(f"### {title}\n\n{text}\n\n{goals_table(goals)}")
    return "\n".join(parts)


def limit_speedup_text(results):
    """What a second thread brings to loops that do nothing else: no kernel can gain more."""
    cached = [limit for case, _, limit in results.speedups()
              if case["room"] not in ("memory", "between") and case["footprint"] >= 1 << 20]
    if not cached:
        return ""
    return (f" The loops of the limit, from 1 MiB in cache: {statistics.median(cached):.2f} x in the median. "
            "(Where that is near 1, the processors share a core, or had other work.)")


def measurement_rows(measurements):
    return [(f"`{m.name}`", m.threads, size_text(m.case["footprint"]), m.case["room"], time_text(m.seconds),
             f"{m.rate:.1f}", f"{m.limit_rate:.1f}", f"{m.ratio:.2f}", f"{m.case['goal']:.2f}", mark(m.met))
            for m in measurements]


MEASUREMENT_HEADER = ["case", "threads", "size", "in", "time", "GB/s", "limit GB/s", "ratio", "goal", ""]


def measurements_table(measurements):
    return table(MEASUREMENT_HEADER, measurement_rows(measurements), right=(1, 2, 4, 5, 6, 7, 8))


def weakest(results, count=25):
    return sorted(results.measurements, key=lambda m: m.ratio / m.case["goal"])[:count]


def peers_table(results):
    rows = results.beside_peers()
    names = [name for name in results.peers["versions"] if name != "norma"]
    lines = []
    for case, own, others in rows:
        times = [f"{others[name] / own:.2f}" if name in others else "" for name in names]
        lines.append((f"`{case['name']}`", time_text(own), *times))
    return table(["case", "norma", *names], lines, right=range(1, len(names) + 2))


def compilations_table(results):
    rows = results.compiled_beside_peers()
    names = sorted({name for _, seconds in rows for name in seconds} - {"norma"})
    lines = [(f"`{case['name']}`", time_text(seconds["norma"]),
              *[time_text(seconds[name]) if name in seconds else "" for name in names]) for case, seconds in rows]
    return table(["case", "norma", *names], lines, right=range(1, len(names) + 2))


def versions_table(results):
    return table(["library", "version"], list(results.peers["versions"].items())
                 + [(name, f"left out: {reason}") for name, reason in results.peers["missing"].items()])


def everything(results):
    """All measurements of a run: what table.md holds."""
    parts = ["# All measurements\n", machine_table(results.machine), "## Goals\n", summary(results)]
    for family in FAMILIES:
        rows = [m for m in results.measurements if m.case["family"] == family]
        if rows:
            parts += [f"## {family}\n", measurements_table(rows)]
    if results.compilations:
        parts += ["## Cold compile\n", table(
            ["kernel", "all", "MLIR", "LLVM", "linking"],
            [(f"`{name}`", *[time_text(row[key]) for key in
                             ["seconds", "lower_seconds", "codegen_seconds", "load_seconds"]])
             for name, row in results.compilations], right=(1, 2, 3, 4))]
    if results.calls:
        parts += ["## Small calls\n", table(
            ["call", "all", "kernel", "overhead"],
            [(name, time_text(row["seconds"]), time_text(row["kernel_seconds"]),
              f"{row['overhead_seconds'] * 1e9:.0f} ns") for name, row in results.calls], right=(1, 2, 3))]
    if results.peers:
        parts += ["## Other libraries\n", versions_table(results),
                  "Their time over norma's:\n", peers_table(results)]
        if results.compiled_beside_peers():
            parts += ["Compilation:\n", compilations_table(results)]
    if results.failed:
        parts += ["## Failed\n", table(["case", "error"], results.failed)]
    return "\n".join(parts)
