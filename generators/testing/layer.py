"""What every layer of a flow must satisfy, whatever its parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, stack_module_state, vmap

from generators.testing.contract import Check, Contract, expect, run_all

SHAPES = ((1, 0), (1, 2), (2, 0), (3, 1), (5, 4))
DIRECTIONS = ("forward", "inverse")

#: (features, columns of context) -> an untrained layer.
MakeLayer = Callable[[int, int], nn.Module]
#: (layer, x, context) -> what the round trip of a row may lose, (N,), in units of the tolerance.
Accuracy = Callable[[nn.Module, Tensor, Tensor | None], Tensor | float]


def size_of_rows(layer: nn.Module, x: Tensor, context: Tensor | None) -> Tensor | float:
    """Rounding follows the largest number of a row x (N, D): (N,)."""
    return x.abs().amax(dim=1).clamp(min=1)


class LayerContract(Contract):
    """`make` gives an untrained layer; its parameters become random numbers of any size.

    `accuracy` is what the round trip of a row may lose against one, from what its numbers and its map are like.
    """

    def __init__(self, make: MakeLayer, *, accuracy: Accuracy = size_of_rows) -> None:
        self.make, self.accuracy = make, accuracy

    def wild(self, features: int, context: int, *, scale: float = 1.0, seed: int = 0) -> nn.Module:
        """A layer whose parameters are random numbers of this size."""
        return with_random_parameters(self.make, features, context, scale=scale, seed=seed)

    def check_inverse_undoes_forward(self) -> None:
        """For 30 layers of random sizes and parameters, in single and double precision."""
        rng = np.random.default_rng(1)
        for seed in range(30):
            features, context = int(rng.integers(1, 9)), int(rng.integers(0, 5))
            n, scale = (0, 1, 300)[seed % 3] if seed < 9 else int(rng.integers(2, 300)), (0.0, 1.0, 5.0, 60.0)[seed % 4]
            layer = self.wild(features, context, scale=scale, seed=seed)
            where = f"{features} features, {context} columns of context, {n} rows, parameters of size {scale:g}"
            for dtype, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-9)):
                self._round_trip(layer.to(dtype), rows(n, features, context, seed=seed), dtype, tolerance, where)

    def _round_trip(
        self,
        layer: nn.Module,
        numbers: tuple[Tensor, Tensor | None],
        dtype: torch.dtype,
        tolerance: float,
        where: str,
    ) -> None:
        x, c = numbers[0].to(dtype), None if numbers[1] is None else numbers[1].to(dtype)
        z, log_det = layer(x, c)
        back, inverse_log_det = _inverse(layer)(z, c)
        kinds = {t.dtype for t in (z, log_det, back, inverse_log_det)}
        expect(kinds == {dtype}, f"{where}: of {dtype} only that must come; it is {kinds}.")
        shapes = [t.shape for t in (z, back, log_det, inverse_log_det)]
        due = [x.shape, x.shape, x.shape[:1], x.shape[:1]]
        expect(
            shapes == due, f"{where}: z, x and both log-determinants must have the shapes {due}; they have {shapes}."
        )
        allowed = self.accuracy(layer, x, c)
        lost = (back - x).abs().amax(dim=1) / allowed
        expect((lost <= tolerance).all(), f"{where}: inverse(forward(x)) is not x to {tolerance:g} in {dtype}.")
        if dtype == torch.float64:
            left = (log_det + inverse_log_det).abs() / allowed
            kept = (left <= 1e-8 + 1e-9 * log_det.abs()).all()
            expect(kept, f"{where}: log-determinants of forward and inverse do not cancel.")

    def check_log_determinant_is_that_of_autograd(self) -> None:
        """In both directions; the determinant is positive."""
        for features, context in SHAPES:
            layer = self.wild(features, context).double()
            x, c = rows(12, features, context)
            for direction in DIRECTIONS:

                def one(row: Tensor, at: Tensor, where: str = direction, inner: nn.Module = layer) -> Any:
                    return getattr(inner, where)(row[None], at[None] if at.shape[0] else None)[0][0]

                jacobians = vmap(jacrev(one))(x, torch.zeros(12, 0) if c is None else c)
                sign, expected = torch.linalg.slogdet(jacobians)
                _, log_det = getattr(layer, direction)(x, c)
                where = f"{direction} of {features} features and {context} columns of context"
                expect((sign > 0).all(), f"{where}: the determinant must be positive.")
                off = float((log_det - expected).abs().max())
                expect(
                    torch.allclose(log_det, expected, atol=1e-8),
                    f"{where}: the log-determinant is up to {off:.2g} off that of the Jacobian.",
                )

    def check_gradient_of_the_inverse_is_that_of_finite_differences(self) -> None:
        """With respect to inputs, context and parameters."""
        layer = self.wild(2, 1, scale=0.7).double().requires_grad_(True)
        z, c = rows(4, 2, 1)
        names = [name for name, _ in layer.named_parameters()]

        def inverse(z: Tensor, c: Tensor, *values: Tensor) -> Any:
            named = dict(zip(names, values, strict=True))
            return functional_call(Inverse(layer), {f"layer.{name}": value for name, value in named.items()}, (z, c))

        arguments = [t.detach().clone().requires_grad_() for t in (z, *_present(c), *layer.parameters())]
        try:
            kept = torch.autograd.gradcheck(inverse, arguments, atol=1e-5, fast_mode=True)
        except RuntimeError as error:
            raise AssertionError(f"The gradient of the inverse is not that of finite differences: {error}") from error
        expect(kept, "The gradient of the inverse is not that of finite differences.")

    def check_is_finite_with_finite_gradients_anywhere(self) -> None:
        """At 0, at ±1e30, and with parameters of size 60."""
        for scale in (1.0, 60.0):
            for direction in DIRECTIONS:
                layer = self.wild(3, 2, scale=scale).requires_grad_(True)
                x, c = (part.float() for part in _present(*rows(40, 3, 2)))
                x[0], x[1], x[2], x[3] = 0.0, 1e30, -1e30, torch.tensor([1e30, 0.0, -1e-30])
                x.requires_grad_()
                y, log_det = getattr(layer, direction)(x, c)
                where = f"{direction} with parameters of size {scale:g}"
                expect(torch.isfinite(y).all(), f"{where}: a value is not finite.")
                expect(torch.isfinite(log_det).all(), f"{where}: a log-determinant is not finite.")
                (y.tanh().sum() + log_det.sum()).backward()
                gradients = [x.grad, *(parameter.grad for parameter in layer.parameters())]
                finite = all(g is not None and torch.isfinite(g).all() for g in gradients)
                expect(finite, f"{where}: a gradient is not finite, or there is none.")

    def check_bad_row_spoils_only_itself_and_no_input_is_changed(self) -> None:
        """A NaN stays where it is."""
        layer = self.wild(3, 1).double()
        x, c = rows(20, 3, 1)
        rest = torch.arange(20) != 4
        for direction in DIRECTIONS:
            clean, clean_log_det = getattr(layer, direction)(x, c)
            spoilt = x.clone()
            spoilt[4, 1] = torch.nan
            before = spoilt.clone()
            y, log_det = getattr(layer, direction)(spoilt, c)
            same = torch.equal(before.nan_to_num(), spoilt.nan_to_num())
            expect(same, f"{direction}: the input was changed.")
            expect(torch.isnan(y[4]).any(), f"{direction}: a NaN became a number.")
            for one, other in ((y, clean), (log_det, clean_log_det)):
                same = torch.allclose(one[rest], other[rest], rtol=1e-12, atol=1e-12)
                expect(same, f"{direction}: a NaN in one row changed others.")
            spoilt_state = [key for key, value in layer.state_dict().items() if value.isnan().any()]
            expect(not spoilt_state, f"{direction}: a NaN in one row entered {spoilt_state}.")

    def check_every_context_matters(self) -> None:
        """Every column of the context changes every row."""
        layer = self.wild(2, 3).double()
        x, c = _present(*rows(50, 2, 3))
        for column in range(3):
            other = c.clone()
            other[:, column] += 0.5
            changed = (layer(x, c)[0] != layer(x, other)[0]).any(dim=1).all()
            expect(changed, f"Column {column} of the context changes nothing.")

    def check_members_of_an_ensemble_run_at_once(self) -> None:
        """Under vmap over stacked parameters every member gives what it gives alone."""
        members = [self.wild(3, 1, seed=seed).double() for seed in range(3)]
        x, c = rows(30, 3, 1)
        parameters, buffers = stack_module_state(members)
        for direction in DIRECTIONS:
            empty = copy.deepcopy(members[0]).to("meta") if direction == "forward" else members[0]
            module = empty if direction == "forward" else Inverse(empty)
            prefix = "" if direction == "forward" else "layer."

            def run(state: dict[str, Tensor], module: nn.Module = module, prefix: str = prefix) -> Any:
                return functional_call(module, {prefix + name: value for name, value in state.items()}, (x, c))

            at_once = vmap(run)({**parameters, **buffers})
            alone = [torch.stack(parts) for parts in zip(*(getattr(m, direction)(x, c) for m in members), strict=True)]
            for one, other in zip(at_once, alone, strict=True):
                same = torch.allclose(one, other, rtol=1e-9, atol=1e-9)
                expect(same, f"{direction}: members give something else under vmap than alone.")

    def check_is_one_graph_for_any_number_of_rows(self) -> None:
        """torch.export records it once, for export and compilation."""
        layer = self.wild(3, 1).double()
        n = torch.export.Dim("n", min=2, max=4096)
        for direction in DIRECTIONS:
            module = layer if direction == "forward" else Inverse(layer)
            x, c = rows(30, 3, 1)
            try:
                graph = torch.export.export(module, (x, c), dynamic_shapes=({0: n}, {0: n})).module()
            except Exception as error:
                raise AssertionError(f"{direction} is not one graph for any number of rows: {error}") from error
            x, c = rows(47, 3, 1, seed=1)
            for one, other in zip(graph(x, c), module(x, c), strict=True):
                same = torch.allclose(one, other, rtol=1e-9, atol=1e-9)
                expect(same, f"{direction}: the graph gives something else than the layer.")


class Inverse(nn.Module):
    """The inverse of a layer as a module."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, z: Tensor, c: Tensor) -> Any:
        """Map z (N, D) back at context (N, C)."""
        return _inverse(self.layer)(z, c)


def _inverse(layer: nn.Module) -> Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]:
    inverse: Any = layer.inverse
    found: Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]] = inverse
    return found


def _present(*parts: Tensor | None) -> list[Tensor]:
    return [part for part in parts if part is not None]


def with_random_parameters(
    make: MakeLayer, features: int, context: int, *, scale: float = 1.0, seed: int = 0
) -> nn.Module:
    """An untrained layer whose parameters are normal random numbers of size `scale`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layer = make(features, context).eval()
        for parameter in layer.parameters():
            parameter.data = scale * torch.randn_like(parameter)
    return layer.requires_grad_(False)


def rows(n: int, features: int, context: int, *, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    """Values as they come behind a bijection and context in [−1, 1], in double precision."""
    generator = torch.Generator().manual_seed(seed)
    x = 2 * torch.randn(n, features, generator=generator, dtype=torch.float64)
    c = 2 * torch.rand(n, context, generator=generator, dtype=torch.float64) - 1
    return x, c if context else None


def layer_checks(make: MakeLayer, *, accuracy: Accuracy = size_of_rows) -> list[Check]:
    """What a layer of a flow must satisfy; `make` gives one of so many features and columns of context, untrained.

    `accuracy` gives the factor on the tolerance of the round trip of every row, for maps that can be steep.
    """
    return LayerContract(make, accuracy=accuracy).checks()


def check_layer(make: MakeLayer, *, accuracy: Accuracy = size_of_rows) -> None:
    """Run all of `layer_checks`.

    Raises
    ------
    AssertionError
        Names every check that failed.
    """
    run_all(layer_checks(make, accuracy=accuracy))
