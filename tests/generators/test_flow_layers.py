"""Autoregressive and coupling layers of every univariate map, by the contract of all layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.flows.autoregressive import Autoregressive, Inverted
from generators.flows.coupling import Coupling, transformed_features
from generators.flows.quadratic_spline import QuadraticSpline
from generators.flows.rational_quadratic import RationalQuadratic
from generators.flows.univariate import Affine, Univariate
from generators.networks.made import MADE
from generators.networks.mlp import ParameterMLP

from .transform_contract import TransformContract

WIDTH = 12


def autoregressive(univariate: Univariate, features: int, context: int, *, reverse: bool = False) -> Autoregressive:
    made = MADE(
        features,
        WIDTH,
        context or None,
        num_blocks=1,
        output_multiplier=univariate.parameters,
        use_residual_blocks=False,
        activation=torch.tanh,
        see_context=True,
        reverse=reverse,
    )
    return Autoregressive(made, univariate)


def coupling(univariate: Univariate, features: int, context: int) -> Coupling:
    mask = transformed_features(0, features)
    net = ParameterMLP(
        features - sum(mask),
        context,
        hidden=WIDTH,
        layers=1,
        numbers=sum(mask),
        parameters=univariate.parameters,
        activation=functional.silu,
    )
    return Coupling(mask, net, univariate)


class _Steep(TransformContract):
    """Layers that can be as flat as 1e-3 and steeper than 1e3, in a direction that other features decide."""

    def accuracy(self, layer: nn.Module, x: Tensor, context: Tensor | None) -> Tensor | float:
        """By how much the inverse blows up a change of z in the last digit, found by trying in double precision."""
        precise = layer.double()
        wide, c = x.double(), None if context is None else context.double()
        z, _ = precise(wide, c)
        unit = 3e-6 if x.dtype == torch.float32 else 1e-11
        worst = torch.ones(len(x), dtype=torch.float64)
        for sign in (-1.0, 1.0):
            moved, _ = precise.inverse(z + sign * unit * (1 + z.abs()), c)
            worst = torch.maximum(worst, (moved - wide).abs().amax(dim=1) / unit)
        layer.to(x.dtype)
        return (worst * x.abs().amax(dim=1).clamp(min=1)).to(x.dtype)


class TestAutoregressiveSpline(_Steep):
    def make(self, features: int, context: int) -> nn.Module:
        return autoregressive(RationalQuadratic(5, 4.0), features, context)


class TestReversedAutoregressiveSpline(_Steep):
    def make(self, features: int, context: int) -> nn.Module:
        return autoregressive(RationalQuadratic(5, 4.0), features, context, reverse=True)


class TestAutoregressiveQuadraticSpline(_Steep):
    def make(self, features: int, context: int) -> nn.Module:
        return autoregressive(QuadraticSpline(5, 4.0), features, context)


class TestMaskedAffine(_Steep):
    def make(self, features: int, context: int) -> nn.Module:
        return autoregressive(Affine(), features, context)


class TestInverseAutoregressive(_Steep):
    def make(self, features: int, context: int) -> nn.Module:
        return Inverted(autoregressive(Affine(), features, context))


class TestCouplingSpline(_Steep):
    def make(self, features: int, context: int) -> nn.Module:
        # Wide, because a feature in the tails depends on nothing, and a single one is transformed.
        return coupling(RationalQuadratic(5, 12.0), features, context)


class TestAffineCoupling(_Steep):
    def make(self, features: int, context: int) -> nn.Module:
        return coupling(Affine(), features, context)
