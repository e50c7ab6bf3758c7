"""Makes tables, plots and a page of a folder of results.

usage: report.py RESULTS [--page=docs/performance.md --images=docs/performance] [--no-plots]

Writes RESULTS/table.md with every measurement, and RESULTS/plots. The page gets goals, plots and the weakest
cases; what stands between its markers "hand-written" is kept.
"""

import argparse
import os
import sys

from results import Results
import tables

BEGIN, END = "<!-- begin hand-written -->", "<!-- end hand-written -->"
EXPLANATION = "Nothing is written here yet.\n"


def hand_written(page):
    """What somebody wrote between the markers of the last page."""
    if not os.path.exists(page):
        return EXPLANATION
    with open(page) as file:
        text = file.read()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        sys.exit(f"report.py: error: {page} has not one pair of markers '{BEGIN}' and '{END}'")
    return text.split(BEGIN)[1].split(END)[0].strip("\n") + "\n"


def page_text(results, plots, images, explanation):
    parts = [
        "# Performance\n",
        "Made by `scripts/bench`; the part between the markers is written by hand. "
        "[benchmarks/README.md](../benchmarks/README.md) says how things are measured.\n",
        tables.machine_table(results.machine),
        f"{BEGIN}\n{explanation}{END}\n",
        "## Goals and what was measured\n",
        tables.summary(results),
    ]
    if plots:
        parts.append("## Rates against sizes\n")
        parts += [f"![{title}]({images}/{name})\n" for title, name in plots]
    if results.measurements:
        parts += ["## The weakest cases\n", "Those that are farthest from their goals.\n",
                  tables.measurements_table(tables.weakest(results))]
    if results.peers:
        parts += ["## Other libraries\n", "Two threads each; how, and what is called, stands in "
                  "[benchmarks/peers](../benchmarks/peers). The other's time over norma's:\n",
                  tables.peers_table(results), tables.versions_table(results)]
        if results.compiled_beside_peers():
            parts += ["Compilation, from nothing to code that can be called:\n", tables.compilations_table(results)]
    return "\n".join(parts)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("results")
    parser.add_argument("--page")
    parser.add_argument("--images")
    parser.add_argument("--no-plots", action="store_true")
    options = parser.parse_args()
    results = Results(options.results)
    if not results.measurements and not results.compilations and not results.calls:
        sys.exit(f"report.py: error: {options.results} holds no measurements")

    plots = []
    if not options.no_plots:
        from plots import draw_all
        plots = draw_all(results, os.path.join(options.results, "plots"))
    write(os.path.join(options.results, "table.md"), tables.everything(results))
    if options.page:
        explanation = hand_written(options.page)
        images = options.images or os.path.join(os.path.dirname(options.page), "performance")
        if not options.no_plots:
            plots = draw_all(results, images)
        write(options.page, page_text(results, plots, os.path.relpath(images, os.path.dirname(options.page) or "."),
                                      explanation))


if __name__ == "__main__":
    main()
