#!/usr/bin/env python3
"""From the runs of tools/bench.sh to a table, a JSON file and a plot.

usage: plot_benchmarks.py RUNS.jsonl DIRECTORY

Writes results.json and table.md, and plot.svg where there is matplotlib and both sides were measured. Every figure
is the median over the rounds; a ratio is the median of the ratios of each round, with the least and the greatest.
"""

import collections
import json
import os
import platform
import statistics
import sys

# More is better for these.
PERCENT = "percent"


def read(path):
    """Values and lines by row and side, in order of the rounds."""
    rows = collections.OrderedDict()
    with open(path) as lines:
        for line in lines:
            run = json.loads(line)
            result = run["result"]
            sides = rows.setdefault(result["row"], {})
            sides.setdefault(run["side"], []).append(result)
    return rows


def summary(results):
    values = [result["value"] for result in results]
    best = [result["min"] for result in results if "min" in result]
    return {
        "unit": results[0]["unit"],
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "best_batch": min(best) if best else None,
        "rounds": results,
    }


def ratios(ours, original):
    """How many times less ours is, round by round."""
    each = [b["value"] / a["value"] for a, b in zip(ours, original) if a["value"] > 0]
    if not each:
        return None
    return {"median": statistics.median(each), "min": min(each), "max": max(each)}


def processor():
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def number(value, unit):
    if unit == PERCENT:
        return f"{value:.1f} %"
    for size, name in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 100:
            return f"{value / size:,.1f} {name}{'B' if unit == 'bytes' else ' ns'}"
    return f"{value:,.1f} {'B' if unit == 'bytes' else unit}" if value < 1000 else f"{value:,.0f} {'B' if unit == 'bytes' else unit}"


def spread(one):
    if one is None:
        return ""
    unit = one["unit"]
    return f"{number(one['median'], unit)} ({number(one['min'], unit)} – {number(one['max'], unit)})"


def best(one):
    return "" if one is None or one["best_batch"] is None else number(one["best_batch"], one["unit"])


def table(results):
    lines = [
        "| row | original | ours | original ÷ ours | best batch: original | ours |",
        "|---|---|---|---|---|---|",
    ]
    for row, sides in results.items():
        ratio = sides.get("ratio")
        shown = "" if ratio is None else f"**{ratio['median']:.2f}** ({ratio['min']:.2f} – {ratio['max']:.2f})"
        if sides["ours"]["unit"] == PERCENT:
            shown = ""
        original = sides.get("original")
        lines.append(
            f"| `{row}` | {spread(original)} | {spread(sides['ours'])} | {shown} | {best(original)} | {best(sides['ours'])} |"
        )
    return "\n".join(lines) + "\n"


def plot(results, path):
    try:
        import matplotlib
    except ImportError:
        print("no plot: there is no matplotlib", file=sys.stderr)
        return
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "plasma-rs"
    from matplotlib import pyplot

    rows = [row for row, sides in results.items() if sides.get("ratio") and sides["ours"]["unit"] != PERCENT]
    if not rows:
        return
    figure, axes = pyplot.subplots(figsize=(9, 0.38 * len(rows) + 1.4))
    places = range(len(rows))
    medians = [results[row]["ratio"]["median"] for row in rows]
    below = [results[row]["ratio"]["median"] - results[row]["ratio"]["min"] for row in rows]
    above = [results[row]["ratio"]["max"] - results[row]["ratio"]["median"] for row in rows]
    colors = ["#2a7f62" if median >= 1 else "#b3432b" for median in medians]
    axes.barh(places, medians, xerr=[below, above], color=colors, ecolor="#444444", capsize=2)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(list(places), rows)
    axes.invert_yaxis()
    axes.set_xlabel("original ÷ ours: median over the rounds, least and greatest")
    for place, row, median in zip(places, rows, medians):
        one = results[row]
        label = f" {median:.1f}×: {number(one['original']['median'], one['original']['unit'])} → {number(one['ours']['median'], one['ours']['unit'])}"
        axes.annotate(label, (max(one["ratio"]["max"], 1), place), va="center", fontsize=8)
    axes.set_xlim(min(0.5, min(one["ratio"]["min"] for one in results.values() if one.get("ratio"))),
                  max(one["ratio"]["max"] for one in results.values() if one.get("ratio")) * 12)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    runs, directory = sys.argv[1:]
    results = collections.OrderedDict()
    for row, sides in read(runs).items():
        results[row] = {side: summary(lines) for side, lines in sides.items()}
        if "original" in sides:
            results[row]["ratio"] = ratios(sides["ours"], sides["original"])
    machine = {"processor": processor(), "cores": os.cpu_count(), "kernel": platform.release()}
    with open(os.path.join(directory, "results.json"), "w") as file:
        json.dump({"machine": machine, "rows": results}, file, indent=1)
        file.write("\n")
    text = table(results)
    with open(os.path.join(directory, "table.md"), "w") as file:
        file.write(text)
    print(text, end="")
    plot(results, os.path.join(directory, "plot.svg"))


main()
