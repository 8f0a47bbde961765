#!/usr/bin/env python3
"""From the runs of tools/bench.sh or tools/store-bench.sh to a table, a JSON file and a plot.

usage: plot_benchmarks.py RUNS.jsonl DIRECTORY

Writes results.json and table.md, and plot.svg where there is matplotlib and both sides were measured. Every figure
is the median over the rounds, with the least and the greatest; a ratio is that of the ratios of each round. Times are
those on a processor ("cpu"); the table has the ratio of the times that passed beside it.
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


def measured(result):
    return result.get("cpu", result["value"])


def elapsed(result):
    return result["value"]


def summary(results):
    values = [measured(result) for result in results]
    best = [result["best_cpu"] for result in results if "best_cpu" in result]
    tails = [result["p99"] for result in results if "p99" in result]
    deviations = [result["deviation"] for result in results if "deviation" in result]
    return {
        "unit": results[0]["unit"],
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "best_batch": min(best) if best else None,
        "p99": statistics.median(tails) if tails else None,
        "deviation": statistics.median(deviations) if deviations else None,
        "rounds": results,
    }


def ratios(ours, original, which):
    """How many times less ours is, round by round."""
    each = [which(b) / which(a) for a, b in zip(ours, original) if which(a) > 0]
    if not each:
        return None
    return {"median": statistics.median(each), "min": min(each), "max": max(each)}


def processor():
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


SCALES = {
    PERCENT: [(1, "%")],
    "ns": [(1e6, "ms"), (1e4, "µs"), (1, "ns")],
    "bytes": [(1e6, "MB"), (1, "B")],
}


def scaled(value, unit, like=None):
    """The value in the largest unit of which there is one, or in the one that another value has, and that unit."""
    like = value if like is None else like
    size, name = next((scale for scale in SCALES[unit] if abs(like) >= scale[0]), SCALES[unit][-1])
    value /= 1e3 if name == "µs" else size
    if abs(value) >= 1000:
        return f"{value:,.0f}", name
    return f"{value:.2f}" if name == "ns" and abs(value) < 10 else f"{value:.1f}", name


def number(value, unit):
    return " ".join(scaled(value, unit))


def spread(one):
    if one is None:
        return ""
    low, high = (scaled(one[end], one["unit"], one["median"])[0] for end in ("min", "max"))
    return f"{number(one['median'], one['unit'])} ({low} – {high})"


def best(one):
    return "" if one is None or one["best_batch"] is None else number(one["best_batch"], one["unit"])


def plain(value, unit):
    return "" if value is None else number(value, unit)


def percent(one):
    return "" if one is None or one["deviation"] is None else f"{100 * one['deviation']:.0f} %"


def store_table(results):
    """For runs that have no processor time: how long a client waited, and the deviation within a round as a part of the mean."""
    lines = ["| row | original | ours | original ÷ ours | p99: original | ours | deviation: original | ours |", "|---|---|---|---|---|---|---|---|"]
    for row, sides in results.items():
        ratio, original, ours = sides.get("ratio"), sides.get("original"), sides["ours"]
        shown = "" if ratio is None else f"**{ratio['median']:.2f}** ({ratio['min']:.2f} – {ratio['max']:.2f})"
        tail = plain(original["p99"], ours["unit"]) if original else ""
        deviations = " | ".join(percent(side) for side in (original, ours))
        lines.append(f"| `{row}` | {spread(original)} | {spread(ours)} | {shown} | {tail} | {plain(ours['p99'], ours['unit'])} | {deviations} |")
    return "\n".join(lines) + "\n"


def table(results):
    if not any("cpu" in result for sides in results.values() for result in sides["ours"]["rounds"]):
        return store_table(results)
    batches = any(sides["ours"]["best_batch"] for sides in results.values())
    lines = ["| row | original | ours | original ÷ ours | by the clock |", "|---|---|---|---|---|"]
    if batches:
        lines = [lines[0] + " best batch: original | ours |", lines[1] + "---|---|"]
    for row, sides in results.items():
        ratio, by_clock = sides.get("ratio"), sides.get("ratio_elapsed")
        shown = "" if ratio is None else f"**{ratio['median']:.2f}** ({ratio['min']:.2f} – {ratio['max']:.2f})"
        clock = "" if by_clock is None or sides["ours"]["unit"] != "ns" else f"{by_clock['median']:.2f}"
        if sides["ours"]["unit"] == PERCENT:
            shown = ""
        original = sides.get("original")
        line = f"| `{row}` | {spread(original)} | {spread(sides['ours'])} | {shown} | {clock} |"
        lines.append(line + (f" {best(original)} | {best(sides['ours'])} |" if batches else ""))
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
    # From 1 to either side: the length of a bar is the factor.
    axes.barh(places, [median - 1 for median in medians], left=1, xerr=[below, above], color=colors, ecolor="#444444", capsize=2)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(list(places), rows)
    axes.invert_yaxis()
    axes.set_xlabel("original ÷ ours: median over the rounds, least and greatest")
    for place, row, median in zip(places, rows, medians):
        one = results[row]
        label = f" {median:.2f}: {number(one['original']['median'], one['original']['unit'])} → {number(one['ours']['median'], one['ours']['unit'])}"
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
            for name, which in (("ratio", measured), ("ratio_elapsed", elapsed)):
                results[row][name] = ratios(sides["ours"], sides["original"], which)
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
