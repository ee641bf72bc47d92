"""The flow of `densities.py` in flowjax, compiled by XLA, if it is installed: the peer with a compiler of its own.

One thread: XLA counts its own, so `XLA_FLAGS` is set before the first import of jax. Compiling is not counted, as for
the compiled flow of zuko.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Act = Callable[[], None]


def installed() -> bool:
    """Whether there is such a peer here."""
    return importlib.util.find_spec("flowjax") is not None


def step_and_draw(x: Array, c: Array, *, blocks: int, hidden: int, bins: int, bound: float) -> tuple[Act, Act]:
    """A training step on x (N, D) at c (N, 1), and drawing N samples; each waits for its result."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    import equinox as eqx  # type: ignore[import-not-found]
    import jax  # type: ignore[import-not-found]
    import jax.numpy as jnp  # type: ignore[import-not-found]
    import optax  # type: ignore[import-not-found]
    from flowjax.bijections import RationalQuadraticSpline  # type: ignore[import-not-found]
    from flowjax.distributions import StandardNormal  # type: ignore[import-not-found]
    from flowjax.flows import masked_autoregressive_flow  # type: ignore[import-not-found]
    from paramax import unwrap  # type: ignore[import-not-found]

    events, condition = jnp.asarray(x), jnp.asarray(c)
    flow = masked_autoregressive_flow(
        jax.random.key(0),
        base_dist=StandardNormal((x.shape[1],)),
        transformer=RationalQuadraticSpline(knots=bins - 1, interval=bound),
        cond_dim=c.shape[1],
        flow_layers=blocks,
        nn_width=hidden,
        nn_depth=2,
    )
    learned, fixed = eqx.partition(flow, eqx.is_inexact_array)
    optimiser = optax.adamw(1e-5)

    @jax.jit  # type: ignore[untyped-decorator]
    def update(learned: object, state: object) -> tuple[object, object]:
        def loss(learned: object) -> object:
            return -unwrap(eqx.combine(learned, fixed)).log_prob(events, condition).mean()

        gradients = jax.grad(loss)(learned)
        changes, state = optimiser.update(gradients, state, learned)
        return optax.apply_updates(learned, changes), state

    @jax.jit  # type: ignore[untyped-decorator]
    def drawn(learned: object) -> object:
        return unwrap(eqx.combine(learned, fixed)).sample(jax.random.key(1), (), condition)

    now = [learned, optimiser.init(learned)]

    def step() -> None:
        now[:] = jax.block_until_ready(update(*now))

    def draw() -> None:
        jax.block_until_ready(drawn(now[0]))

    return step, draw
