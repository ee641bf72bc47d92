"""What onnxruntime makes of exported generators is what they do themselves."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

import generators
from generators import export_log_prob, export_sampler
from generators.artifact import read_card
from generators.errors import ExportError, MissingExtraError, NotFittedError
from generators.export.operations import table
from generators.registry import bijection_kinds, create, generator_class, kinds
from generators.tabular.base import ConditionalDensity, FeatureDensity, NoiseSampler, TabularDensity, TabularGenerator
from generators.training.settings import TrainingSettings

from ..contracts import gaussian_events, name_of

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

Array = NDArray[np.float64]

TRAINING = {"steps": 8, "batch_size": 64, "learning_rate": 2e-2, "ema_decay": None}
TWO = {**TRAINING, "best_states": 2}
FIELD = {"hidden": 8, "layers": 1, "sampling_steps": 2, "density_steps": 1}
MEMBER = {"kind": "affine_coupling", "blocks": 1, "hidden": 8, "training": TRAINING}
needs_zuko = pytest.mark.skipif(importlib.util.find_spec("zuko") is None, reason="needs zuko")

#: Every kind, and of some kinds what takes another course.
CALOFLOW: dict[str, Any] = {
    "kind": "caloflow_teacher",
    "bijection": "quantile_normal",
    "blocks": 2,
    "hidden": 8,
    "bins": 4,
    "tail_bound": 5.0,
    "dropout": 0.0,
    "training": {**TRAINING, "epochs": None},
}

SPECIFICATIONS: tuple[dict[str, Any], ...] = (
    {"kind": "maf", "blocks": 2, "hidden": 8, "training": {**TWO, "epochs": None}},
    {"kind": "autoregressive_spline", "blocks": 2, "hidden": 8, "bins": 4, "training": TRAINING},
    {"kind": "autoregressive_spline", "spline": "quadratic", "blocks": 1, "hidden": 8, "training": TRAINING},
    {"kind": "coupling_spline", "blocks": 2, "hidden": 8, "bins": 4, "training": TRAINING},
    {"kind": "coupling_spline", "spline": "linear", "blocks": 1, "hidden": 8, "training": TRAINING},
    {"kind": "coupling_spline", "spline": "cubic", "blocks": 1, "hidden": 8, "bins": 3, "training": TRAINING},
    {"kind": "iaf", "blocks": 2, "hidden": 8, "training": TRAINING},
    {"kind": "affine_coupling", "blocks": 2, "hidden": 8, "training": TRAINING},
    {"kind": "gaussian_mixture", "components": 3, "hidden": 8, "training": TRAINING},
    {"kind": "linear_flow", "hidden": 8, "training": TRAINING},
    {"kind": "elementwise", "hidden": 8, "bins": 4, "training": TRAINING},
    {"kind": "planar", "blocks": 1, "hidden": 8, "training": TRAINING},
    {"kind": "radial", "blocks": 2, "hidden": 8, "training": TRAINING},
    {"kind": "residual", "blocks": 1, "hidden": 8, "layers": 1, "lipschitz": 0.5, "training": TRAINING},
    {"kind": "flow_matching", **FIELD, "training": TWO},
    {"kind": "flow_matching", "path": "straight", "solver": "rk4", **FIELD, "training": TRAINING},
    {"kind": "diffusion", **FIELD, "training": TRAINING},
    {"kind": "diffusion", "sampler": "ancestral", "schedule": "vp", **FIELD, "sampling_steps": 3, "training": TRAINING},
    {"kind": "consistency", "teacher": {"kind": "flow_matching", **FIELD, "training": TRAINING}, "training": TRAINING},
    {"kind": "progressive", "teacher": {"kind": "diffusion", **FIELD, "training": TRAINING}, "training": TRAINING},
    {
        "kind": "consistency",
        "sampling_steps": 2,
        "teacher": {"kind": "diffusion", **FIELD, "training": TRAINING},
        "training": TWO,
    },
    CALOFLOW,
    {"kind": "caloflow_student", "teacher": CALOFLOW, "hidden": 8, "dropout": 0.0, "training": CALOFLOW["training"]},
    {"kind": "ensemble", "members": 3, "generator": MEMBER},
    {"kind": "fpcd_attributes", "width": 8, "blocks": 1, "sampling_steps": 2, "training": TRAINING},
    {"kind": "point_count_fm", "widths": [8], "sampling_steps": 2, "density_steps": 1}
    | {"training": {**TRAINING, "epochs": None}},
    {"kind": "gan", "hidden": 8, "latent": 4, "training": TWO},
    {"kind": "vae", "hidden": 8, "latent": 2, "training": TRAINING},
    {
        "kind": "zuko",
        "flow": "NSF",
        "arguments": {"hidden_features": [8], "transforms": 1},
        "training": {**TRAINING, "learning_rate": 2e-3},
    },
)

#: Kinds whose samplers no graph is written for: attention that may draw, and matrices that are filled in place.
UNWRITTEN: tuple[dict[str, Any], ...] = (
    {"kind": "calodream_energies", "width": 16, "layers": 1, "feed": 8, "hidden": 8, "steps": 1, "training": TRAINING},
    {"kind": "patch_flow", "layers": [[2, 2]], "patch": [1, 2, 1], "width": 12, "depth": 1, "training": TRAINING},
    {"kind": "cylindrical_diffusion", "layers": [[1, 2], [2, 1]], "channels": [8, 8], "training": TRAINING},
    {"kind": "image_flow", "grid": [2, 2], "hidden": 4, "strides": [[1, 1], [2, 1]], "training": TRAINING},
)

#: Every bijection; the last column of `mixed_events` has whole numbers.
BIJECTIONS: tuple[Any, ...] = (
    "standardise",
    "logit",
    "quantile_normal",
    {"kind": "quantile_normal", "knots": 5},
    {"kind": "affine", "shift": 1.0, "scale": 2.0},
    {"kind": "columns", "maps": {"0": ["periodic", "quantile_normal"], "2": ["variational_dequantise", "standardise"]}},
    {"kind": "chain", "bijections": ["dequantise", "quantile_normal", "whiten"]},
    {
        "kind": "chain",
        "bijections": [{"kind": "atoms", "values": [3.0]}, "standardise", {"kind": "whiten", "order": 3}],
    },
    {"kind": "columns", "maps": {"2": [{"kind": "readout", "threshold": 0.5}, "standardise"]}},
    {"kind": "columns", "maps": {"2": [{"kind": "threshold", "threshold": 0.5}, "logarithm", "standardise"]}},
    {
        "kind": "chain",
        "bijections": [
            {"kind": "affine", "shift": -10.0},
            {"kind": "layer_ratios", "scale": 10.0, "order": [2, 0, 1]},
            "standardise",
        ],
    },
    {
        "kind": "chain",
        "bijections": [
            {"kind": "affine", "shift": -10.0},
            {"kind": "stick_breaking", "sizes": [1, 2]},
            {"kind": "columns", "maps": {"2": "unit_logit"}},
            "standardise",
        ],
    },
)


def events(n: int, seed: int) -> tuple[Array, Array]:
    """Three features, of which one is skewed."""
    x, c = gaussian_events(n, seed)
    return np.column_stack([x, np.exp(x[:, 0] + x[:, 1])]), c


#: Bijections whose inverse alone is written.
WITHOUT_DENSITY: tuple[dict[str, Any], ...] = (
    {"kind": "columns", "maps": {"2": "joint_levels"}},
    {"kind": "columns", "maps": {"2,1": {"kind": "gated", "levels": 1}}},
)


def mixed_events(n: int, seed: int) -> tuple[Array, Array]:
    """An angle, a normal feature and a count at two context columns, one of both signs."""
    rng = np.random.default_rng(seed)
    c = rng.uniform([2, -1], [4, 1], (n, 2))
    angle = np.remainder(c[:, 0] + rng.standard_normal(n), 2 * math.pi) - math.pi
    return np.column_stack([angle, c.sum(axis=1) + rng.standard_normal(n), rng.poisson(c[:, 0], n)]), c


@dataclass(frozen=True)
class Exported:
    """A generator and its files in onnxruntime."""

    generator: Any
    sampler: Any
    log_prob: Any

    @classmethod
    def of(cls, generator: Any, folder: Path) -> Exported:
        drawn = export_sampler(generator, folder / "sampler.onnx")
        known = isinstance(generator, FeatureDensity)
        return cls(
            generator, session(drawn), session(export_log_prob(generator, folder / "log_prob.onnx")) if known else None
        )

    def draw(self, **inputs: Array) -> Array:
        return evaluate(self.sampler, inputs)

    def density(self, **inputs: Array) -> Array:
        return evaluate(self.log_prob, inputs)


def session(path: Path) -> Any:
    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def evaluate(graph: Any, inputs: dict[str, Array]) -> Array:
    (out,) = graph.run(None, inputs)
    assert out.dtype == np.float64
    return np.asarray(out)


def exported(specification: dict[str, Any], x: Array, c: Array, folder: Path) -> Exported:
    return Exported.of(create(specification).fit(x, c, seed=1), folder)


def draws(generator: Any, c: Array, seed: int) -> tuple[dict[str, Array], NDArray[np.int64]]:
    """The noise with which `generator.sample` draws and the states that it takes, as inputs of the graph; the rows."""
    random = torch.Generator().manual_seed(seed)
    order, states = torch.randperm(len(c), generator=random).numpy(), len(generator.networks_)
    shape = generator.networks_[0].noise_shape
    parts = np.array_split(order, states)
    noise = [torch.randn((len(part), *shape), generator=random, dtype=torch.float64) for part in parts]
    inputs = {"context": c[order], "noise": torch.cat(noise).numpy()}
    if states > 1:
        state = np.repeat(np.arange(states), [len(part) for part in parts])
        inputs["choice"] = (state + np.random.default_rng(seed).random(len(c))) / states
    return inputs, order


def assert_same_draws(made: Exported, c: Array) -> None:
    inputs, rows = draws(made.generator, c, seed=len(c))
    expected = made.generator.sample(c, seed=len(c))[rows]
    assert_close(made.draw(**inputs), expected)


def assert_close(got: Array, expected: Array) -> None:
    # A number near zero is exact to the spread of its column.
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * max(1.0, float(np.std(expected))))


@pytest.fixture(
    scope="module",
    params=[pytest.param(s, marks=needs_zuko) if s["kind"] == "zuko" else s for s in SPECIFICATIONS],
    ids=name_of,
)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return exported(request.param, *events(200, seed=1), tmp_path_factory.mktemp("onnx"))


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A quick one with two states."""
    specification = {"kind": "affine_coupling", "blocks": 2, "hidden": 8, "training": TWO}
    return exported(specification, *events(200, seed=1), tmp_path_factory.mktemp("flow"))


def test_every_kind_is_among_them() -> None:
    tabular = {kind for kind in kinds() if issubclass(generator_class(kind), TabularGenerator)}
    assert {s["kind"] for s in (*SPECIFICATIONS, *UNWRITTEN)} >= {
        k for k in tabular if generator_class(k).__module__.startswith("gen")
    }
    assert not [kind for kind in bijection_kinds() if f"'{kind}'" not in str((BIJECTIONS, WITHOUT_DENSITY))]


@pytest.mark.parametrize("bijection", WITHOUT_DENSITY, ids=str)
def test_levels_are_drawn_by_a_graph_and_their_density_is_refused(bijection: Any, tmp_path: Path) -> None:
    specification = {"kind": "affine_coupling", "bijection": bijection, "blocks": 1, "hidden": 8}
    x, c = mixed_events(300, seed=1)
    x[:, 1] *= x[:, 2] != 0
    fitted = create({**specification, "training": TRAINING}).fit(x, c, seed=1)
    with pytest.raises(ExportError, match="can not be written"):
        export_log_prob(fitted, tmp_path / "never.onnx")
    made = Exported(fitted, session(export_sampler(fitted, tmp_path / "sampler.onnx")), None)
    c = mixed_events(40, seed=2)[1]
    assert_same_draws(made, c)
    assert set(made.draw(**draws(fitted, c, seed=3)[0])[:, 2].tolist()) <= set(x[:, 2].tolist())


@pytest.mark.parametrize("specification", UNWRITTEN, ids=name_of)
def test_what_has_no_graph_is_refused_by_name(specification: dict[str, Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    specification = {**specification, "training": {**TRAINING, "epochs": None}}
    fitted = create(specification).fit(rng.normal(size=(200, 4)), rng.uniform(1, 2, (200, 1)), seed=1)
    with pytest.raises(ExportError, match=f"'{specification['kind']}' can not be written"):
        export_sampler(fitted, tmp_path / "never.onnx")
    assert not list(tmp_path.iterdir())


class TestEveryKind:
    @pytest.mark.parametrize("rows", [1, 2, 60])
    def test_same_noise_gives_the_events_of_sample(self, made: Exported, rows: int) -> None:
        assert_same_draws(made, events(rows, seed=5)[1])

    @pytest.mark.parametrize("rows", [1, 2, 60])
    def test_log_prob_is_that_of_the_generator(self, made: Exported, rows: int) -> None:
        x, c = events(rows, seed=6)
        if made.log_prob is None:
            with pytest.raises(ExportError, match="is no density of feature vectors"):
                export_log_prob(made.generator, "never.onnx")
        else:
            assert_close(made.density(x=x, context=c), made.generator.log_prob(x, c))

    def test_rows_that_can_not_be_used_become_nan_and_harm_no_other(self, made: Exported) -> None:
        x, c = events(8, seed=7)
        inputs, _ = draws(made.generator, c, seed=7)
        broken = {**inputs, "context": inputs["context"].copy(), "noise": inputs["noise"].copy()}
        broken["context"][[0, 1], 0], broken["noise"][2].flat[-1] = [np.nan, -1.0], np.inf
        clean, got = made.draw(**inputs), made.draw(**broken)
        assert np.isnan(got[:3]).all()
        assert_close(got[3:], clean[3:])
        if made.log_prob is not None:
            clean = made.density(x=x, context=c)
            x[0, 1], c[1, 0], c[2, 0] = np.nan, np.inf, 0.0
            got = made.density(x=x, context=c)
            assert np.isnan(got[:3]).all()
            assert_close(got[3:], clean[3:])


@pytest.mark.parametrize("bijection", BIJECTIONS, ids=str)
def test_preprocessing_is_part_of_the_graph(bijection: Any, tmp_path: Path) -> None:
    specification = {"kind": "affine_coupling", "bijection": bijection, "blocks": 1, "hidden": 8, "training": TRAINING}
    made = exported(specification, *mixed_events(300, seed=1), tmp_path)
    for rows in (1, 40):
        x, c = mixed_events(rows, seed=2)
        assert_same_draws(made, c)
        assert_close(made.density(x=x, context=c), made.generator.log_prob(x, c))


def test_what_is_no_level_of_a_discrete_column_has_no_probability(tmp_path: Path) -> None:
    bijection = {"kind": "columns", "maps": {"2": ["dequantise", "standardise"]}}
    specification = {"kind": "linear_flow", "bijection": bijection, "hidden": 8, "training": TRAINING}
    x, c = mixed_events(300, seed=1)
    made = exported(specification, x, c, tmp_path)
    x[0, 2] = 1.5
    log_p = made.density(x=x, context=c)
    assert log_p[0] == -math.inf
    assert np.isfinite(log_p[1:]).all()
    inputs, _ = draws(made.generator, c, seed=1)
    assert (made.draw(**inputs)[:, 2] % 1 == 0).all()


def test_without_context_there_is_no_such_input(tmp_path: Path) -> None:
    x, _ = events(200, seed=1)
    none = np.empty((200, 0))
    made = exported({"kind": "coupling_spline", "blocks": 1, "hidden": 8, "training": TRAINING}, x, none, tmp_path)
    inputs, rows = draws(made.generator, none, seed=3)
    assert_close(made.draw(noise=inputs["noise"]), made.generator.sample(none, seed=3)[rows])
    assert_close(made.density(x=x), made.generator.log_prob(x, none))


class TestFile:
    def test_samples_have_the_density_of_the_other_file(self, flow: Exported) -> None:
        """E[q(x)/p(x)] = 1 over x drawn from p for every density q within its range, here a narrow normal one."""
        rng = np.random.default_rng(4)
        c = np.full((20_000, 1), 3.0)
        x = flow.draw(context=c, noise=rng.standard_normal((len(c), 3)), choice=rng.random(len(c)))
        low, middle, high = np.quantile(x, [0.2, 0.5, 0.8], axis=0)
        q = stats.norm(middle, (high - low) / 6).pdf(x).prod(axis=1)
        ratio = q / np.exp(flow.density(x=x, context=c))
        error = ratio.std() / math.sqrt(len(ratio))
        assert error < 0.05
        assert abs(ratio.mean() - 1) < 4 * error

    def test_choice_shares_the_events_among_the_states(self, flow: Exported) -> None:
        c, noise = np.full((4, 1), 3.0), np.tile([[0.3, -0.2, 0.1]], (4, 1))
        x = flow.draw(context=c, noise=noise, choice=np.array([0.0, 0.49, 0.5, 0.999]))
        assert (x[0] == x[1]).all()
        assert (x[2] == x[3]).all()
        assert not np.allclose(x[1], x[2])

    def test_says_what_it_is(self, flow: Exported, tmp_path: Path) -> None:
        generator = flow.generator
        generator.columns_, generator.units_ = ("a", "b", "c"), ("GeV", "", "")
        graph = session(export_sampler(generator, tmp_path / "a.onnx"))
        said = graph.get_modelmeta().custom_metadata_map
        assert (said["function"], said["kind"], said["states"]) == ("sampler", "affine_coupling", "2")
        assert (json.loads(said["columns"]), json.loads(said["units"])) == (["a", "b", "c"], ["GeV", "", ""])
        assert said["data_hash"] == generator.data_hash_
        card = read_card(generators.save(generator, tmp_path / "saved"))
        assert said["weights_hash"] == card.weights_hash
        assert said["package"].startswith("cathode-hep ")
        assert {i.name: (i.type, i.shape[1:]) for i in graph.get_inputs()} == {
            "context": ("tensor(double)", [1]),
            "noise": ("tensor(double)", [3]),
            "choice": ("tensor(double)", []),
        }
        assert {isinstance(i.shape[0], str) for i in (*graph.get_inputs(), *graph.get_outputs())} == {True}

    def test_of_a_loaded_generator_is_the_same_to_the_byte(self, flow: Exported, tmp_path: Path) -> None:
        again = export_log_prob(generators.load(generators.save(flow.generator, tmp_path / "saved")), tmp_path / "a")
        fresh = export_log_prob(flow.generator, tmp_path / "b")
        assert again.read_bytes() == fresh.read_bytes()

    def test_leaves_the_generator_as_it_was(self, flow: Exported, tmp_path: Path) -> None:
        c = events(20, seed=8)[1]
        before = flow.generator.sample(c, seed=1)
        export_sampler(flow.generator, tmp_path / "a" / "new" / "b.onnx")
        assert (flow.generator.sample(c, seed=1) == before).all()
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b.onnx"]


def quick_fit(**specification: Any) -> Any:
    return create({"training": TRAINING, **specification}).fit(*events(200, seed=1), seed=1)


ZUKO = {"hidden_features": [8], "transforms": 1}

REFUSED: dict[str, tuple[Callable[[], Any], Any, str]] = {
    "adaptive": (
        lambda: quick_fit(kind="flow_matching", solver="dopri5", hidden=8, layers=1),
        export_sampler,
        r"sampler of this 'flow_matching' .* solver 'dopri5' chooses its steps by the events, euler",
    ),
    "random trace": (
        lambda: quick_fit(kind="flow_matching", log_density="hutchinson", **FIELD),
        export_log_prob,
        r"log_prob of this 'flow_matching' .* 'hutchinson' takes random directions, 'exact' would do without",
    ),
    "other noise": (
        lambda: quick_fit(kind="zuko", flow="GMM", arguments={"components": 2, "hidden_features": [8]}),
        export_sampler,
        r"This 'zuko' draws in other ways than by a function of normal noise",
    ),
    "drawn again": (
        lambda: quick_fit(kind="zuko", flow="SOSPF", arguments={**ZUKO, "degree": 2, "polynomials": 2}),
        export_sampler,
        r"SOSPF has no image of some noise, which has to be drawn again",
    ),
    "unwritten": (
        lambda: quick_fit(kind="zuko", flow="GF", arguments={**ZUKO, "components": 2}),
        export_log_prob,
        r"nothing is written for aten\.erfinv",
    ),
    "no generator": (
        lambda: SimpleNamespace(kind="thing"),
        export_sampler,
        "'thing' is no generator of feature vectors",
    ),
}


class TestRefusal:
    @pytest.mark.parametrize("case", REFUSED)
    def test_is_named_and_leaves_nothing_behind(self, case: str, tmp_path: Path) -> None:
        made, export, message = REFUSED[case]
        for extra, cases in (("zuko", ("other noise", "drawn again", "unwritten")), ("torchdiffeq", ("adaptive",))):
            if case in cases:
                pytest.importorskip(extra)
        with pytest.raises(ExportError, match=message):
            export(made(), tmp_path / "new" / "file.onnx")
        assert not list(tmp_path.iterdir())

    def test_unfitted(self, tmp_path: Path) -> None:
        with pytest.raises(NotFittedError, match="'maf' has not been fitted"):
            export_sampler(create({"kind": "maf"}), tmp_path / "a.onnx")

    @pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
    def test_without_the_extra(
        self, flow: Exported, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else found(name))
        with pytest.raises(MissingExtraError, match=rf"need {package}, .*pip install 'cathode-hep\[onnx\]'"):
            export_sampler(flow.generator, tmp_path / "a.onnx")
        assert not list(tmp_path.iterdir())

    def test_a_file_that_does_not_agree_is_not_written(
        self, flow: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "a.onnx").write_text("an older one")
        monkeypatch.setitem(table._TABLE, torch.ops.aten.log, lambda w, out, x: w.node("Sqrt", x.name))
        with pytest.raises(ExportError, match=r"onnxruntime and torch differ on the log_prob of this .* of 200 rows"):
            export_log_prob(flow.generator, tmp_path / "a.onnx")
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.onnx", "an older one")]


class Line(NoiseSampler, ConditionalDensity):
    """A network of one's own, in single precision, that knows nothing of graphs."""

    def __init__(self, features: int, context: int) -> None:
        super().__init__()
        self.features = features
        self.mean = nn.Linear(context, features)

    def log_density(self, z: Tensor, c: Tensor) -> Tensor:
        return -0.5 * ((z - self.mean(c)).square() + math.log(2 * math.pi)).sum(dim=1)

    def transport(self, noise: Tensor, c: Tensor) -> Tensor:
        return self.mean(c) + noise.float()


@dataclass(kw_only=True, eq=False)
class Lines(TabularDensity):
    kind = "lines"
    training: TrainingSettings

    def build(self, shape: tuple[int, ...], context: int) -> Line:
        (features,) = shape
        return Line(features, context)


def test_a_generator_of_ones_own_is_exported_as_well(tmp_path: Path) -> None:
    x, c = events(200, seed=1)
    made = Exported.of(Lines(training=TrainingSettings(**TRAINING)).fit(x, c, seed=1), tmp_path)
    assert_same_draws(made, c)
    assert_close(made.density(x=x, context=c), made.generator.log_prob(x, c))
