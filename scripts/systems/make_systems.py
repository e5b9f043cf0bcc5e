#!/usr/bin/env python3
"""Writes measured systems to learn, and the truth to score models against: make_systems.py --seed 0 --out FOLDER [NAME...]

For each system it writes:
  NAME.csv        the measurements: trajectory, t, q1..qn, p1..pn; u1 if an input drives the system; no p if only positions are measured.
                  ./train -data holds out the last 20% of the trajectories, or of the rows of a single trajectory.
  NAME-truth.csv  ten trajectories from unseen starts, dense, without noise and five times as long: the same columns, then p1..pn in any case and
                  E, the energy. For the measured pendulum: the last 20% of the rows, from five starts.
  NAME.json       n, dt, T (the duration of a trajectory), noise, friction (the rate at which p decays, per unit of t), angles (indices of q), wrapped
                  (whether the angles jump), inputs, scale and clock (units of the state and of t), turn (a full turn), seed
"""
import argparse
import csv
import json
import os

import numpy as np
from scipy.integrate import solve_ivp

PENDULUM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "datasets", "real_pend_h_1.txt")
TRAJECTORIES, LONGER = 10, 5  # of the truth
HELD = 0.5  # how long an input stays constant


class System:
    n, friction, angles, inputs = 1, 0.0, [], 0
    rows, dt, trajectories, noise = 101, 0.1, 20, 0.02
    dense = 0.05  # step of the truth
    momenta, wrapped = True, False  # whether p is measured, whether angles are given in (-π, π]
    scale, clock, turn = None, 1.0, 2 * np.pi  # units of the state and of t, a full turn

    def field(self, s, u): raise NotImplementedError
    def energy(self, s): raise NotImplementedError
    def start(self, rng): raise NotImplementedError
    def input(self, rng, duration): return None


class Damped(System):
    number, friction, angles = 0, 0.05, [0]
    def field(self, s, u): return np.array([s[1], -np.sin(s[0]) - self.friction * s[1]])
    def energy(self, s): return s[..., 1] ** 2 / 2 + 1 - np.cos(s[..., 0])
    def start(self, rng):
        while True:
            s = rng.uniform([-2.2, -1.5], [2.2, 1.5])
            if 0.2 < self.energy(s) < 1.6: return s


class Units(Damped):
    """The damped pendulum of 10 g on 25 cm, in degrees, milliseconds and kg m²/s. Its random numbers are those of Damped."""
    scale = np.array([180 / np.pi, 0.01 * 0.25 ** 2 * np.sqrt(9.81 / 0.25)])
    clock, turn = 1e3 * np.sqrt(0.25 / 9.81), 360.0


class Driven(System):
    number, friction, inputs = 1, 0.1, 1
    def field(self, s, u): return np.array([s[1], -s[0] - s[0] ** 3 - self.friction * s[1] + u])
    def energy(self, s): return s[..., 1] ** 2 / 2 + s[..., 0] ** 2 / 2 + s[..., 0] ** 4 / 4
    def start(self, rng): return rng.uniform([-1.2, -1.2], [1.2, 1.2])
    def input(self, rng, duration): return rng.uniform(-1.5, 1.5, int(np.ceil(duration / HELD)) + 1)


class DoublePendulum(System):
    """Unit masses, lengths and gravity, in canonical momenta: the mass matrix is [[2, c], [c, 1]] with c = cos(q1 - q2)."""
    number, n, noise, trajectories, angles = 2, 2, 0.0, 25, [0, 1]
    def field(self, s, u):
        q1, q2, p1, p2 = s
        c, d = np.cos(q1 - q2), np.sin(q1 - q2)
        v1, v2 = (p1 - c * p2) / (2 - c * c), (2 * p2 - c * p1) / (2 - c * c)
        return np.array([v1, v2, -d * v1 * v2 - 2 * np.sin(q1), d * v1 * v2 - np.sin(q2)])
    def energy(self, s):
        q1, q2, p1, p2 = np.moveaxis(s, -1, 0)
        c = np.cos(q1 - q2)
        return (p1 ** 2 + 2 * p2 ** 2 - 2 * c * p1 * p2) / (2 * (2 - c * c)) + 3 - 2 * np.cos(q1) - np.cos(q2)
    def start(self, rng): return np.concatenate([rng.uniform(-1.2, 1.2, 2), rng.uniform(-0.3, 0.3, 2)])


class HenonHeiles(System):
    number, n, noise, trajectories, rows, dt, dense = 3, 2, 0.01, 25, 201, 0.2, 0.1
    def field(self, s, u): return np.array([s[2], s[3], -s[0] - 2 * s[0] * s[1], -s[1] - s[0] ** 2 + s[1] ** 2])
    def energy(self, s):
        q1, q2, p1, p2 = np.moveaxis(s, -1, 0)
        return (p1 ** 2 + p2 ** 2 + q1 ** 2 + q2 ** 2) / 2 + q1 ** 2 * q2 - q2 ** 3 / 3
    def start(self, rng):
        while True:
            s = rng.uniform(-0.5, 0.5, 4)
            if 0.04 < self.energy(s) < 0.125 and s[1] < 0.9: return s


class Chain(System):
    """Three unit masses between two walls, on four unit springs."""
    number, n, noise, momenta = 4, 3, 0.01, False
    K = np.array([[2., -1, 0], [-1, 2, -1], [0, -1, 2]])
    def field(self, s, u): return np.concatenate([s[3:], -self.K @ s[:3]])
    def energy(self, s): return (s[..., 3:] ** 2).sum(-1) / 2 + np.einsum("...i,ij,...j->...", s[..., :3], self.K, s[..., :3]) / 2
    def start(self, rng): return rng.uniform(-1, 1, 6)


class Whirl(System):
    number, noise, angles, wrapped = 5, 0.01, [0], True
    def field(self, s, u): return np.array([s[1], -np.sin(s[0])])
    def energy(self, s): return s[..., 1] ** 2 / 2 + 1 - np.cos(s[..., 0])
    def start(self, rng):
        while True:
            s = rng.uniform([-np.pi, -3], [np.pi, 3])
            if 0.3 < self.energy(s) < 1.7 or 2.3 < self.energy(s) < 5: return s


class Pendulum(System):
    """The measured pendulum of Schmidt and Lipson; its energy is that of Greydanus et al."""
    def energy(self, s): return s[..., 1] ** 2 + 2.4 * (1 - np.cos(s[..., 0]))


SYSTEMS = {"pendulum-friction": Pendulum, "damped": Damped, "driven": Driven, "double-pendulum": DoublePendulum, "henon-heiles-noisy": HenonHeiles,
           "positions-only": Chain, "whirl": Whirl, "units": Units}


def wrap(angle, turn):
    """The angle in (-turn/2, turn/2]."""
    return -((-angle + turn / 2) % turn - turn / 2)


def solve(system, start, times, inputs):
    """The states at the times. Each of the inputs is held for HELD."""
    options = {"method": "DOP853", "rtol": 1e-11, "atol": 1e-12}
    if inputs is None:
        return solve_ivp(lambda t, s: system.field(s, None), (times[0], times[-1]), start, t_eval=times, **options).y.T
    states = np.empty((len(times), len(start)))
    states[0] = start
    rows = round(HELD / (times[1] - times[0]))
    for first in range(0, len(times) - 1, rows):
        part = times[first:first + rows + 1]
        states[first:first + rows + 1] = solve_ivp(lambda t, s: system.field(s, inputs[first // rows]), (part[0], part[-1]), states[first], t_eval=part, **options).y.T
    return states


def write(path, columns, rows):
    with open(path, "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(columns)
        for row in rows:
            w.writerow([x if isinstance(x, (int, str)) else format(x, ".10g") for x in row])


def describe(folder, name, system, **values):
    meta = {"name": name, "n": system.n, "noise": system.noise, "angles": system.angles, "wrapped": system.wrapped, "inputs": system.inputs,
            "scale": list(np.ones(2 * system.n) if system.scale is None else system.scale), "clock": system.clock, "turn": system.turn, **values}
    with open(f"{folder}/{name}.json", "w") as f:
        json.dump(meta, f)


def simulate(name, seed, folder):
    """Writes one of the simulated systems."""
    system = SYSTEMS[name]()
    rng = np.random.default_rng([seed, system.number])
    n, T = system.n, (system.rows - 1) * system.dt
    scale = np.ones(2 * n) if system.scale is None else system.scale
    q, p, u = ([f"{letter}{i + 1}" for i in range(count)] for letter, count in (("q", n), ("p", n), ("u", system.inputs)))

    def trajectory(times):
        inputs = system.input(rng, times[-1])
        states = solve(system, system.start(rng), times, inputs)
        return states, [[] if inputs is None else [inputs[i // round(HELD / times[1])]] for i in range(len(times))]

    rows, truth = [], []
    times = np.arange(system.rows) * system.dt
    for k in range(system.trajectories):
        states, inputs = trajectory(times)
        states = states + rng.normal(size=states.shape) * system.noise
        if system.wrapped:
            states[:, :n] = wrap(states[:, :n], system.turn)
        states = (states * scale)[:, :2 * n if system.momenta else n]
        rows += [[k + 1, t * system.clock, *s, *v] for t, s, v in zip(times, states, inputs)]
    write(f"{folder}/{name}.csv", ["trajectory", "t", *q, *(p if system.momenta else []), *u], rows)
    times = np.arange(round(LONGER * T / system.dense) + 1) * system.dense
    for k in range(TRAJECTORIES):
        states, inputs = trajectory(times)
        truth += [[k + 1, t * system.clock, *(s * scale), *v, e] for t, s, v, e in zip(times, states, inputs, system.energy(states))]
    write(f"{folder}/{name}-truth.csv", ["trajectory", "t", *q, *p, *u, "E"], truth)
    describe(folder, name, system, dt=system.dt * system.clock, T=T * system.clock, friction=system.friction / system.clock, seed=seed)


def measured(name, folder):
    """Writes the measured pendulum: all 556 rows, and the truth of the last 111, which begins anew every 22 rows."""
    table = np.loadtxt(PENDULUM, comments="%")
    t, s = table[:, 1] - table[0, 1], table[:, 2:4]
    write(f"{folder}/{name}.csv", ["trajectory", "t", "q1", "p1"], [[1, a, *b] for a, b in zip(t, s)])
    truth, first, every = [], len(t) - len(t) // 5, 22
    for k in range(5):
        begin = first + every * k
        truth += [[k + 1, a - t[begin], *b, e] for a, b, e in zip(t[begin:], s[begin:], Pendulum().energy(s[begin:]))]
    write(f"{folder}/{name}-truth.csv", ["trajectory", "t", "q1", "p1", "E"], truth)
    describe(folder, name, Pendulum, dt=t[1] - t[0], T=every * (t[1] - t[0]), noise=None, friction=None, angles=[0], seed=None)


def make(name, seed, folder):
    os.makedirs(folder, exist_ok=True)
    measured(name, folder) if name == "pendulum-friction" else simulate(name, seed, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="seed of the starts, the inputs and the noise")
    parser.add_argument("--out", required=True, metavar="FOLDER")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(SYSTEMS)} (default: all)")
    a = parser.parse_args()
    for name in a.names or SYSTEMS:
        make(name, a.seed, a.out)
