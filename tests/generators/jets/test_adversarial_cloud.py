"""Adversarial generators of clouds: their contract, what no cloud may depend on, and sizes that are published."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from generators.errors import HyperparameterError
from generators.jets.adversarial_cloud import CloudCritic, CloudMaker, MeanNumber
from generators.jets.base import PT
from generators.jets.deep_tree_gan import DeepTreeGAN
from generators.jets.deep_tree_gan2 import DeepTreeGAN2
from generators.jets.epic_gan import EpicGAN
from generators.jets.held_out import DistanceToHeldOut
from generators.jets.igapt import IGAPT
from generators.jets.mdma import MDMA
from generators.jets.mpgan import MPGAN
from generators.jets.tnf import TransformerFlow
from generators.jets.tree import TreeOfPoints, branches_for, number_on_a_line
from generators.registry import create
from tests.generators.contracts import EventContract, quick
from tests.generators.test_clouds import POINTS, clouds, counts

_TRAINING = {"steps": 60, "batch_size": 128, "learning_rate": 3e-3, "ema_decay": 0.9}
ADVERSARIAL: tuple[dict[str, Any], ...] = (
    {"kind": "mpgan", "edges": [8, 8], "nodes": [8], "width": 8, "training": _TRAINING},
    {"kind": "epic_gan", "hidden": 12, "layers": 2, "multiplicity": 1, "training": _TRAINING},
    {"kind": "mdma", "width": 8, "hidden": 8, "critic_hidden": 8, "layers": 2, "heads": 2, "training": _TRAINING},
    {
        "kind": "igapt",
        "width": 8,
        "layers": 1,
        "critic_layers": 1,
        "heads": 2,
        "multiplicity": 1,
        "training": _TRAINING,
    },
    {"kind": "deep_tree_gan", "branches": [2, 3], "features": [8], "root": 8, "hidden": 12, "training": _TRAINING},
    {
        "kind": "deep_tree_gan2",
        "branches": [2, 3],
        "features": [8],
        "root": 8,
        "hidden": 12,
        "critic_hidden": 12,
        "pruned": [1],
        "heads": 2,
        "training": _TRAINING,
    },
    {
        "kind": "tnf",
        "blocks": 2,
        "flow_hidden": 12,
        "width": 8,
        "hidden": 8,
        "layers": 1,
        "heads": 2,
        "training": _TRAINING,
    },
)
#: Those whose points are exchangeable from the beginning; a tree has leaves that differ.
EXCHANGEABLE = ("mpgan", "epic_gan", "mdma", "igapt")
#: Parameters of makers and critics of the publications, for clouds of so many points and columns that critics know.
PUBLISHED = {
    "mpgan": (30, 0, 361_123, 355_617),
    "epic_gan": (30, 0, 424_850, 313_170),
    "mdma": (30, 0, 105_507, 52_864),
    # Of the first tree no number is published.
    "deep_tree_gan": (30, 0, None, 174_737),
    "deep_tree_gan2": (150, 3, 331_868, 1_711_020),
    "tnf": (30, 0, 38_579, 178_817),
}
#: Layers of MDMA that its code has and never calls: in every block a second layer for the token and one for the
#: condition, and a norm in front of the score.
DEAD = {"maker": 7 * (16 * 48 + 48 + 48), "critic": 2 * (16 * 64 + 64) + 2 * 16}


@pytest.fixture(scope="module", params=ADVERSARIAL, ids=lambda s: str(s["kind"]))
def specification(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


@pytest.fixture(scope="module")
def fitted(specification: dict[str, Any]) -> Any:
    return create(specification).fit(*clouds(1_500, seed=10), seed=1)


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


class TestClouds(EventContract):
    shape = (POINTS, 3)
    fitted_on = 1_500
    events = staticmethod(clouds)

    def test_numbers_are_given_or_follow_the_context(self, fitted: Any) -> None:
        x, c = clouds(2_000, seed=32)
        n = counts(fitted.sample(c, seed=7))
        if fitted.multiplicity is not None:
            assert np.array_equal(n, c[:, 1])
            return
        # 3 and 5 in truth, of which a moment's training gets a part.
        few, many = (n[some].mean() for some in (c[:, 0] < 3, c[:, 0] >= 3))
        assert n.mean() == pytest.approx(counts(x).mean(), abs=0.5)
        assert many - few > 0.4

    def test_present_ones_come_first_by_falling_pt(self, fitted: Any) -> None:
        drawn = fitted.sample(clouds(300, seed=33)[1], seed=8)
        assert (np.diff(drawn[..., PT], axis=1) <= 0).all()
        assert (drawn[drawn[..., PT] == 0] == 0).all()

    def test_no_cloud_depends_on_the_others_of_its_batch(self, fitted: Any) -> None:
        maker = fitted.networks_[0]
        noise, of_cloud, n, c = drawn_for(maker, 40)
        whole = maker.made(noise, of_cloud, n, c)
        for rows in (slice(3, 4), slice(10, 17)):
            alone = maker.made(noise[rows], of_cloud[rows], n[rows], c[rows])
            torch.testing.assert_close(alone, whole[rows], atol=2e-5, rtol=1e-4)

    def test_points_of_noise_are_exchangeable(self, fitted: Any, specification: dict[str, Any]) -> None:
        if specification["kind"] not in EXCHANGEABLE:
            return
        maker = fitted.networks_[0]
        noise, of_cloud, _, c = drawn_for(maker, 20)
        n, order = torch.full((20,), POINTS), torch.randperm(POINTS)
        one, other = (maker.made(each, of_cloud, n, c) for each in (noise, noise[:, order]))
        torch.testing.assert_close(one[:, order], other, atol=2e-5, rtol=1e-4)

    def test_critic_knows_no_order_no_padding_and_no_other_cloud(self, fitted: Any) -> None:
        """And sees what it is given: a cloud that differs has another score."""
        columns = 2
        torch.manual_seed(3)
        critic: CloudCritic = fitted.critic((POINTS, 3), columns).eval()
        c = torch.randn(6, columns)
        n = torch.tensor([1, 2, 4, 4, 6, 6])
        x = torch.randn(6, POINTS, 3) * (torch.arange(POINTS) < n[:, None])[..., None]
        known = torch.cat([c, n[:, None].float()], dim=1)
        scores = critic(x, known)
        assert scores.flatten().std() > 0
        mixed = torch.stack(
            [torch.cat([row[:k][torch.randperm(int(k))], row[k:]]) for row, k in zip(x, n, strict=True)]
        )
        torch.testing.assert_close(critic(mixed, known), scores, atol=1e-5, rtol=1e-4)
        for row in range(6):
            wider = torch.nn.functional.pad(x[row : row + 1], (0, 0, 0, 2))
            torch.testing.assert_close(critic(wider, known[row : row + 1]), scores[row : row + 1], atol=1e-5, rtol=1e-4)


def drawn_for(maker: CloudMaker, rows: int) -> tuple[torch.Tensor, ...]:
    """Noise, numbers and context for so many clouds."""
    torch.manual_seed(2)
    noise, of_cloud = torch.randn(rows, POINTS, maker.point_numbers), torch.randn(rows, maker.cloud_numbers)
    return noise, of_cloud, torch.randint(1, POINTS + 1, (rows,)), torch.rand(rows, 2) * 2 - 1


@pytest.mark.parametrize("kind", PUBLISHED)
def test_published_sizes(kind: str) -> None:
    points, columns, of_maker, of_critic = PUBLISHED[kind]
    with torch.device("meta"):
        generator = create({"kind": kind, "preset": "published", "multiplicity": 0})
        assert parameters(generator.critic((points, 3), columns)) == of_critic
        # A tree is told N apart, so that the column of it is none of its own; others get no column at all.
        context = int(isinstance(generator, TreeOfPoints))
        if of_maker is not None:
            # The flow that makes noise is counted apart.
            assert parameters(generator.build((points, 3), context).network) == of_maker


def test_published_code_of_mdma_has_layers_that_are_never_called() -> None:
    assert 105_507 + DEAD["maker"] == 111_555
    assert 52_864 + DEAD["critic"] == 55_072


@pytest.mark.slow
@pytest.mark.parametrize("kind", PUBLISHED)
def test_published_networks_make_a_step_and_a_sample(kind: str) -> None:
    x, c = clouds(300, seed=1)
    training = {"epochs": None, "steps": 1, "batch_size": 16}
    generator = create({"kind": kind, "preset": "published", "multiplicity": 1, "training": training})
    drawn = generator.fit(x, c, seed=1).sample(c[:10], seed=2)
    assert drawn.shape == (10, POINTS, 3)
    assert np.isfinite(drawn).all()


def test_mean_number_of_points_is_that_of_the_training_and_is_kept() -> None:
    x, c = clouds(400, seed=3)
    fitted = quick(ADVERSARIAL[2]).fit(x, c, seed=1)
    (known,) = [module for module in fitted.networks_[0].modules() if isinstance(module, MeanNumber)]
    # That of nine tenths of it: what is held out is not looked at by anything that is learned, but counted here.
    assert float(known.value) == pytest.approx(counts(x).mean(), rel=1e-5)


def test_distance_is_zero_for_the_truth_and_sees_a_wider_mass() -> None:
    x, c = clouds(1_000, seed=4)
    fitted = quick(ADVERSARIAL[0]).fit(x, c, seed=1)
    distance = DistanceToHeldOut(fitted.bijection_, watch=None, size=PT)  # type: ignore[arg-type]
    z = torch.randn(200, POINTS, 3)
    n = torch.full((200,), POINTS)
    summaries = distance.summaries(z, n)
    rows = fitted.bijection_.inverse(z.reshape(-1, 3).double()).reshape(200, POINTS, 3)
    pt = rows[..., PT].exp()
    # Of all pairs pT pT' ΔR², which is the squared mass of narrow jets.
    apart = (rows[:, :, None, :2] - rows[:, None, :, :2]).square().sum(dim=-1)
    mass = 0.5 * torch.einsum("ni,nj,nij->n", pt, pt, apart)
    torch.testing.assert_close(summaries[:, 0] ** 2, mass, rtol=1e-6, atol=1e-12)


def test_epochs_of_points_of_a_radius_are_chosen_by_their_energies() -> None:
    """Points of CaloPointFlow II: radius, energy and depth."""
    rng = np.random.default_rng(6)
    x, n = (
        np.stack([rng.random((500, POINTS)), rng.exponential(1, (500, POINTS)), rng.random((500, POINTS))], 2),
        POINTS,
    )
    training = {**_TRAINING, "steps": 1}
    fitted = quick({**ADVERSARIAL[2], "training": training, "size_column": 1}).fit(x, rng.random((500, 1)), seed=1)
    rule: list[DistanceToHeldOut] = []
    seen = DistanceToHeldOut.__call__

    def looked(self: DistanceToHeldOut, *of: Any) -> float:
        rule.append(self)
        return seen(self, *of)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DistanceToHeldOut, "__call__", looked)
        fitted.fit(x, rng.random((500, 1)), seed=1)
    z = torch.randn(200, n, 3)
    summaries = rule[0].summaries(z, torch.full((200,), n))
    rows = fitted.bijection_.inverse(z.reshape(-1, 3).double()).reshape(200, n, 3)
    torch.testing.assert_close(summaries[:, 1], rows[..., 1].exp().sum(dim=1), rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(summaries[:, 2], rows[..., 1].exp().square().sum(dim=1), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("number", [0, 1, -1])
def test_a_tree_is_told_the_number_of_points_once(number: int) -> None:
    maker = create({**ADVERSARIAL[4], "multiplicity": number}).build((POINTS, 3), 3).eval()
    noise, of_cloud, n, _ = drawn_for(maker, 20)
    c = torch.rand(20, 3)
    with torch.no_grad():
        made = maker.made(noise, of_cloud, n, c)
        for column in range(3):
            same = torch.equal(maker.made(noise, of_cloud, n, c + torch.eye(3)[column]), made)
            assert same == (column == number % 3)


@pytest.mark.parametrize("cls", [MPGAN, EpicGAN, MDMA, IGAPT, DeepTreeGAN, DeepTreeGAN2, TransformerFlow])
def test_wrong_hyperparameters_are_named(cls: type[Any]) -> None:
    for wrong in ({"loss": "none"}, {"critic_rate": 0.0}, {"matching": -1.0}, {"optimiser": "sgd"}, {"penalty": -1}):
        with pytest.raises(HyperparameterError, match=next(iter(wrong))):
            cls(**wrong)


@pytest.mark.parametrize(
    ("what", "match"),
    [
        ({"kind": "mpgan", "edges": []}, "edges = 0"),
        ({"kind": "mpgan", "nodes": [4, 0]}, r"nodes\[1\] = 0"),
        ({"kind": "mdma", "heads": 3}, "heads = 3"),
        ({"kind": "tnf", "heads": 3}, "heads = 3"),
        ({"kind": "igapt", "heads": 3}, "heads = 3"),
        ({"kind": "igapt", "dropout": 1.0}, "dropout = 1.0"),
        ({"kind": "tnf", "blocks": -1}, "blocks = -1"),
        ({"kind": "deep_tree_gan", "features": [3]}, "2 numbers, not 1"),
        ({"kind": "deep_tree_gan2", "dropout": 1.0}, "dropout = 1.0"),
        ({"kind": "mpgan", "preset": "huge"}, "no preset 'huge'. Known: small, published"),
        ({"kind": "epic_fm", "preset": "small"}, "has no hyperparameter 'preset'"),
    ],
)
def test_wrong_sizes_and_presets_are_named(what: dict[str, Any], match: str) -> None:
    with pytest.raises(HyperparameterError, match=match):
        create(what)


def test_what_is_given_has_precedence_over_a_preset() -> None:
    made = create({"kind": "mpgan", "preset": "published", "width": 7, "training": {"epochs": None, "steps": 9}})
    assert (made.width, made.edges, made.training.steps, made.training.batch_size) == (7, [96, 160, 192], 9, 256)
    assert "preset" not in made.hyperparameters()


def test_one_vector_of_noise_makes_a_cloud_too() -> None:
    """MP-LFC."""
    x, c = clouds(400, seed=5)
    fitted = quick({**ADVERSARIAL[0], "latent": 4}).fit(x, c, seed=1)
    assert fitted.networks_[0].cloud_numbers == 4
    assert np.isfinite(fitted.sample(c, seed=1)).all()


def test_the_last_branching_of_a_tree_is_as_wide_as_the_largest_cloud_needs() -> None:
    assert branches_for([2, 3, 5], 30) == [2, 3, 5]
    assert branches_for([2, 3, 5], 31) == [2, 3, 6]
    assert branches_for([2, 3], 2) == [2, 3]


def test_a_number_is_told_without_bounds() -> None:
    n = torch.arange(7)
    told = number_on_a_line(n, 6)[:, 0]
    torch.testing.assert_close(told.sigmoid() * 7 - 0.5, n.float())
    torch.testing.assert_close(told, -told.flip(0))


@pytest.mark.parametrize("what", ADVERSARIAL, ids=lambda what: str(what["kind"]))
def test_nothing_is_drawn_beyond_the_training(what: dict[str, Any]) -> None:
    x, context = clouds(300, seed=5)
    # Hardly trained, so that what it makes lies anywhere.
    fitted = create({**what, "training": {**_TRAINING, "steps": 2, "learning_rate": 0.3}}).fit(x, context, seed=3)
    drawn = fitted.sample(np.repeat(context, 3, axis=0), seed=4)
    true, made = x[x[..., PT] > 0], drawn[drawn[..., PT] > 0]
    room = 1e-5 * (true.max(axis=0) - true.min(axis=0))
    assert (made >= true.min(axis=0) - room).all()
    assert (made <= true.max(axis=0) + room).all()
