"""Rates against sizes, one plot for every kind of work: the limit, norma, and the others."""

import os

COLORS = {"norma": "#c0392b", "limit": "#2c3e50", "numpy": "#7f8c8d", "scikit-learn": "#d4a017",
          "keras": "#e67e22", "keras-xla": "#f1a861", "jax": "#8e44ad", "torch": "#16a085", "torch.compile": "#76c7b7",
          "onnxruntime": "#2980b9", "onednn": "#95b8d1"}
# What is shown: a title, the work, the axis form, the inner extents.
PLOTS = [
    ("Normalization: a table of 13 features", "normalize", lambda c: c["form"] == "RK" and c["shape"][1:] == [13]),
    ("Normalization: a table of 1024 features", "normalize",
     lambda c: c["form"] == "RK" and c["shape"][1:] == [1024]),
    ("adapt: a table of 13 features", "moments", lambda c: c["form"] == "RK" and c["shape"][1:] == [13]),
    ("adapt: a table of 1024 features", "moments", lambda c: c["form"] == "RK" and c["shape"][1:] == [1024]),
    ("Batch normalization, inference: 64 channels first, 56 x 56", "infer",
     lambda c: c["shape"][1:] == [64, 56, 56]),
    ("Batch normalization, inference: 64 channels last, 56 x 56", "infer",
     lambda c: c["shape"][1:] == [56, 56, 64]),
    ("Batch normalization, training: 64 channels first, 56 x 56", "forward",
     lambda c: c["shape"][1:] == [64, 56, 56]),
    ("Batch normalization, training: 64 channels last, 56 x 56", "forward",
     lambda c: c["shape"][1:] == [56, 56, 64]),
    ("Batch normalization, gradient: 64 channels first, 56 x 56", "backward",
     lambda c: c["shape"][1:] == [64, 56, 56]),
    ("Batch normalization, gradient: 64 channels last, 56 x 56", "backward",
     lambda c: c["shape"][1:] == [56, 56, 64]),
]


def file_name(title):
    return "".join(c if c.isalnum() else "-" for c in title.lower()).replace("--", "-") + ".svg"


def series(results, work, chosen):
    """{line: [(bytes of all tensors, GB/s)]}, sorted by size."""
    lines = {}
    peers = {case["name"]: others for case, _, others in results.beside_peers()}
    for m in results.measurements:
        if m.threads != 2 or m.case["work"] != work or m.case["in"] != "f32" or m.case["out"] != "f32" or \
                not chosen(m.case):
            continue
        size = m.case["footprint"]
        lines.setdefault("limit", []).append((size, m.limit_rate))
        lines.setdefault("norma", []).append((size, m.rate))
        for name, seconds in peers.get(m.name, {}).items():
            lines.setdefault(name, []).append((size, m.bytes / seconds * 1e-9))
    return {name: sorted(points) for name, points in lines.items()}


def draw(title, lines, caches, path):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "norma", "font.size": 10, "font.family": "sans-serif"})
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.8), layout="constrained")
    for name, points in lines.items():
        sizes, rates = zip(*points)
        style = {"limit": {"linestyle": "--", "linewidth": 1.6, "zorder": 3},
                 "norma": {"linewidth": 2.6, "marker": "o", "markersize": 5, "zorder": 4}}.get(
                     name, {"linewidth": 1.2, "marker": ".", "markersize": 5, "zorder": 2})
        axes.plot(sizes, rates, color=COLORS.get(name, "#555555"), label=name, **style)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("bytes of all tensors")
    axes.set_ylabel("GB/s, two threads")
    axes.set_title(title, loc="left", fontweight="bold")
    ticks = [1 << power for power in range(12, 34, 2)]
    low, high = axes.get_xlim()
    shown = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(shown, [_size(tick) for tick in shown])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
    for spine in ["top", "right"]:
        axes.spines[spine].set_visible(False)
    bottom, _ = axes.get_ylim()
    for name, size in caches.items():
        if low <= size <= high:
            axes.axvline(size, color="#bbbbbb", linewidth=0.8, linestyle=":", zorder=1)
            axes.annotate({"l1": "L1", "l2": "L2", "last_level": "last level"}[name], (size, bottom),
                          xytext=(3, 3), textcoords="offset points", color="#888888", fontsize=8)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _size(size):
    for unit, power in [("GiB", 30), ("MiB", 20), ("KiB", 10)]:
        if size >= 1 << power:
            return f"{size >> power} {unit}"
    return str(size)


def draw_all(results, folder):
    """Draws what was measured in at least two sizes; returns (title, file)."""
    os.makedirs(folder, exist_ok=True)
    drawn = []
    for title, work, chosen in PLOTS:
        lines = series(results, work, chosen)
        if len(lines.get("norma", [])) >= 2:
            name = file_name(title)
            draw(title, lines, results.caches, os.path.join(folder, name))
            drawn.append((title, name))
    return drawn
