"""Optimal transport between many pairs of small weighted sets of points in the plane, compiled.

Successive shortest augmenting paths (Busacker, Gowen 1960) with potentials (Edmonds, Karp 1972): exact, and for some
tens of points faster than the call of a general solver.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analysis.compiled import compiled

# Of the mass that is moved: what rounding may leave behind.
_NOTHING = 1e-13


@compiled
def all_pairs(first: Any, second: Any, found: Any) -> None:
    """Fill found (N, M) with the distances of clouds (N, P, 3) and (M, Q, 3) of points (y, φ, mass).

    Work of moving mass, plus the difference of the masses times a distance of one.
    """
    n, m = first.shape[1] + 1, second.shape[1] + 1
    cost, flow = np.empty((n, m)), np.empty((m, n))
    supply, demand, u, v = np.empty(n), np.empty(m), np.empty(n), np.empty(m)
    far, before, done, reached = np.empty(m), np.empty(m, np.int64), np.empty(m, np.bool_), np.empty(n, np.int64)
    at = np.empty(n)
    for i in range(len(first)):
        for j in range(len(second)):
            rows, columns = _problem(first[i], second[j], cost, supply, demand)
            found[i, j] = _transport(
                cost[:rows, :columns],
                supply[:rows],
                demand[:columns],
                flow[:columns, :rows],
                u[:rows],
                v[:columns],
                far[:columns],
                before[:columns],
                done[:columns],
                reached[:rows],
                at[:rows],
            )


@compiled
def _problem(x: Any, y: Any, cost: Any, supply: Any, demand: Any) -> Any:
    """Points with mass, with what one side has less given to a point at a distance of one; the sizes of both sides."""
    rows, columns, left = 0, 0, 0.0
    for k in range(len(x)):
        if x[k, 2] > 0:
            supply[rows] = x[k, 2]
            left += x[k, 2]
            rows += 1
    for k in range(len(y)):
        if y[k, 2] > 0:
            demand[columns] = y[k, 2]
            left -= y[k, 2]
            columns += 1
    a = 0
    for k in range(len(x)):
        if x[k, 2] > 0:
            b = 0
            for m in range(len(y)):
                if y[m, 2] > 0:
                    cost[a, b] = math.sqrt((x[k, 0] - y[m, 0]) ** 2 + (x[k, 1] - y[m, 1]) ** 2)
                    b += 1
            a += 1
    if left < 0:
        supply[rows] = -left
        cost[rows, :columns] = 1.0
        rows += 1
    elif left > 0:
        demand[columns] = left
        cost[:rows, columns] = 1.0
        columns += 1
    return rows, columns


@compiled
def _transport(
    cost: Any,
    supply: Any,
    demand: Any,
    flow: Any,
    u: Any,
    v: Any,
    far: Any,
    before: Any,
    done: Any,
    reached: Any,
    at: Any,
) -> float:
    """Least Σ cost · flow; supply and demand are used up. Reduced costs cost − u − v stay positive, zero under flow."""
    n, m = cost.shape
    nothing = supply.sum() * _NOTHING
    flow[:] = 0.0
    u[:] = 0.0
    for j in range(m):
        v[j] = cost[:, j].min()
    for source in range(n):
        while supply[source] > nothing:
            sink = _shortest_path(source, cost, demand, flow, u, v, far, before, done, reached, at, nothing)
            if sink < 0:
                break
            _augment(source, sink, supply, demand, flow, before, reached)
    work = 0.0
    for i in range(n):
        for j in range(m):
            work += flow[j, i] * cost[i, j]
    return work


@compiled
def _shortest_path(
    source: int,
    cost: Any,
    demand: Any,
    flow: Any,
    u: Any,
    v: Any,
    far: Any,
    before: Any,
    done: Any,
    reached: Any,
    at: Any,
    nothing: float,
) -> int:
    """Nearest sink with demand, −1 if there is none; the path to it in `before` and `reached`; new potentials.

    `before[j]` is the source that sink j is reached from; `reached[i]` the sink whose flow from source i is taken back.
    """
    n, m = cost.shape
    done[:] = False
    reached[:] = -2
    reached[source], at[source] = -1, 0.0
    for j in range(m):
        far[j], before[j] = cost[source, j] - u[source] - v[j], source
    sink = -1
    length = 0.0
    while sink < 0:
        nearest, length = -1, math.inf
        for j in range(m):
            if far[j] < length and not done[j]:
                nearest, length = j, far[j]
        if nearest < 0:
            return -1
        done[nearest] = True
        if demand[nearest] > nothing:
            sink = nearest
            break
        for i in range(n):
            if reached[i] == -2 and flow[nearest, i] > 0:
                reached[i], at[i] = nearest, length
                start = length - u[i]
                for j in range(m):
                    there = start + (cost[i, j] - v[j])
                    if there < far[j] and not done[j]:
                        far[j], before[j] = there, i
    for i in range(n):
        if reached[i] != -2:
            u[i] += length - at[i]
    for j in range(m):
        if done[j]:
            v[j] -= length - far[j]
    return sink


@compiled
def _augment(source: int, sink: int, supply: Any, demand: Any, flow: Any, before: Any, reached: Any) -> None:
    """Send as much as fits along the path."""
    amount = min(supply[source], demand[sink])
    j = sink
    while before[j] != source:
        i = before[j]
        j = reached[i]
        amount = min(amount, flow[j, i])
    j = sink
    while True:
        i = before[j]
        flow[j, i] += amount
        if i == source:
            break
        j = reached[i]
        flow[j, i] -= amount
    supply[source] -= amount
    demand[sink] -= amount
