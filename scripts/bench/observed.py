"""Training steps of losses on observed steps in JAX and diffrax, for timing beside this program's: the models and losses of
docs/measured.md, with automatic differentiation. The files of observed.go hold the data, the parameters at the start, and the loss and its
gradient there."""
import glob

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optax


def read(prefix):
    """Returns the arrays in files named PREFIX-NAME-ROWSxCOLUMNS by name, with transposed weights of layers."""
    arrays = {}
    for path in glob.glob(f"{prefix}-*"):
        name, shape = path.removeprefix(f"{prefix}-").rsplit("-", 1)
        array = np.fromfile(path, np.float32).reshape(tuple(map(int, shape.split("x"))))
        arrays[name] = jnp.asarray(np.ascontiguousarray(array.T) if name.endswith(".weight") else array.ravel() if name.endswith(".bias") else array)
    return arrays


def part(arrays, prefix):
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def mlp(p, x):
    h = jnp.tanh(x @ p["linear1.weight"] + p["linear1.bias"])
    return jnp.tanh(h @ p["linear2.weight"] + p["linear2.bias"]) @ p["linear3.weight"]


def squares(p, x):
    """The sum over rows of a quadratic form, or of the quartic form of three layers."""
    *inner, last = (p[name] for name in sorted(p))
    for weight in inner:
        x = (x @ weight) ** 2 / 2
    return (x @ last).sum()


def energy(p, q, momenta):
    """The sum of H over rows. In two dimensions, q is an angle and the energy of the port-Hamiltonian network is separable."""
    angle = q.shape[1] == 1
    positions = jnp.concatenate([jnp.cos(q), jnp.sin(q)], 1) if angle else q
    state = jnp.concatenate([positions, momenta], 1)
    if "differentiable_model.linear1.weight" in p:
        return mlp(part(p, "differentiable_model."), state)[:, 1].sum()
    h = mlp(part(p, "energy."), positions if angle else state).sum() + (positions @ p["linear.linear1.weight"]).sum()
    h += squares(part(p, "kinetic."), momenta)
    return h if angle else h + squares(part(p, "elastic."), q) + squares(part(p, "stiffening."), q)


def field(p, x):
    q, momenta = jnp.split(x, 2, 1)
    by_q, by_p = jax.grad(energy, (1, 2))(p, q, momenta)
    force = -by_q
    if "friction.linear1.weight" in p:
        l = p["friction.linear1.weight"].reshape(2 * (q.shape[1],))
        force -= by_p @ (l @ l.T)
    return jnp.concatenate([by_p, force], 1)


def mirk4(p, x, dx, h):
    k1, k2 = field(p, x), field(p, x + h * dx)
    k3 = field(p, x + h * dx / 2 + h * (k1 - k2) / 8)
    return (((k1 + k2 + 4 * k3) / 6 - dx) ** 2).mean()


def windows(p, h, observed, weights):
    @jax.checkpoint  # faster than to keep what the steps compute
    def step(x, now):
        h, y, weight = now
        k1 = field(p, x)
        k2 = field(p, x + h / 2 * k1)
        k3 = field(p, x + h / 2 * k2)
        k4 = field(p, x + h * k3)
        x += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x, (weight * (x - y) ** 2).sum()

    first = (weights[0] * (p["starts"] - observed[0]) ** 2).sum()
    return first + jax.lax.scan(step, p["starts"], (h, observed[1:], weights[1:]))[1].sum()


class Kutta(diffrax.AbstractERK):
    """The classical Runge-Kutta method of order 4, which diffrax lacks; the estimate of its error is not used."""
    tableau = diffrax.ButcherTableau(c=np.array([1/2, 1/2, 1]), a_lower=(np.array([1/2]), np.array([0, 1/2]), np.array([0, 0, 1.])),
                                     b_sol=np.array([1, 2, 2, 1]) / 6, b_error=np.zeros(4))
    interpolation_cls = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

    def order(self, terms):
        return 4


def windows_diffrax(p, h, observed, weights):
    """The loss windows by diffrax, for rows at equal distances within a window. Time counts rows. One batched state is faster than vmap
    over windows. The adjoint equation is faster than differentiation of the steps; its gradient differs by 1e-6 here."""
    term = diffrax.ODETerm(lambda t, x, args: args[1] * field(args[0], x))
    rows = jnp.arange(1., len(observed))
    path = diffrax.diffeqsolve(term, Kutta(), 0, len(h), 1, p["starts"], (p, h[0]), saveat=diffrax.SaveAt(ts=rows), max_steps=len(h),
                               adjoint=diffrax.BacksolveAdjoint()).ys
    return (weights * (jnp.concatenate([p["starts"][None], path]) - observed) ** 2).sum()


def training(folder, name, model, framework):
    """Returns a function that makes a training step and returns its loss. The framework is jax, or diffrax for the losses windows."""
    arrays = read(f"{folder}/{name}-{model}")
    parameters, expected = part(arrays, "parameter."), part(arrays, "gradient.")
    if name == "mirk4":
        data = tuple(arrays[what] for what in ("x", "dx", "lengths"))

        def loss(p, rows, data):
            return mirk4(p, *(d[rows] for d in data))

        def draw(key):
            return jax.random.randint(key, (512,), 0, len(data[0]))
    else:
        parameters["starts"] = arrays["starts"]
        count, n = arrays["starts"].shape
        by_time = [arrays[what].reshape(count, -1, n).swapaxes(0, 1) for what in ("observed", "weights")]
        data = (arrays["lengths"].T[:, :, None], *by_time)

        def loss(p, rows, data):
            return windows_diffrax(p, *data) if framework == "diffrax" else windows(p, *data)

        def draw(key):
            return None

    value, gradient = jax.jit(jax.value_and_grad(loss))(parameters, jnp.arange(512), data)
    apart = {what: jnp.linalg.norm(gradient[what] - g) / jnp.linalg.norm(g) for what, g in expected.items()}
    apart["loss"] = abs(value / arrays["loss"].item() - 1)
    worst = max(apart, key=apart.get)
    if not apart[worst] <= 1e-4:
        raise SystemExit(f"the {worst} of {name} in {framework} differs by {apart[worst]:.1e} of its norm; at most 1e-4 is right")

    optimizer = optax.adam(1e-3)

    def step(state, data):
        parameters, moments, key = state
        key, drawn = jax.random.split(key)
        value, gradient = jax.value_and_grad(loss)(parameters, draw(drawn), data)
        updates, moments = optimizer.update(gradient, moments, parameters)
        return (optax.apply_updates(parameters, updates), moments, key), value

    step = jax.jit(step, donate_argnums=0)
    state = [(parameters, optimizer.init(parameters), jax.random.PRNGKey(0))]

    def run():
        state[0], value = step(state[0], data)
        return float(value)

    return run
