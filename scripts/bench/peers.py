"""The training step of the paper's models in PyTorch and in JAX, for timing beside this program's.

peers.py FRAMEWORK TASK MODEL DATA answers requests on its standard input: "step N" runs N training steps, each followed by one
evaluation of the test loss, both losses read to the host, and prints the seconds that they took; "field B N" evaluates the
vector field N times at B states. The losses on observed steps, mirk4, windows2 and windows4, have no test loss; observed.py has their steps
in JAX and diffrax. FRAMEWORK is torch, compile (torch.compile of the closed form), jax, diffrax, or, on a GPU, where losses are
read after every hundred steps, cuda and cuda-graph (the step in a CUDA graph); MODEL is hnn or baseline; DATA is a folder of raw
float32 arrays, NAME-ROWSxCOLUMNS.
"""
import glob
import os
import sys
import time

import numpy as np

framework, task, model, folder = sys.argv[1:]
HIDDEN, LATENT, RATE = 200, 2, 1e-3
BATCH = {"2body": 200, "3body": 600, "pixel": 200}.get(task)
DECAY = {"spring": 1e-4, "pend": 1e-4, "3body": 1e-4, "pixel": 1e-5}.get(task, 0)
threads = len(os.sched_getaffinity(0))


def load(name):
    path, = glob.glob(os.path.join(folder, f"{task}-{name}-*"))
    rows, columns = map(int, path.rsplit("-", 1)[1].split("x"))
    return np.fromfile(path, np.float32).reshape(rows, columns)


def with_torch():
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    on_gpu = framework.startswith("cuda")
    device = "cuda" if on_gpu else "cpu"

    class MLP(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.linear1, self.linear2 = nn.Linear(inputs, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
            self.linear3 = nn.Linear(HIDDEN, outputs, bias=False)

        def forward(self, x):
            return self.linear3(torch.tanh(self.linear2(torch.tanh(self.linear1(x)))))

    class Dynamics(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.network = MLP(n, n if model == "baseline" else 2)
            eye = torch.eye(n, device=device)
            self.permutation = torch.cat([eye[n // 2:], -eye[:n // 2]])

        def forward(self, x):
            if model == "baseline":
                return self.network(x)
            energy = self.network(x)[:, 1]
            gradient, = torch.autograd.grad(energy.sum(), x, create_graph=True)
            return gradient @ self.permutation.t()

    class Autoencoder(nn.Module):
        def __init__(self, pixels):
            super().__init__()
            sizes = [pixels, HIDDEN, HIDDEN, HIDDEN, LATENT, HIDDEN, HIDDEN, HIDDEN, pixels]
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
            self.dynamics = Dynamics(LATENT)

        def half(self, x, layers):
            h = torch.relu(layers[0](x))
            h = h + torch.relu(layers[1](h))
            h = h + torch.relu(layers[2](h))
            return layers[3](h)

        def encode(self, x):
            return self.half(x, self.layers[:4])

        def loss(self, x, following):
            z, z_next = self.encode(x), self.encode(following)
            reconstruction = ((x - self.half(z, self.layers[4:])) ** 2).mean()
            field = ((z_next - z - self.dynamics(z)) ** 2).mean()
            canonical = ((z[:, 1] - (z_next[:, 0] - z[:, 0])) ** 2).mean()
            return reconstruction + canonical + 0.1 * field

    def adam(parameters):
        return torch.optim.Adam(parameters, RATE, weight_decay=DECAY, **({"fused": True, "capturable": True} if on_gpu else {}))

    def draw(which):
        return torch.randperm(sizes[which])[:BATCH].to(device, non_blocking=True) if BATCH else None

    if task == "pixel":
        frames = torch.from_numpy(load("frames")).to(device)
        sets = [torch.from_numpy(load(name).astype(np.int64).ravel()).to(device) for name in ("train", "test")]
        sizes = [len(s) for s in sets]
        network = Autoencoder(2 * frames.shape[1]).to(device)

        def loss(which, rows):
            first = sets[which][rows]
            a, b, c = frames[first], frames[first + 1], frames[first + 2]
            return network.loss(torch.cat([a, b], 1), torch.cat([b, c], 1))
    else:
        sets = [[torch.from_numpy(load(name)).to(device) for name in names] for names in (("x", "dx"), ("test_x", "test_dx"))]
        sizes = [len(x) for x, _ in sets]
        for x, _ in sets:
            x.requires_grad_(model == "hnn")
        network = Dynamics(sets[0][0].shape[1]).to(device)

        def loss(which, rows):
            x, dx = sets[which]
            if rows is not None:
                x, dx = x[rows], dx[rows]
            return ((dx - network(x)) ** 2).mean()

    optimizer = adam(network.parameters())

    def update(train_rows, test_rows):
        train = loss(0, train_rows)
        train.backward()
        optimizer.step()
        optimizer.zero_grad()
        return train.detach(), loss(1, test_rows).detach()

    unread = []

    def read(train, test):
        unread.append((train, test))
        if len(unread) == 100:
            torch.stack([v for pair in unread for v in pair]).tolist()
            unread.clear()

    def step():
        train, test = update(draw(0), draw(1))
        if on_gpu:
            read(train, test)
        else:
            return train.item(), test.item()

    if framework == "cuda-graph":
        rows = [draw(0), draw(1)]
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(3):
                update(*rows)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            losses = update(*rows)

        def step():
            if BATCH:
                rows[0].copy_(draw(0)), rows[1].copy_(draw(1))
            graph.replay()
            read(*[v.clone() for v in losses])

    def field(batch):
        x = torch.randn(batch, network.permutation.shape[0], requires_grad=model == "hnn")
        return lambda: network(x).detach().numpy()

    if framework != "compile":
        return step, field

    # The closed form of the HNN's loss and gradient, in place of automatic differentiation, for the compiler.
    w1, b1, w2, b2, w3 = [p.detach().clone() for p in network.network.parameters()]
    parameters = [w1, b1, w2, b2, w3]
    permutation = network.permutation
    for p in parameters:
        p.grad = torch.zeros_like(p)
    optimizer = torch.optim.Adam(parameters, RATE, weight_decay=DECAY, fused=True)

    def forward(x, dx):
        h1 = torch.tanh(x @ w1.t() + b1)
        if model == "baseline":
            h2 = torch.tanh(h1 @ w2.t() + b2)
            residual = h2 @ w3.t() - dx
            return h1, h2, None, None, residual, (residual ** 2).mean()
        h2 = torch.tanh(h1 @ w2.t() + b2)
        c = w3[1] * (1 - h2 * h2)
        u = c @ w2
        residual = (u * (1 - h1 * h1)) @ w1 @ permutation.t() - dx
        return h1, h2, c, u, residual, (residual ** 2).mean()

    @torch.compile
    def gradients(x, dx):
        h1, h2, c, u, residual, loss = forward(x, dx)
        r = residual * (2 / residual.numel())
        if model == "baseline":
            d2 = (r @ w3) * (1 - h2 * h2)
            d1 = (d2 @ w2) * (1 - h1 * h1)
            return loss, d1.t() @ x, d1.sum(0), d2.t() @ h1, d2.sum(0), r.t() @ h2
        v = r @ permutation
        s = v @ w1.t()
        derivative = 1 - h1 * h1
        t1 = derivative * s
        t2 = t1 @ w2.t()
        d2 = -2 * h2 * c * t2
        a1 = derivative * (d2 @ w2 - 2 * h1 * u * s)
        g3 = ((1 - h2 * h2) * t2).sum(0)
        return (loss, (u * derivative).t() @ v + a1.t() @ x, a1.sum(0), c.t() @ t1 + d2.t() @ h1, d2.sum(0),
                torch.stack([torch.zeros_like(g3), g3]))

    compiled = torch.compile(lambda x, dx: forward(x, dx)[-1])

    @torch.no_grad()
    def closed_step():
        batches = []
        for x, dx in sets:
            if BATCH:
                rows = torch.randperm(len(x))[:BATCH]
                x, dx = x[rows], dx[rows]
            batches.append((x.detach(), dx))
        train, *found = gradients(*batches[0])
        for p, g in zip(parameters, found):
            p.grad = g
        optimizer.step()
        return train.item(), compiled(*batches[1]).item()

    return closed_step, None


def with_jax():
    import jax
    import jax.numpy as jnp
    import optax

    def draw(sizes, last_bias):
        layers = []
        for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
            rng = np.random.default_rng(i)
            weight = (rng.uniform(-1, 1, (a, b)) / np.sqrt(a)).astype(np.float32)
            layers.append((weight, np.zeros(b, np.float32) if last_bias or i < len(sizes) - 2 else None))
        return jax.tree.map(jnp.asarray, layers)

    def linear(layer, x):
        weight, bias = layer
        return x @ weight if bias is None else x @ weight + bias

    def network(layers, x):
        return linear(layers[2], jnp.tanh(linear(layers[1], jnp.tanh(linear(layers[0], x)))))

    def dynamics(layers, x):
        if model == "baseline":
            return network(layers, x)
        gradient = jax.grad(lambda y: network(layers, y)[:, 1].sum())(x)
        n = x.shape[1] // 2
        return jnp.concatenate([gradient[:, n:], -gradient[:, :n]], 1)

    def dynamics_layers(n):
        return draw([n, HIDDEN, HIDDEN, n if model == "baseline" else 2], False)

    # Rows are drawn with replacement: a permutation by sorting, as jax.random makes one, would take several times as long.
    if task == "pixel":
        frames = jnp.asarray(load("frames"))
        sets = [jnp.asarray(load(name).astype(np.int32).ravel()) for name in ("train", "test")]
        pixels = 2 * frames.shape[1]
        parameters = {"code": draw([pixels, HIDDEN, HIDDEN, HIDDEN, LATENT], True) + draw([LATENT, HIDDEN, HIDDEN, HIDDEN, pixels], True),
                      "dynamics": dynamics_layers(LATENT)}

        def half(layers, x):
            h = jax.nn.relu(linear(layers[0], x))
            h = h + jax.nn.relu(linear(layers[1], h))
            h = h + jax.nn.relu(linear(layers[2], h))
            return linear(layers[3], h)

        def loss(parameters, key, which, data):
            frames, sets = data
            first = sets[which][jax.random.randint(key, (BATCH,), 0, len(sets[which]))]
            a, b, c = frames[first], frames[first + 1], frames[first + 2]
            x = jnp.concatenate([a, b], 1)
            z = half(parameters["code"][:4], x)
            z_next = half(parameters["code"][:4], jnp.concatenate([b, c], 1))
            reconstruction = ((x - half(parameters["code"][4:], z)) ** 2).mean()
            field = ((z_next - z - dynamics(parameters["dynamics"], z)) ** 2).mean()
            canonical = ((z[:, 1] - (z_next[:, 0] - z[:, 0])) ** 2).mean()
            return reconstruction + canonical + 0.1 * field

        data = (frames, sets)
    else:
        data = [[jnp.asarray(load(name)) for name in names] for names in (("x", "dx"), ("test_x", "test_dx"))]
        parameters = dynamics_layers(data[0][0].shape[1])

        def loss(parameters, key, which, data):
            x, dx = data[which]
            if BATCH:
                rows = jax.random.randint(key, (BATCH,), 0, len(x))
                x, dx = x[rows], dx[rows]
            return ((dx - dynamics(parameters, x)) ** 2).mean()

    optimizer = optax.chain(optax.add_decayed_weights(DECAY), optax.adam(RATE))

    # One compiled call for the step and the evaluation, its state updated in place: the best that JAX offers here.
    def step(state, data):
        parameters, moments, key = state
        key, first, second = jax.random.split(key, 3) if BATCH else (key, None, None)
        train, gradient = jax.value_and_grad(loss)(parameters, first, 0, data)
        updates, moments = optimizer.update(gradient, moments, parameters)
        parameters = optax.apply_updates(parameters, updates)
        return (parameters, moments, key), jnp.stack([train, loss(parameters, second, 1, data)])

    step = jax.jit(step, donate_argnums=0)
    state = [(parameters, optimizer.init(parameters), jax.random.PRNGKey(0))]
    layers = jax.tree.map(jnp.copy, parameters["dynamics"] if task == "pixel" else parameters)

    def run():
        state[0], losses = step(state[0], data)
        return np.asarray(losses)

    def field(batch):
        x = np.random.default_rng(0).standard_normal((batch, layers[0][0].shape[0]), np.float32)
        compiled = jax.jit(dynamics)
        return lambda: np.asarray(compiled(layers, x))

    return run, field


if task in ("mirk4", "windows2", "windows4"):
    import observed
    step = observed.training(folder, task, model, framework)
else:
    step, field = with_jax() if framework == "jax" else with_torch()
fields = {}
for line in sys.stdin:
    what, *numbers = line.split()
    *batch, repetitions = map(int, numbers)
    work = step
    if what == "field":
        work = fields.setdefault(batch[0], field(batch[0])) if batch[0] not in fields else fields[batch[0]]
    begin = time.perf_counter()
    for _ in range(repetitions):
        work()
    print(time.perf_counter() - begin, flush=True)
