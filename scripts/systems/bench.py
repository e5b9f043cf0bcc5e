#!/usr/bin/env python3
"""Trains this program, and peers beside it, on the measured systems of make_systems.py, and prints tables of the medians over the seeds. Run it in
the repository root after `make build`; `make bench-systems` does both."""
import argparse
import json
import os
import platform
import re
import subprocess
import time

import numpy as np

import make_systems
import peers
import score

OURS = "this program"
# What the program is to reach: errors over T and over 5 T, the relative error of the friction rate, the energy error, the valid time.
BARS = {
    "pendulum-friction": {"T": .020, "5T": .035},
    "damped": {"T": .006, "5T": .020, "rate": .03},
    "driven": {"T": .05, "5T": .50, "rate": .03, "valid": 2},
    "double-pendulum": {"T": .03, "5T": .12},
    "henon-heiles-noisy": {"T": .12, "5T": .50, "energy": .02},
    "positions-only": {"T": .08, "5T": .25},
    "whirl": {"T": .006, "5T": .030},
    "units": {"T": .006, "5T": .020, "rate": .03},
}


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def ours(folder, name, meta, truth, effort):
    """Trains the program's model and scores its predictions."""
    angles = [f"q{i + 1}" for i in meta["angles"] if not meta["wrapped"]]  # the program finds angles that jump
    table, runs, out = f"{folder}/{name}.csv", f"{folder}/runs", f"{folder}/{name}-predicted.csv"
    shared = ["-data", table, "-save-dir", runs, *(["-angles", ",".join(angles)] if angles else [])]
    begin = time.time()
    said = run(["./train", *shared, *([] if effort == 1 else ["-effort", str(effort)])])
    seconds = time.time() - begin
    run(["./predict", *shared, "-at", f"{folder}/{name}-truth.csv", "-out", out])
    rate = re.search(r"rate ([-+.e\d]+)", said)
    return {**score.score(truth, score.table(out), meta), "rate": float(rate[1]) if rate else 0.0, "seconds": seconds, "said": said.splitlines()[0]}


def peer(name, folder, system, meta, truth, seed):
    """Trains a peer and scores its predictions."""
    data = peers.read(folder, system, meta)
    begin = time.time()
    field = peers.PEERS[name](data, meta, seed)
    seconds = time.time() - begin
    return {**score.score(truth, peers.predict(field, truth, meta), meta), "rate": peers.friction(field, data, meta), "seconds": seconds}


def measure(a, results):
    """Adds the scores to results, by system, program and seed, and returns how many runs failed. The file keeps those of a run that is interrupted."""
    failed = 0
    for system in a.systems:
        for seed in a.seeds[:1] if system == "pendulum-friction" else a.seeds:  # seeds do not change the measured data
            folder = f"{a.out}/{seed}"
            make_systems.make(system, seed, folder)
            truth, meta = score.load(folder, system)
            for program in [OURS, *a.peers]:
                row = results.setdefault(system, {}).setdefault(program, {})
                if str(seed) in row:
                    continue
                try:
                    row[str(seed)] = ours(folder, system, meta, truth, a.effort) if program == OURS else peer(program, folder, system, meta, truth, seed)
                    row[str(seed)]["friction"] = meta["friction"]
                except Exception as e:  # the others go on
                    failed += 1
                    print(f"bench: {system}, {program}, seed {seed}: {type(e).__name__}: {e}", flush=True)
                    continue
                print(f"{system}, {program}, seed {seed}: {row[str(seed)]}", flush=True)
                with open(f"{a.out}/results.json", "w") as f:
                    json.dump(results, f, indent=1)
    return failed


def relative(scores):
    """The error of the friction rate in true rates."""
    return abs(scores["rate"] / scores["friction"] - 1)


def median(runs, key):
    return float(np.median([run[key] for run in runs]))


def number(value):
    return "10" if value >= 9.995 else f"{value:.3g}"


def processor():
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith("model name"):
                    return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def tables(a, results):
    """The tables in Markdown."""
    programs = [OURS, *a.peers]
    errors = ["| system | bar | " + " | ".join(programs) + " |", "|---" * (2 + len(programs)) + "|"]
    more = [f"| system | valid time in T | energy error | friction rate | true rate | energy and friction that {OURS} chose |", "|---" * 6 + "|"]
    times = ["| system | " + " | ".join(programs) + " |", "|---" * (1 + len(programs)) + "|"]
    for system in a.systems:
        runs = [[r for seed, r in results.get(system, {}).get(program, {}).items() if int(seed) in a.seeds] for program in programs]
        bar = BARS[system]
        missed = lambda name, value: " ✗" if name in bar and (value < bar[name] if name == "valid" else value > bar[name]) else ""
        pair = lambda r, mark: " / ".join(number(median(r, k)) + (missed(k, median(r, k)) if mark else "") for k in ("T", "5T")) if r else "–"
        errors.append(f"| {system} | {number(bar['T'])} / {number(bar['5T'])} | {' | '.join(pair(r, r is runs[0]) for r in runs)} |")
        times.append(f"| {system} | {' | '.join('%.0f' % median(r, 'seconds') if r else '–' for r in runs)} |")
        if runs[0]:
            valid, energy, rate = (median(runs[0], k) for k in ("valid", "energy", "rate"))
            off = missed("rate", float(np.median([relative(r) for r in runs[0]]))) if "rate" in bar else ""
            true = runs[0][0]["friction"]
            chosen = "; ".join(sorted({r["said"] for r in runs[0]}))
            more.append(f"| {system} | {valid:.2f}{missed('valid', valid)} | {number(energy)}{missed('energy', energy)} | {rate:.4g}{off} | "
                        f"{'not known' if true is None else f'{true:.4g}'} | {chosen} |")
    head = (f"Medians over seeds {', '.join(map(str, a.seeds))} (one run of the measured pendulum). {os.cpu_count()} processors ({processor()}), load "
            f"{os.getloadavg()[2]:.1f} in the last 15 minutes" + (f", effort {a.effort:g}" if a.effort != 1 else "") + ". ✗ misses the bar.")
    blocks = [[head], ["Error over T / over 5 T, in standard deviations"], errors, [f"More about {OURS}"], more, ["Seconds of training"], times]
    return "\n\n".join("\n".join(block) for block in blocks)


def main():
    names = lambda text: [name for name in text.split(",") if name]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-systems", type=names, default=list(BARS), help="names, separated by commas (default: all eight)")
    parser.add_argument("-seeds", type=lambda text: [int(seed) for seed in names(text)], default=[0, 1, 2], help="seeds of make_systems.py, separated by commas (default: 0,1,2)")
    parser.add_argument("-peers", type=names, default=[], help=f"{', '.join(peers.PEERS)}, separated by commas (default: none)")
    parser.add_argument("-effort", type=float, default=1, help="factor of the program's gradient steps")
    parser.add_argument("-out", default=".bench/systems-data", help="folder of the data, the models and results.json")
    parser.add_argument("-keep", action="store_true", help="keep what results.json has, and run only the rest")
    a = parser.parse_args()
    for given, known in ((a.systems, BARS), (a.peers, peers.PEERS)):
        for name in given:
            if name not in known:
                parser.error(f"there is no {name}; there are {', '.join(known)}")
    os.makedirs(a.out, exist_ok=True)
    results = {}
    if a.keep and os.path.exists(f"{a.out}/results.json"):
        with open(f"{a.out}/results.json") as f:
            results = json.load(f)
    failed = measure(a, results)
    print(f"\n{tables(a, results)}")
    if failed:
        raise SystemExit(f"bench: {failed} runs failed; the medians are of the others")


if __name__ == "__main__":
    main()
