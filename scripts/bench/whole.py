"""A whole run in PyTorch as a user would write it: the data of a task, 2001 or 10,001 steps, both final losses.

whole.py TASK DATA; the images of the task pixel are read from the folder DATA, so that this run draws none.
"""
import sys

import numpy as np
from scipy.integrate import solve_ivp

task, folder = sys.argv[1:]
random = np.random.RandomState(0)


def spring():
    def derivative(t, y):
        return np.array([2 * y[1], -2 * y[0]])

    samples = []
    for _ in range(50):
        t = np.linspace(0, 3, 30)
        start = random.rand(2) * 2 - 1
        start *= (0.1 + 0.9 * random.rand()) / np.linalg.norm(start)
        y = solve_ivp(derivative, (0, 3), start, t_eval=t, rtol=1e-10).y
        dy = np.stack([derivative(None, v) for v in y.T])
        samples.append((y.T + 0.1 * random.randn(30, 2), dy))
    return halves(samples, 25)


def orbits(bodies, count, points, end):
    def derivative(t, y):
        q, p = y.reshape(2, 2, bodies)
        d = q[:, None, :] - q[:, :, None]
        r3 = ((d ** 2).sum(0) + np.eye(bodies)) ** 1.5
        return np.concatenate([p, (d / r3).sum(2)]).ravel()

    samples = []
    for _ in range(count):
        angle = 2 * np.pi * random.rand() + 2 * np.pi * np.arange(bodies) / bodies
        r = 0.9 + 0.3 * random.rand()
        speed = np.sqrt(sum(1 / (4 * np.sin(np.pi * k / bodies)) for k in range(1, bodies)) / r) * (1 + 0.1 * random.randn())
        start = np.concatenate([r * np.cos(angle), r * np.sin(angle), -speed * np.sin(angle), speed * np.cos(angle)])
        y = solve_ivp(derivative, (0, end), start, t_eval=np.linspace(0, end, points), rtol=1e-9).y.T
        samples.append((y, np.stack([derivative(None, v) for v in y])))
    return halves(samples, count * 4 // 5)


def halves(samples, train):
    x, dx = (np.concatenate(part).astype(np.float32) for part in zip(*samples))
    rows = len(x) * train // len(samples)
    return x[:rows], dx[:rows], x[rows:], dx[rows:]


if task != "pixel":
    data = spring() if task == "spring" else orbits(2, 1000, 50, 20) if task == "2body" else orbits(3, 5000, 20, 5)
    for name, rows in zip(("x", "dx", "test_x", "test_dx"), data):
        rows.tofile(f"{folder}/{task}-{name}-{len(rows)}x{rows.shape[1]}")

sys.argv = ["peers.py", "torch", task, "hnn", folder]
sys.stdin = ["step 2001" if task == "spring" else "step 10001"]
exec(open(__file__.replace("whole", "peers")).read())
