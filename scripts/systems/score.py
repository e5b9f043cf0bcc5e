#!/usr/bin/env python3
"""Scores predictions against the truth: score.py FOLDER NAME PREDICTIONS.csv

FOLDER is that of make_systems.py. PREDICTIONS.csv has the columns trajectory, t, q1.., p1.. and the rows of NAME-truth.csv, in their order.
The scores, in JSON:
  T, 5T    root mean square error in standard deviations of the truth, over the duration T of a training trajectory and over all rows (5 T; 3 T
           at most for the measured pendulum); each component's error counts at most 10
  valid    median over the trajectories of the time in T until the error of a row exceeds 0.2
  energy   median over the trajectories of the mean error of the true energy at the predicted states, in mean energies of the starts
"""
import csv
import json
import sys

import numpy as np

from make_systems import SYSTEMS, wrap

CAP, VALID = 10.0, 0.2


def table(path):
    """The columns of a CSV file by their names. An empty field is NaN."""
    with open(path, newline="") as f:
        rows = csv.reader(f)
        names = [name.strip() for name in next(rows)]
        columns = dict(zip(names, zip(*rows)))
    return {name: np.array(values if name == "trajectory" else [float(v or "nan") for v in values]) for name, values in columns.items()}


def load(folder, name):
    """The truth of a system and its description."""
    with open(f"{folder}/{name}.json") as f:
        return table(f"{folder}/{name}-truth.csv"), json.load(f)


def states(columns, n):
    return np.stack([columns[f"{letter}{i + 1}"] for letter in "qp" for i in range(n)], 1)


def groups(columns):
    """The rows of each trajectory."""
    return [np.flatnonzero(columns["trajectory"] == label) for label in dict.fromkeys(columns["trajectory"])]


def score(truth, predicted, meta):
    n, T, turn, t = meta["n"], meta["T"], meta["turn"], truth["t"]
    if len(t) != len(predicted["t"]) or np.abs(t - predicted["t"]).max() > 1e-6 * T:
        raise ValueError(f"{meta['name']}: the predictions have other times than the truth; they must have its rows, in its order")
    x, y = states(truth, n), states(predicted, n)
    inside = t <= T * (1 + 1e-9)
    seen, error = x[inside], y - x
    if meta["wrapped"]:
        seen[:, :n], error[:, :n] = wrap(seen[:, :n], turn), wrap(error[:, :n], turn)
    std = seen.std(0)
    error = np.minimum(np.abs(np.where(np.isfinite(error), error, np.inf)) / std, CAP)
    error = np.sqrt((error ** 2).mean(1))
    with np.errstate(all="ignore"):
        energy = SYSTEMS[meta["name"]]().energy(np.where(np.isfinite(y), y, 1e3 * std) / meta["scale"])
    rows = groups(truth)
    drift = np.abs(energy - truth["E"]) / np.mean([truth["E"][g[0]] for g in rows])
    drift = np.minimum(np.nan_to_num(drift, nan=CAP, posinf=CAP), CAP)

    def valid(g):
        over = np.flatnonzero(error[g] > VALID)
        return t[g][over[0] if len(over) else -1] / T

    def root(chosen):
        return np.sqrt(np.mean([(error[g][chosen[g]] ** 2).mean() for g in rows]))

    scores = {"T": root(inside), "5T": root(inside | True), "valid": np.median([valid(g) for g in rows]), "energy": np.median([drift[g].mean() for g in rows])}
    return {name: float(f"{v:.4g}") for name, v in scores.items()}


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    folder, name, predictions = sys.argv[1:]
    truth, meta = load(folder, name)
    print(json.dumps(score(truth, table(predictions), meta)))
