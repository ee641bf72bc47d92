"""Operations on numbers one by one."""

from __future__ import annotations

from typing import Any

import torch

from generators.errors import ExportError
from generators.export.operations.table import Results, aten, written_as, written_for
from generators.export.writer import ELEMENT_TYPES, Operand, Writer

written_as(
    {
        aten.abs: "Abs",
        aten.ceil: "Ceil",
        aten.cos: "Cos",
        aten.exp: "Exp",
        aten.floor: "Floor",
        aten.isnan: "IsNaN",
        aten.log: "Log",
        aten.neg: "Neg",
        aten.reciprocal: "Reciprocal",
        aten.relu: "Relu",
        aten.round: "Round",
        aten.sign: "Sign",
        aten.sin: "Sin",
        aten.sqrt: "Sqrt",
        aten.tanh: "Tanh",
        aten.bitwise_not: "Not",
        aten.logical_not: "Not",
    }
)


@written_for(aten.alias, aten.clone, aten.detach, aten.lift_fresh, aten.lift_fresh_copy)
def _same(w: Writer, out: Results, x: Operand, **_: Any) -> str:
    return x.name


@written_for(aten._to_copy)
def _to(w: Writer, out: Results, x: Operand, **_: Any) -> str:
    return w.cast(x, out[0].dtype)


@written_for(aten.rsqrt)
def _rsqrt(w: Writer, out: Results, x: Operand) -> str:
    return w.node("Reciprocal", w.node("Sqrt", x.name))


@written_for(aten.log1p)
def _log1p(w: Writer, out: Results, x: Operand) -> str:
    """Log(u) x / (u − 1) with u = 1 + x (Kahan), exact to the last digits."""
    one, zero = w.cast(1, x.dtype), w.cast(0, x.dtype)
    u = w.node("Add", x.name, one)
    lost = w.node("Sub", u, one)
    # Where u is 1, x itself; where it is infinite, the logarithm.
    tiny, huge = w.node("Equal", lost, zero), w.node("Equal", lost, x.name)
    corrected = w.node("Div", w.node("Mul", w.node("Log", u), x.name), w.node("Where", tiny, one, lost))
    return w.node("Where", tiny, x.name, w.node("Where", huge, w.node("Log", u), corrected))


@written_for(aten.expm1)
def _expm1(w: Writer, out: Results, x: Operand) -> str:
    return _exp_minus_one(w, x.name, x.dtype)


def _exp_minus_one(w: Writer, x: str, dtype: torch.dtype) -> str:
    """2 eʰ sinh(h) with h = x/2, as tanh(h) (eˣ + 1), exact to the last digits where it is small."""
    one = w.cast(1, dtype)
    exp = w.node("Exp", x)
    small = w.node("Mul", w.node("Tanh", w.node("Mul", x, w.cast(0.5, dtype))), w.node("Add", exp, one))
    return w.node("Where", w.node("Less", w.node("Abs", x), one), small, w.node("Sub", exp, one))


@written_for(aten.sigmoid)
def _sigmoid(w: Writer, out: Results, x: Operand) -> str:
    # Not Sigmoid: times x, onnxruntime 1.20 replaces it by what it lacks in double precision.
    return w.node("Reciprocal", w.node("Add", w.node("Exp", w.node("Neg", x.name)), w.cast(1, x.dtype)))


@written_for(aten.silu)
def _silu(w: Writer, out: Results, x: Operand) -> str:
    return w.node("Mul", x.name, _sigmoid(w, out, x))


@written_for(aten.softplus)
def _softplus(w: Writer, out: Results, x: Operand, beta: float = 1, threshold: float = 20) -> str:
    scale = w.cast(beta, x.dtype)
    return w.node("Div", _log_one_plus_exp(w, w.node("Mul", x.name, scale), x.dtype), scale)


@written_for(aten.log_sigmoid_forward)
def _log_sigmoid(w: Writer, out: Results, x: Operand) -> list[str]:
    return [w.node("Neg", _log_one_plus_exp(w, w.node("Neg", x.name), x.dtype)), x.name]


@written_for(aten.logaddexp)
def _logaddexp(w: Writer, out: Results, x: Operand, y: Operand) -> str:
    a, b = (w.cast(value, out[0].dtype) for value in (x, y))
    return w.node("Add", b, _log_one_plus_exp(w, w.node("Sub", a, b), out[0].dtype))


def _log_one_plus_exp(w: Writer, x: str, dtype: torch.dtype) -> str:
    small = w.node("Exp", w.node("Neg", w.node("Abs", x)))
    return w.node("Add", w.node("Relu", x), w.node("Log", w.node("Add", small, w.cast(1, dtype))))


@written_for(aten.leaky_relu)
def _leaky_relu(w: Writer, out: Results, x: Operand, slope: float = 0.01) -> str:
    below = w.node("Mul", w.node("Min", x.name, w.cast(0, x.dtype)), w.cast(slope, x.dtype))
    return w.node("Add", below, w.node("Relu", x.name))


@written_for(aten.leaky_relu_backward)
def _leaky_relu_slope(w: Writer, out: Results, slope: Operand, x: Operand, below: float, is_result: bool) -> str:
    # The result has the sign of what it is the result of.
    chosen = w.node("Where", w.node("Greater", x.name, w.cast(0, x.dtype)), w.cast(1, x.dtype), w.cast(below, x.dtype))
    return w.node("Mul", slope.name, chosen)


@written_for(aten.elu)
def _elu(w: Writer, out: Results, x: Operand, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> str:
    low = w.node("Mul", w.node("Min", x.name, w.cast(0, x.dtype)), w.cast(input_scale, x.dtype))
    below = w.node("Mul", _exp_minus_one(w, low, x.dtype), w.cast(alpha * scale, x.dtype))
    return w.node("Add", below, w.node("Mul", w.node("Relu", x.name), w.cast(scale, x.dtype)))


@written_for(aten.elu_backward)
def _elu_slope(
    w: Writer, out: Results, slope: Operand, alpha: float, scale: float, input_scale: float, is_result: bool, x: Operand
) -> str:
    if is_result:
        raise ExportError("it takes the slope of an ELU from its result")
    low = w.node("Exp", w.node("Mul", w.node("Min", x.name, w.cast(0, x.dtype)), w.cast(input_scale, x.dtype)))
    below = w.node("Mul", low, w.cast(alpha * scale * input_scale, x.dtype))
    chosen = w.node("Where", w.node("Greater", x.name, w.cast(0, x.dtype)), w.cast(scale, x.dtype), below)
    return w.node("Mul", slope.name, chosen)


@written_for(aten.xlogy)
def _xlogy(w: Writer, out: Results, x: Any, y: Any) -> str:
    """X log y, which is 0 where x is, whatever y."""
    a, b = (w.cast(value, out[0].dtype) for value in (x, y))
    zero = w.cast(0, out[0].dtype)
    product = w.node("Mul", a, w.node("Log", b))
    return w.node("Where", w.node("And", w.node("Equal", a, zero), w.node("Not", w.node("IsNaN", b))), zero, product)


@written_for(aten.erf)
def _erf(w: Writer, out: Results, x: Operand) -> str:
    # In single precision, which is what there is: enough for a probability, not for a density.
    return w.node("Cast", w.node("Erf", w.cast(x, torch.float32)), to=ELEMENT_TYPES[x.dtype])


@written_for(aten.add)
def _add(w: Writer, out: Results, x: Any, y: Any, alpha: float = 1) -> str:
    return w.node("Add", w.cast(x, out[0].dtype), w.times(w.cast(y, out[0].dtype), alpha, out[0].dtype))


@written_for(aten.sub)
def _sub(w: Writer, out: Results, x: Any, y: Any, alpha: float = 1) -> str:
    return w.node("Sub", w.cast(x, out[0].dtype), w.times(w.cast(y, out[0].dtype), alpha, out[0].dtype))


@written_for(aten.rsub)
def _rsub(w: Writer, out: Results, x: Any, y: Any, alpha: float = 1) -> str:
    return _sub(w, out, y, x, alpha)


@written_for(aten.mul)
def _mul(w: Writer, out: Results, x: Any, y: Any) -> str:
    dtype = out[0].dtype
    return w.node("And" if dtype == torch.bool else "Mul", w.cast(x, dtype), w.cast(y, dtype))


@written_for(aten.div)
def _div(w: Writer, out: Results, x: Any, y: Any, rounding_mode: str | None = None) -> str:
    if rounding_mode is not None:
        raise ExportError(f"a division that rounds ({rounding_mode}) has no counterpart in ONNX")
    return w.node("Div", w.cast(x, out[0].dtype), w.cast(y, out[0].dtype))


@written_for(aten.maximum)
def _maximum(w: Writer, out: Results, x: Any, y: Any) -> str:
    return w.node("Max", w.cast(x, out[0].dtype), w.cast(y, out[0].dtype))


@written_for(aten.minimum)
def _minimum(w: Writer, out: Results, x: Any, y: Any) -> str:
    return w.node("Min", w.cast(x, out[0].dtype), w.cast(y, out[0].dtype))


@written_for(aten.hypot)
def _hypot(w: Writer, out: Results, x: Operand, y: Operand) -> str:
    squares = (w.node("Mul", *[w.cast(value, out[0].dtype)] * 2) for value in (x, y))
    return w.node("Sqrt", w.node("Add", *squares))


@written_for(aten.pow)
def _pow(w: Writer, out: Results, x: Any, exponent: Any) -> str:
    base = w.cast(x, out[0].dtype)
    return w.node("Mul", base, base) if exponent == 2 else w.node("Pow", base, w.cast(exponent, out[0].dtype))


@written_for(aten.remainder)
def _remainder(w: Writer, out: Results, x: Any, y: Any) -> str:
    """With the sign of y, from that with the sign of x."""
    dtype = out[0].dtype
    a, b, zero = w.cast(x, dtype), w.cast(y, dtype), w.cast(0, dtype)
    rest = w.node("Mod", a, b, fmod=1)
    wrong = w.node("Less", w.node("Mul", w.node("Sign", rest), w.node("Sign", b)), zero)
    return w.node("Where", wrong, w.node("Add", rest, b), rest)


@written_for(aten.lerp)
def _lerp(w: Writer, out: Results, x: Operand, y: Operand, weight: Any) -> str:
    way = w.node("Sub", y.name, x.name)
    return w.node("Add", x.name, w.node("Mul", w.cast(weight, x.dtype), way))


@written_for(aten.addcmul)
def _addcmul(w: Writer, out: Results, x: Operand, a: Operand, b: Operand, value: float = 1) -> str:
    return w.node("Add", x.name, w.times(w.node("Mul", a.name, b.name), value, x.dtype))


@written_for(aten.clamp)
def _clamp(w: Writer, out: Results, x: Operand, low: Any = None, high: Any = None, **bounds: Any) -> str:
    dtype, name = out[0].dtype, w.cast(x, out[0].dtype)
    low, high = bounds.get("min", low), bounds.get("max", high)
    name = name if low is None else w.node("Max", name, w.cast(low, dtype))
    return name if high is None else w.node("Min", name, w.cast(high, dtype))


@written_for(aten.clamp_min)
def _clamp_min(w: Writer, out: Results, x: Operand, low: Any) -> str:
    return _clamp(w, out, x, low)


@written_for(aten.clamp_max)
def _clamp_max(w: Writer, out: Results, x: Operand, high: Any) -> str:
    return _clamp(w, out, x, None, high)


@written_for(aten.eq)
def _equal(w: Writer, out: Results, x: Operand, y: Any) -> str:
    return _compared(w, "Equal", x, y)


@written_for(aten.lt)
def _less(w: Writer, out: Results, x: Operand, y: Any) -> str:
    return _compared(w, "Less", x, y)


@written_for(aten.le)
def _less_or_equal(w: Writer, out: Results, x: Operand, y: Any) -> str:
    return _compared(w, "LessOrEqual", x, y)


@written_for(aten.gt)
def _greater(w: Writer, out: Results, x: Operand, y: Any) -> str:
    return _compared(w, "Greater", x, y)


@written_for(aten.ge)
def _greater_or_equal(w: Writer, out: Results, x: Operand, y: Any) -> str:
    return _compared(w, "GreaterOrEqual", x, y)


@written_for(aten.bitwise_and, aten.logical_and)
def _and(w: Writer, out: Results, x: Operand, y: Operand) -> str:
    return w.node("And", w.cast(x, torch.bool), w.cast(y, torch.bool))


@written_for(aten.bitwise_or, aten.logical_or)
def _or(w: Writer, out: Results, x: Operand, y: Operand) -> str:
    return w.node("Or", w.cast(x, torch.bool), w.cast(y, torch.bool))


@written_for(aten.ne)
def _not_equal(w: Writer, out: Results, x: Any, y: Any) -> str:
    return w.node("Not", _compared(w, "Equal", x, y))


def _compared(w: Writer, kind: str, x: Operand, y: Any) -> str:
    dtype = x.dtype
    if isinstance(y, Operand):
        dtype = torch.promote_types(x.dtype, y.dtype)
    elif isinstance(y, float) and not dtype.is_floating_point:
        dtype = torch.float32
    return w.node(kind, w.cast(x, dtype), w.cast(y, dtype))


@written_for(aten.where)
def _where(w: Writer, out: Results, condition: Operand, x: Any, y: Any) -> str:
    return w.node("Where", condition.name, w.cast(x, out[0].dtype), w.cast(y, out[0].dtype))


@written_for(aten.masked_fill)
def _masked_fill(w: Writer, out: Results, x: Operand, mask: Operand, value: Any) -> str:
    return w.node("Where", mask.name, w.cast(value, x.dtype), x.name)
