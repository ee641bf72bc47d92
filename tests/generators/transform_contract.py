"""The identities that every layer of a flow must satisfy, whatever its parameters."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call, jacrev, stack_module_state, vmap

SHAPES = ((1, 0), (1, 2), (2, 0), (3, 1), (5, 4))


class TransformContract:
    """Mix-in: a test class that fills `make` inherits all of it.

    `accuracy` is what the round trip of a row may lose against one, from what its numbers and its map are like.
    """

    def make(self, features: int, context: int) -> nn.Module:
        """An untrained layer."""
        raise NotImplementedError

    def accuracy(self, layer: nn.Module, x: Tensor, context: Tensor | None) -> Tensor | float:
        """Factor (N,) on the tolerance of the round trip."""
        return x.abs().amax(dim=1).clamp(min=1)

    def wild(self, features: int, context: int, *, scale: float = 1.0, seed: int = 0) -> nn.Module:
        """A layer whose parameters are random numbers of any size."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            layer = self.make(features, context).eval()
            for parameter in layer.parameters():
                parameter.data = scale * torch.randn_like(parameter)
        return layer.requires_grad_(False)

    def test_inverse_undoes_forward(self) -> None:
        # A function of its own for every heir: hypothesis keeps one history for each.
        @settings(max_examples=30, deadline=None, derandomize=True)
        @given(
            features=st.integers(1, 8),
            context=st.integers(0, 4),
            n=st.integers(0, 300),
            scale=st.sampled_from([0.0, 1.0, 5.0, 60.0]),
            seed=st.integers(0, 1 << 30),
        )
        def undone(features: int, context: int, n: int, scale: float, seed: int) -> None:
            layer = self.wild(features, context, scale=scale, seed=seed)
            for dtype, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-9)):
                layer = layer.to(dtype)
                x, c = (None if part is None else part.to(dtype) for part in rows(n, features, context, seed=seed))
                z, log_det = layer(x, c)
                back, inverse_log_det = layer.inverse(z, c)
                assert {t.dtype for t in (z, log_det, back, inverse_log_det)} == {dtype}
                assert z.shape == back.shape == x.shape
                assert log_det.shape == inverse_log_det.shape == (n,)
                allowed = self.accuracy(layer, x, c)
                assert ((back - x).abs().amax(dim=1) / allowed <= tolerance).all()
                if dtype == torch.float64:
                    assert ((log_det + inverse_log_det).abs() / allowed <= 1e-8 + 1e-9 * log_det.abs()).all()

        undone()

    @pytest.mark.parametrize(("features", "context"), SHAPES)
    @pytest.mark.parametrize("direction", ["forward", "inverse"])
    def test_log_determinant_is_that_of_autograd(self, features: int, context: int, direction: str) -> None:
        layer = self.wild(features, context).double()
        x, c = rows(12, features, context)

        def one(row: Tensor, at: Tensor) -> Tensor:
            out: Tensor = getattr(layer, direction)(row[None], at[None] if context else None)[0][0]
            return out

        jacobians = vmap(jacrev(one))(x, torch.zeros(12, 0) if c is None else c)
        sign, expected = torch.linalg.slogdet(jacobians)
        _, log_det = getattr(layer, direction)(x, c)
        assert (sign > 0).all()
        assert torch.allclose(log_det, expected, atol=1e-8)

    def test_gradient_of_the_inverse_is_that_of_finite_differences(self) -> None:
        layer = self.wild(2, 1, scale=0.7).double().requires_grad_(True)
        z, c = rows(4, 2, 1)
        names = [name for name, _ in layer.named_parameters()]

        def inverse(z: Tensor, c: Tensor, *values: Tensor) -> Any:
            named = dict(zip(names, values, strict=True))
            return functional_call(_Inverse(layer), {f"layer.{name}": value for name, value in named.items()}, (z, c))

        arguments = [t.detach().clone().requires_grad_() for t in (z, c, *layer.parameters())]
        assert torch.autograd.gradcheck(inverse, arguments, atol=1e-5, fast_mode=True)

    @pytest.mark.parametrize("direction", ["forward", "inverse"])
    @pytest.mark.parametrize("scale", [1.0, 60.0])
    def test_is_finite_with_finite_gradients_anywhere(self, direction: str, scale: float) -> None:
        layer = self.wild(3, 2, scale=scale).requires_grad_(True)
        x, c = (part.float() for part in rows(40, 3, 2))
        x[0], x[1], x[2], x[3] = 0.0, 1e30, -1e30, torch.tensor([1e30, 0.0, -1e-30])
        x.requires_grad_()
        y, log_det = getattr(layer, direction)(x, c)
        assert torch.isfinite(y).all()
        assert torch.isfinite(log_det).all()
        (y.tanh().sum() + log_det.sum()).backward()
        assert torch.isfinite(x.grad).all()
        assert all(torch.isfinite(parameter.grad).all() for parameter in layer.parameters())

    @pytest.mark.parametrize("direction", ["forward", "inverse"])
    def test_bad_row_spoils_only_itself_and_no_input_is_changed(self, direction: str) -> None:
        layer = self.wild(3, 1).double()
        x, c = rows(20, 3, 1)
        clean, clean_log_det = getattr(layer, direction)(x, c)
        spoilt = x.clone()
        spoilt[4, 1] = torch.nan
        before = spoilt.clone()
        y, log_det = getattr(layer, direction)(spoilt, c)
        assert torch.equal(before.nan_to_num(), spoilt.nan_to_num())
        assert torch.isnan(y[4]).any()
        rest = torch.arange(20) != 4
        assert torch.allclose(y[rest], clean[rest], rtol=1e-12, atol=1e-12)
        assert torch.allclose(log_det[rest], clean_log_det[rest], rtol=1e-12, atol=1e-12)
        assert {key: value.isnan().any() for key, value in layer.state_dict().items() if value.isnan().any()} == {}

    def test_every_context_matters(self) -> None:
        layer = self.wild(2, 3).double()
        x, c = rows(50, 2, 3)
        assert c is not None
        for column in range(3):
            other = c.clone()
            other[:, column] += 0.5
            assert (layer(x, c)[0] != layer(x, other)[0]).any(dim=1).all()

    @pytest.mark.parametrize("direction", ["forward", "inverse"])
    def test_members_of_an_ensemble_run_at_once(self, direction: str) -> None:
        """Under vmap over stacked parameters every member gives what it gives alone."""
        members = [self.wild(3, 1, seed=seed).double() for seed in range(3)]
        x, c = rows(30, 3, 1)
        parameters, buffers = stack_module_state(members)
        frame = copy.deepcopy(members[0]).to("meta") if direction == "forward" else members[0]
        module = frame if direction == "forward" else _Inverse(frame)
        prefix = "" if direction == "forward" else "layer."

        def run(state: dict[str, Tensor]) -> Any:
            return functional_call(module, {prefix + name: value for name, value in state.items()}, (x, c))

        at_once = vmap(run)({**parameters, **buffers})
        alone = [torch.stack(parts) for parts in zip(*(getattr(m, direction)(x, c) for m in members), strict=True)]
        for one, other in zip(at_once, alone, strict=True):
            assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("direction", ["forward", "inverse"])
    def test_is_one_graph_for_any_number_of_rows(self, direction: str) -> None:
        layer = self.wild(3, 1).double()
        x, c = rows(30, 3, 1)
        module = layer if direction == "forward" else _Inverse(layer)
        n = torch.export.Dim("n", min=2, max=4096)
        graph = torch.export.export(module, (x, c), dynamic_shapes=({0: n}, {0: n})).module()
        x, c = rows(47, 3, 1, seed=1)
        for one, other in zip(graph(x, c), module(x, c), strict=True):
            assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)


class _Inverse(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, z: Tensor, c: Tensor) -> Any:
        inverse: Any = self.layer.inverse
        return inverse(z, c)


def rows(n: int, features: int, context: int, *, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    """Values as they come behind a bijection and context in [−1, 1], in double precision."""
    generator = torch.Generator().manual_seed(seed)
    x = 2 * torch.randn(n, features, generator=generator, dtype=torch.float64)
    c = 2 * torch.rand(n, context, generator=generator, dtype=torch.float64) - 1
    return x, c if context else None
