"""The expression language: equal to NumPy, three-valued about what is missing, and closed to everything else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import AnalysisError, BranchNotFoundError, ExpressionError, MissingValueError
from analysis.selection import compile_expression

EVENTS: dict[str, Any] = {
    "FatJet_pt": ak.Array([[500.0, 300.0], [200.0], [], [400.0, 100.0, 50.0]]),
    "FatJet_eta": ak.Array([[0.5, 0.3], [2.0], [], [-4.0, 1.0, 0.5]]),
    "Jet_pt": ak.Array([[30.0], [20.0, 10.0], [], []]),
    "nFatJet": np.array([2, 1, 0, 3], dtype=np.uint8),
    "MET_pt": np.array([1.0, 2.0, 3.0, 4.0], dtype=np.float32),
    "event": np.array([1, 2, 3, 2**63 + 4], dtype=np.uint64),
    "HLT": np.array([True, False, True, True]),
}


def value(text: str) -> list[Any]:
    """Values as Python objects, None where missing."""
    column = compile_expression(text).evaluate(EVENTS)
    flat = column.values.tolist()
    if column.missing is not None:
        flat = [None if m else v for v, m in zip(flat, column.missing.tolist(), strict=True)]
    if column.offsets is None:
        return flat
    return [flat[a:b] for a, b in zip(column.offsets[:-1], column.offsets[1:], strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FatJet_pt[0]", [500, 200, None, 400]),
        ("FatJet_pt[1]", [300, None, None, 100]),
        ("FatJet_pt[-1]", [300, 200, None, 50]),
        ("FatJet_pt[7]", [None] * 4),
        ("num(FatJet_pt)", [2, 1, 0, 3]),
        ("num(FatJet)", [2, 1, 0, 3]),
        ("FatJet_pt[FatJet_pt > 150]", [[500, 300], [200], [], [400]]),
        ("FatJet_eta[FatJet_pt > 150][0]", [0.5, 2, None, -4]),
        ("sum(FatJet_pt)", [800, 200, 0, 550]),
        ("max(FatJet_pt)", [500, 200, None, 400]),
        ("min(FatJet_pt)", [300, 200, None, 50]),
        ("max(FatJet_pt[0], 450, MET_pt)", [500, 450, None, 450]),
        ("any(FatJet_pt > 350)", [True, False, False, True]),
        ("all(FatJet_pt > 150)", [True, True, True, False]),
        ("FatJet_pt / FatJet_pt[1]", [[5 / 3, 1], [None], [], [4, 1, 0.5]]),
        ("where(num(FatJet) > 1, FatJet_pt[1], -1)", [300, -1, -1, 100]),
        ("1 < MET_pt <= 3", [False, True, True, False]),
        ("nFatJet - 2", [0, -1, -2, 1]),
        ("event % 2", [1, 0, 1, 0]),
        ("event == 9223372036854775812", [False, False, False, True]),
        ("HLT & (MET_pt > 1)", [False, False, True, True]),
        ("~HLT", [False, True, False, False]),
        ("not HLT or MET_pt > 3", [False, True, False, True]),
        ("-MET_pt ** 2", [-1, -4, -9, -16]),
        ("hypot(3, 4)", [5, 5, 5, 5]),
        ("atan2(0, MET_pt) + log10(100) + exp(0) + tanh(0)", [3, 3, 3, 3]),
        ("True", [True] * 4),
    ],
)
def test_value(text: str, expected: list[Any]) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FatJet_pt[0] > 0", [True, True, None, True]),
        ("not FatJet_pt[0] > 0", [False, False, None, False]),
        ("FatJet_pt[0] > 0 or MET_pt > 2", [True, True, True, True]),
        ("FatJet_pt[0] > 0 or MET_pt > 3", [True, True, None, True]),
        ("FatJet_pt[0] > 0 and MET_pt > 3", [False, False, False, True]),
        ("FatJet_pt[0] > 0 and MET_pt > 2", [False, False, None, True]),
    ],
)
def test_missing_is_the_third_truth_value(text: str, expected: list[Any]) -> None:
    assert value(text) == expected


def test_a_selection_fails_where_it_is_missing() -> None:
    for text in ("FatJet_pt[0] > 0", "not (FatJet_pt[0] > 1e9)"):
        assert compile_expression(text).passing(EVENTS).tolist() == [True, True, False, True]


@pytest.mark.parametrize("n", [3, 4, 5, 9])
@pytest.mark.parametrize("operator", ["and", "or", "&", "|"])
def test_chains_of_conditions_look_at_every_one(n: int, operator: str) -> None:
    """Conditions on floats and boolean branches, against Python event by event; no input is written into."""
    rng = np.random.default_rng(n)
    columns: dict[str, np.ndarray] = {f"x{i}": rng.random(200) for i in range(n)}
    columns |= {f"b{i}": rng.random(200) > 0.5 for i in range(n)}
    for array in columns.values():
        array.flags.writeable = False
    combine = all if operator in ("and", "&") else any
    text = f" {operator} ".join(f"(x{i} > 0.3)" if i % 2 else f"b{i}" for i in range(n))
    expected = [
        combine(columns[f"x{i}"][e] > 0.3 if i % 2 else columns[f"b{i}"][e] for i in range(n)) for e in range(200)
    ]
    assert compile_expression(text).passing(columns).tolist() == expected


def test_chained_comparisons_look_at_every_step() -> None:
    rng = np.random.default_rng(2)
    columns = {name: rng.random(500) for name in "xyzw"}
    rows = list(zip(*(columns[name].tolist() for name in "xyzw"), strict=True))
    assert compile_expression("0.1 < x < y < z < w < 0.9").passing(columns).tolist() == [
        0.1 < x < y < z < w < 0.9 for x, y, z, w in rows
    ]
    assert compile_expression("x < y < z").passing(columns).tolist() == [x < y < z for x, y, z, _ in rows]


def test_a_feature_that_is_missing_names_the_count() -> None:
    with pytest.raises(MissingValueError, match=r"'second' = 'FatJet_pt\[1\]' does not exist in 2 of 4"):
        compile_expression("FatJet_pt[1]").values(EVENTS, name="second")
    two = compile_expression("num(FatJet) >= 2").passing(EVENTS)
    assert compile_expression("FatJet_pt[1]").values(EVENTS, two).tolist() == [300, 100]


def test_narrow_integers_do_not_wrap() -> None:
    """NanoAOD counters are unsigned bytes: 2 - 3 is -1 and 200 + 100 is 300, not 255 and 44."""
    columns = {"n": np.array([2, 200], dtype=np.uint8)}
    assert compile_expression("n - 3").values(columns).tolist() == [-1, 197]
    assert compile_expression("n + 100").values(columns).tolist() == [102, 300]
    big = {"n": np.array([2**40], dtype=np.int64)}
    assert compile_expression("n * n").values(big).tolist() == [2.0**80]


def test_division_by_zero_is_never_a_silent_zero() -> None:
    columns = {"n": np.array([4, 5], dtype=np.int32), "d": np.array([0, 2], dtype=np.int32)}
    for text in ("n % d", "n // d", "n / d"):
        first, second = compile_expression(text).values(columns).tolist()
        assert not np.isfinite(first)
        assert second == {"%": 1, "//": 2, "/": 2.5}[text.split()[1]]


Columns = dict[str, np.ndarray]
Pair = tuple[str, Callable[[Columns], Any]]
BINARY = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.true_divide}
COMPARISONS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "!=": np.not_equal}
FUNCTIONS = {"abs": np.abs, "sqrt": np.sqrt, "exp": np.exp, "cos": np.cos, "sinh": np.sinh}


def combined(pattern: str, function: Callable[..., Any], *parts: Pair) -> Pair:
    """The text of an operation on expressions, and the same operation by NumPy."""
    return pattern.format(*(text for text, _ in parts)), lambda columns: function(*(f(columns) for _, f in parts))


@st.composite
def arithmetic(draw: st.DrawFn, depth: int = 3) -> Pair:
    kind = draw(st.sampled_from(["name", "number", "binary", "negative", "function", "power"])) if depth else "name"
    if kind == "name":
        name = draw(st.sampled_from(["x", "y", "n"]))
        return name, lambda columns: columns[name]
    if kind == "number":
        number = draw(st.sampled_from([2, 0.5, 7]))
        return str(number), lambda columns: np.float64(number)
    inner = draw(arithmetic(depth - 1))
    if kind == "negative":
        return combined("(-{})", np.negative, inner)
    if kind == "power":
        exponent = draw(st.sampled_from([2, 0.5, -1, 3]))
        return combined(f"({{}} ** {exponent})", lambda base: np.power(base, float(exponent)), inner)
    if kind == "function":
        name = draw(st.sampled_from(list(FUNCTIONS)))
        return combined(f"{name}({{}})", FUNCTIONS[name], inner)
    operator = draw(st.sampled_from(list(BINARY)))
    return combined(f"({{}} {operator} {{}})", BINARY[operator], inner, draw(arithmetic(depth - 1)))


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> Pair:
    kind = draw(st.sampled_from(["compare", "~", "not", "&", "|", "and", "or"])) if depth else "compare"
    if kind == "compare":
        operator = draw(st.sampled_from(list(COMPARISONS)))
        return combined(
            f"({{}} {operator} {{}})", COMPARISONS[operator], draw(arithmetic(depth=1)), draw(arithmetic(depth=1))
        )
    inner = draw(conditions(depth - 1))
    if kind in ("~", "not"):
        return combined(f"({kind} {{}})", np.logical_not, inner)
    function = np.logical_and if kind in ("&", "and") else np.logical_or
    return combined(f"({{}} {kind} {{}})", function, inner, draw(conditions(depth - 1)))


@settings(max_examples=200, deadline=None)
@given(st.one_of(arithmetic(), conditions()), st.integers(0, 2**32 - 1))
def test_expressions_equal_numpy(pair: Pair, seed: int) -> None:
    text, reference = pair
    rng = np.random.default_rng(seed)
    wide = {"x": rng.normal(0, 3, 50), "y": rng.uniform(0.1, 5, 50), "n": rng.integers(1, 9, 50).astype(float)}
    ours = compile_expression(text).evaluate({**wide, "n": wide["n"].astype(np.uint8)})
    with np.errstate(all="ignore"):
        expected = np.broadcast_to(reference(wide), 50)
    # The reference computes whole numbers as floats, whose zero has a sign: 1 / -(n - n) is infinite in either case.
    got, expected = (np.where(np.isinf(values), np.inf, values) for values in (ours.values, expected))
    np.testing.assert_allclose(got, expected, rtol=1e-12, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(-1e3, 1e3, width=32), max_size=4), min_size=1, max_size=12))
def test_lists_equal_python(lists: list[list[float]]) -> None:
    columns = {"v": ak.values_astype(ak.Array([*lists, [0.0]])[:-1], np.float32)}

    def ours(text: str) -> list[Any]:
        column = compile_expression(text).evaluate(columns)
        missing = np.zeros(len(column), dtype=bool) if column.missing is None else column.missing
        return [None if m else v for v, m in zip(column.values.tolist(), missing, strict=True)]

    assert ours("num(v)") == [len(v) for v in lists]
    assert ours("max(v)") == [max(v, default=None) for v in lists]
    assert ours("v[1]") == [v[1] if len(v) > 1 else None for v in lists]
    assert ours("v[-2]") == [v[-2] if len(v) > 1 else None for v in lists]
    assert ours("any(v > 1)") == [any(e > 1 for e in v) for v in lists]
    assert ours("num(v[v > 1])") == [sum(e > 1 for e in v) for v in lists]
    assert ours("sum(v)") == pytest.approx([sum(v) for v in lists])


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "FatJet_pt.__class__",
        "().__class__.__bases__",
        "lambda: 1",
        "(lambda x: x)(1)",
        "[x for x in MET_pt]",
        "{x: 1 for x in MET_pt}",
        "(x for x in MET_pt)",
        "getattr(MET_pt, 'dtype')",
        "eval('1')",
        "print(1)",
        "open('x')",
        "f'{MET_pt}'",
        "'text'",
        "b'text'",
        "1j",
        "None",
        "...",
        "{}",
        "(y := 3)",
        "await MET_pt",
        "yield",
        "MET_pt if HLT else 0",
        "MET_pt is MET_pt",
        "MET_pt in (1, 2)",
        "MET_pt @ MET_pt",
        "MET_pt << nFatJet",
        "nFatJet << 64",
        "nFatJet >> -1",
        "2 ** 10000000",
        "2 ** MET_pt",
        "MET_pt ** 1e300",
        "9" * 400,
        "9" * 5000,
        "abs(*MET_pt)",
        "abs(x=1)",
        "abs(MET_pt, 1)",
        "where(HLT, 1)",
        "sum()",
        "mjj()",
        "mjj(FatJet[0])",
        "mjj(FatJet[0] + FatJet[1], 3)",
        "MET_pt; MET_pt",
        "MET_pt = 1",
        "import os",
        "FatJet_pt[0:1]",
        "FatJet_pt[:, 0]",
        "FatJet_pt[1.5]",
        "FatJet_pt[99999999999]",
        "FatJet_pt[0",
        "-" * 200 + "1",
        "(" * 500 + "1" + ")" * 500,
        "1_000if HLT else 2",
        "\x00",
        "",
        "   ",
        None,
        3,
        [],
    ],
)
def test_what_is_not_in_the_language_is_refused(text: Any) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abFatJet_pt()[]{}.:,;=<>!&|~+-*/%@'\"\\0123456789eE #\n\tlambdaifornotin", max_size=60))
def test_any_text_is_an_expression_or_a_named_error(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        compile_expression(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("MET_pt > 1 & MET_pt < 3", r"write \(a > 1\) & \(b < 2\)"),
        ("FatJet[0].pt > 1", "written as 'FatJet_pt'"),
        ("FatJet_pt[:, 0] > 1", r"FatJet_pt\[0\]"),
        ("MET_pt if HLT else 0", r"where\(condition, a, b\)"),
        ("sqr(MET_pt)", "sqrt"),
    ],
)
def test_common_mistakes_get_a_hint(text: str, hint: str) -> None:
    with pytest.raises(ExpressionError, match=hint):
        compile_expression(text)


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        ("FatJet_ptt[0] > 1", BranchNotFoundError, "Nearest: 'FatJet_pt'"),
        ("FatJet > 1", ExpressionError, "collection"),
        ("mjj(Jet)", BranchNotFoundError, "'Jet_eta', which a function of 'Jet' needs"),
    ],
)
def test_unknown_names_are_found_before_reading(text: str, error: type[Exception], hint: str) -> None:
    with pytest.raises(error, match=hint):
        compile_expression(text).branches(EVENTS)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("FatJet_pt > 100", r"any\(...\)"),
        ("MET_pt", "compare it"),
        ("MET_pt and HLT", "nFatJet > 0"),
        ("nFatJet & 4", "nFatJet > 0"),
        ("any(FatJet_pt)", "nFatJet > 0"),
        ("MET_pt[0] > 1", "no element"),
        ("FatJet_pt[MET_pt > 1] > 1", "elements of the same list"),
        ("any(FatJet_pt > Jet_pt)", "different numbers of elements"),
        ("num(MET_pt) > 1", "no elements to count"),
    ],
)
def test_mistakes_of_shape_are_named(text: str, hint: str) -> None:
    with pytest.raises(ExpressionError, match=hint):
        compile_expression(text).passing(EVENTS)


def test_only_the_needed_branches_are_named() -> None:
    names = compile_expression("num(FatJet) >= 2 and FatJet_eta[0] < MET_pt and MET_pt > 3").branches(EVENTS)
    assert names == ("FatJet_pt", "FatJet_eta", "MET_pt")


@pytest.mark.parametrize("array", [ak.Array(["a", "b"]), ak.Array([[[1]], [[2]]]), ak.Array([{"x": 1}, {"x": 2}])])
def test_columns_that_are_not_numbers_are_refused(array: ak.Array) -> None:
    with pytest.raises(ExpressionError, match="one number, or one list of numbers"):
        compile_expression("v > 1").passing({"v": array})


def test_optional_and_regular_arrays_are_read() -> None:
    columns = {"o": ak.Array([1, None, 3]), "l": ak.Array([[1.0, None], [], [3.0]]), "r": np.arange(6).reshape(3, 2)}
    assert compile_expression("o > 0").passing(columns).tolist() == [True, False, True]
    assert compile_expression("l[1] > 0 or l[0] > 2").passing(columns).tolist() == [False, False, True]
    assert compile_expression("r[1]").values(columns).tolist() == [1, 3, 5]


SYMBOLS = [
    "FatJet_pt",
    "Jet_pt",
    "nFatJet",
    "MET_pt",
    "event",
    "HLT",
    "0",
    "1",
    "2.5",
    "-3",
    "18446744073709551615",
    "True",
]
PIECES = ["+", "-", "*", "/", "//", "%", "**", "<", ">=", "==", "and", "or", "not", "&", "|", "^", "~", "<<", ">>", ","]
CALLS = ["abs(", "sum(", "min(", "max(", "any(", "num(", "where(", "default(", "missing(", "isfinite(", "exp(", "("]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from([*SYMBOLS, *PIECES, *CALLS, ")", "[0]", "[-1]"]), max_size=12))
def test_any_text_has_a_value_or_a_named_error(words: list[str]) -> None:
    text = " ".join(words)
    with contextlib.suppress(AnalysisError):
        column = compile_expression(text).evaluate(EVENTS)
        assert len(column) == 4
        assert column.values.dtype.kind in "biuf"


def test_leading_jets_of_unsigned_momenta_are_the_hardest() -> None:
    """An unsigned 0 is the softest, not the hardest."""
    pt = [[0, 30, 20], [5], [7, 0, 9]]
    columns: dict[str, Any] = {"J_pt": ak.values_astype(ak.Array(pt), np.uint16)}
    columns |= {f"J_{name}": ak.Array([[0.1 * v for v in row] for row in pt]) for name in ("eta", "phi", "mass")}
    compiled = compile_expression("mj_light(J)").evaluate(columns)
    assert compiled.values[[0, 2]].tolist() == pytest.approx([2.0, 0.7])
    assert compiled.missing is not None
    assert compiled.missing.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("nFatJet > 1 & event < 3", r"write \(a > 1\) & \(b < 2\)"),
        ("HLT & nFatJet > 1", "bind tighter"),
        ("nFatJet == 1 & HLT", "bind tighter"),
        ("~nFatJet > 1", r"write ~\(a > 1\)"),
        ("MET_pt & 1", "number with fractions"),
        ("(nFatJet & HLT) > 0", "a whole number and a condition"),
        ("MET_pt << 1", "not on a number with fractions"),
        ("HLT >> 1", "not on a condition"),
    ],
)
def test_bits_where_they_are_not_meant_are_refused(text: str, hint: str) -> None:
    with pytest.raises(ExpressionError, match=hint):
        compile_expression(text).evaluate(EVENTS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nFatJet & 2", [2, 0, 0, 2]),
        ("nFatJet & 2 > 0", [True, False, False, True]),
        ("(nFatJet & 2) != 0", [True, False, False, True]),
        ("nFatJet | 4", [6, 5, 4, 7]),
        ("nFatJet ^ 1", [3, 0, 1, 2]),
        ("~nFatJet", [-3, -2, -1, -4]),
        ("nFatJet << 2", [8, 4, 0, 12]),
        ("nFatJet >> 1", [1, 0, 0, 1]),
        ("HLT ^ (MET_pt > 2)", [True, False, False, False]),
        ("event & 7", [1, 2, 3, 4]),
        ("-event == -9223372036854775812", [False, False, False, True]),
        ("event - 9223372036854775813 == -1", [False, False, False, True]),
        ("HLT + HLT + (nFatJet > 0)", [3, 1, 2, 3]),
        ("sum(FatJet_pt > 150)", [2, 1, 0, 1]),
        ("default(FatJet_pt[1], -1)", [300, -1, -1, 100]),
        ("missing(FatJet_pt[1])", [False, True, True, False]),
        ("where(missing(FatJet_pt[1]), 0, FatJet_pt[1])", [300, 0, 0, 100]),
        ("isfinite(1 / nFatJet)", [True, True, False, True]),
        ("isnan(nFatJet % nFatJet)", [False, False, True, False]),
        ("-7 // 2 + 0 * nFatJet", [-4] * 4),
        ("-7 % 3 + 0 * nFatJet", [2] * 4),
        ("-2 ** 2 + 0 * nFatJet", [-4] * 4),
        ("not nFatJet > 1 and HLT", [False, False, True, False]),
        ("nFatJet + 18446744073709551615 - 2 == 18446744073709551615", [True, False, False, False]),
    ],
)
def test_bits_whole_numbers_and_what_is_missing(text: str, expected: list[Any]) -> None:
    assert value(text) == expected


def test_long_chains_are_no_deeper_than_short_ones() -> None:
    assert value(" + ".join(["nFatJet"] * 400)) == [800, 400, 0, 1200]
    assert value(" | ".join(["HLT"] * 600)) == [True, False, True, True]
    assert value("max(" + ", ".join(["nFatJet"] * 400) + ")") == [2, 1, 0, 3]
    assert value(" and ".join(["HLT"] * 400)) == [True, False, True, True]
    # Of more than 64 factors in double precision.
    assert value(" * ".join(["nFatJet"] * 65)) == [2.0**65, 1, 0, pytest.approx(3.0**65)]
