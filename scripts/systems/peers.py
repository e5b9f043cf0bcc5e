"""Other programs that learn a field from the same tables: pysindy, phlearn and node, a neural ODE with torchdiffeq.

A peer gets the rows that ./train gets: the first 80% of the trajectories, or of the rows of a single one. What ./train finds out by itself is
done for a peer by hand: angles are unwrapped, tables are cut where rows are missing, and momenta that were not measured are central differences."""
import itertools
import warnings

import numpy as np

from score import groups, states, table


def read(folder, name, meta):
    """The training trajectories (t, x, u)."""
    columns, n = table(f"{folder}/{name}.csv"), meta["n"]
    if "p1" not in columns:
        for i in range(n):
            columns[f"p{i + 1}"] = np.concatenate([np.gradient(columns[f"q{i + 1}"][g], columns["t"][g], edge_order=2) for g in groups(columns)])
    x = states(columns, n)
    u = np.stack([columns[f"u{i + 1}"] for i in range(meta["inputs"])], 1) if meta["inputs"] else np.empty((len(x), 0))
    rows = groups(columns)
    rows = [rows[0][:len(x) - len(x) // 5]] if len(rows) == 1 else rows[:len(rows) - len(rows) // 5]
    pieces = []
    for g in rows:
        for i in meta["angles"]:
            x[g, i] = np.unwrap(x[g, i], period=meta["turn"])
        steps = np.diff(columns["t"][g])
        cuts = np.flatnonzero(steps > 1.5 * np.median(steps)) + 1
        pieces += [(columns["t"][h], x[h], u[h]) for h in np.split(g, cuts) if len(h) > 9]
    return pieces


def rollout(field, starts, times, inputs, steps=2):
    """States (B, T, 2n) by so many Runge-Kutta steps of order 4 between two rows. Inputs are held from row to row. A state beyond 1e6 becomes NaN."""
    x, lost, path = starts, np.zeros((len(starts), 1), bool), [starts]
    with np.errstate(all="ignore"):
        for k, length in enumerate(np.diff(times)):
            u, h = inputs[:, k], length / steps
            for _ in range(steps):
                k1 = field(x, u)
                k2 = field(x + h / 2 * k1, u)
                k3 = field(x + h / 2 * k2, u)
                k4 = field(x + h * k3, u)
                x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
                lost |= ~(np.abs(x) < 1e6).all(1, keepdims=True)
                x = np.where(lost, 0, x)
            path.append(np.where(lost, np.nan, x))
    return np.stack(path, 1)


def predict(field, truth, meta):
    """The columns of the predictions for the rows of the truth."""
    x, n = states(truth, meta["n"]), meta["n"]
    y = np.empty_like(x)
    for length in {len(g) for g in groups(truth)}:
        rows = np.array([g for g in groups(truth) if len(g) == length])
        u = np.stack([truth[f"u{i + 1}"][rows] for i in range(meta["inputs"])], 2) if meta["inputs"] else np.empty((*rows.shape, 0))
        y[rows] = rollout(field, x[rows[:, 0]], truth["t"][rows[0]], u, 6 if meta["name"] == "pendulum-friction" else 2)
    names = [f"{letter}{i + 1}" for letter in "qp" for i in range(n)]
    return {"trajectory": truth["trajectory"], "t": truth["t"], **dict(zip(names, y.T))}


def friction(field, data, meta):
    """The rate at which p decays: the mean of -div(field)/n over training rows. It is the coefficient of p if the masses are constant."""
    x, u = (np.vstack([piece[i] for piece in data]) for i in (1, 2))
    x, u = x[::1 + len(x) // 1500], u[::1 + len(x) // 1500]
    total = 0.0
    for i, size in enumerate(1e-2 * x.std(0)):
        d = size * np.eye(x.shape[1])[i]
        total += ((field(x + d, u) - field(x - d, u))[:, i] / (2 * size)).mean()
    return float(-total / meta["n"])


def pysindy(data, meta, seed):
    """Sparse regression. Rollouts of the last fifth of the training pieces choose the library, the threshold and the differentiation; a fit to
    all pieces follows."""
    import pysindy as ps
    warnings.filterwarnings("ignore")
    n, m = meta["n"], meta["inputs"]

    def libraries():
        yield lambda: ps.PolynomialLibrary(2)
        yield lambda: ps.PolynomialLibrary(3)
        if meta["angles"]:
            yield lambda: ps.GeneralizedLibrary([ps.PolynomialLibrary(2), ps.FourierLibrary(1)], inputs_per_library=[list(range(2 * n + m)), meta["angles"]])

    def compiled(model):
        """The learned field: model.predict takes 10 ms for one state."""
        terms = [term.replace("^", "**").replace(" ", "*") for term in model.get_feature_names()]
        sums = ["+".join(f"{c!r}*{t}" for c, t in zip(row, terms) if c) or "0" for row in model.coefficients().tolist()]
        code = compile(f"[{','.join(sums)}]", "pysindy", "eval")

        def field(x, u):
            known = {f"{letter}{i}": v for letter, values in (("x", x), ("u", u)) for i, v in enumerate(values.T)}
            return np.stack([np.broadcast_to(v, len(x)) for v in eval(code, {"sin": np.sin, "cos": np.cos}, known)], 1)
        return field

    def learn(pieces, library, threshold, normalize, smooth):
        t, x, u = zip(*pieces)
        differences = ps.SmoothedFiniteDifference() if smooth else ps.FiniteDifference(order=2)
        model = ps.SINDy(optimizer=ps.STLSQ(threshold=threshold, normalize_columns=normalize), feature_library=library(), differentiation_method=differences)
        model.fit(list(x), t=list(t), u=list(u) if m else None)
        return compiled(model)

    held, scale = max(1, len(data) // 5), np.vstack([x for _, x, _ in data]).std(0)

    def error(settings):
        try:
            field = learn(data[:-held], *settings)
            errors = [(rollout(field, x[:1], t, u[None])[0] - x) / scale for t, x, u in data[-held:]]
            return np.mean([np.minimum(np.nan_to_num(np.abs(e), nan=10), 10) ** 2 for e in np.concatenate(errors)])
        except (ValueError, np.linalg.LinAlgError):  # the regression failed
            return np.inf

    settings = itertools.product(libraries(), (1e-3, 1e-2, 5e-2), (False, True), (False, True))
    return learn(data, *min(settings, key=error))


def phlearn(data, meta, seed):
    """A pseudo-Hamiltonian network with a learned constant friction of p: 100 epochs of batches of 32 pairs of rows, with the symmetric scheme of
    order 4. That scheme ignores inputs in phlearn: with an input, rk4 takes its place. The model is told that u1 acts on p1."""
    import torch
    from phlearn.phnns import HamiltonianNN, PseudoHamiltonianNN, R_estimator, train
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # the networks are too small for more
    n = meta["n"]
    model = PseudoHamiltonianNN(2 * n, hamiltonian_est=HamiltonianNN(2 * n, 100), dissipation_est=R_estimator([False] * n + [True] * n))
    tensor = lambda values: torch.tensor(np.concatenate(values), dtype=torch.float32)
    start, end = tensor([x[:-1] for _, x, _ in data]), tensor([x[1:] for _, x, _ in data])
    t0, t1 = tensor([t[:-1, None] for t, _, _ in data]), tensor([t[1:, None] for t, _, _ in data])

    def push(u):
        force = np.zeros((len(u), 2 * n))
        force[:, n:n + u.shape[1]] = u
        return force

    forces = tensor([push(u[:-1]) for _, _, u in data])
    model, _ = train(model, "rk4" if meta["inputs"] else "srk4", ((start, end, t0, t1, t1 - t0, forces), (end - start) / (t1 - t0)), epochs=100, batch_size=32, verbose=False)
    model.train(False)
    single = lambda values: torch.tensor(values, dtype=torch.float32)
    return lambda x, u: model.x_dot(single(x), torch.zeros(len(x), 1), single(push(u))).detach().numpy().astype(float)


def node(data, meta, seed):
    """A neural ODE: a network of two tanh layers of 64 for the scaled states' derivative, trained through windows of 10 rows by 1,500 steps of Adam."""
    import torch
    from torchdiffeq import odeint
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # the networks are too small for more
    d, m, points, batch, steps = 2 * meta["n"], meta["inputs"], 10, 256, 1500
    h = float(np.median(np.diff(data[0][0])))
    x, u = (np.vstack([piece[i] for piece in data]) for i in (1, 2))
    mean, std, force = x.mean(0), x.std(0), u.std(0)
    net = torch.nn.Sequential(torch.nn.Linear(d + m, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, d))
    rows = [(x[i:i + points], u[i:i + points]) for _, x, u in data for i in range(len(x) - points + 1)]
    windows = torch.tensor(np.array([(x - mean) / std for x, _ in rows]), dtype=torch.float32)
    inputs = torch.tensor(np.array([u / force for _, u in rows]), dtype=torch.float32)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        chosen = torch.randint(len(windows), (min(batch, len(windows)),))
        x, u, loss = windows[chosen, 0], inputs[chosen], 0.0
        for k in range(points - 1):  # inputs are held from row to row
            x = odeint(lambda t, x: net(torch.cat([x, u[:, k]], 1)), x, torch.tensor([0.0, 1.0]), method="rk4")[-1]
            loss = loss + ((x - windows[chosen, k + 1]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

    def field(x, u):
        with torch.no_grad():
            scaled = np.hstack([(x - mean) / std, u / force])
            return net(torch.tensor(scaled, dtype=torch.float32)).numpy() * std / h
    return field


PEERS = {"pysindy": pysindy, "phlearn": phlearn, "node": node}
