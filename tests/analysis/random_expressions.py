"""Random expressions as text: of every operator and function, nested, on lists and on single values."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

WHOLE = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
FLOAT = ("f4", "f8")
FLAT, A, B = "", "A_", "B_"

_FUNCTIONS = ("sqrt", "log", "log10", "exp", "sin", "cos", "tan", "sinh", "cosh", "tanh")


@dataclass
class Maker:
    """Draws expressions; `shape` is FLAT, or the prefix of the branches whose lists the result has."""

    random: random.Random
    depth: int = 0
    deepest: int = 3
    used: set[str] = field(default_factory=set)

    def expression(self) -> str:
        """One value per event, or one list."""
        shape = self.random.choice([FLAT, FLAT, FLAT, A, B])
        return self.random.choice([self.condition, self.condition, self.number, self.whole])(shape)

    def number(self, shape: str) -> str:
        """A number of any kind."""
        if self.random.random() < 0.5:
            return self.whole(shape)
        return self._one_of(
            shape, [self._float_branch, self._float_constant], [self._float, self._float, self._of_both]
        )

    def whole(self, shape: str) -> str:
        """A whole number."""
        return self._one_of(shape, [self._whole_branch, self._whole_branch, self._whole_constant], [self._whole] * 3)

    def condition(self, shape: str) -> str:
        """A truth value."""
        return self._one_of(shape, [self._flag, self._compare], [self._compare, self._logic, self._about])

    def _one_of(self, shape: str, leaves: list[Callable[[str], str]], inner: list[Callable[[str], str]]) -> str:
        if self.depth >= self.deepest or self.random.random() < 0.15:
            return self.random.choice(leaves)(shape)
        self.depth += 1
        try:
            return self.random.choice(inner)(shape)
        finally:
            self.depth -= 1

    def _operand_shape(self, shape: str) -> str:
        """A list meets lists of the same branches and single values."""
        return shape if self.random.random() < 0.6 else FLAT

    def _two(self, shape: str, make: Callable[[str], str]) -> list[str]:
        shapes = [shape, self._operand_shape(shape)]
        self.random.shuffle(shapes)
        return [make(s) for s in shapes]

    def _whole_branch(self, shape: str) -> str:
        return f"{shape}{self.random.choice(WHOLE)}"

    def _float_branch(self, shape: str) -> str:
        return f"{shape}{self.random.choice(FLOAT)}"

    def _flag(self, shape: str) -> str:
        return f"{shape}b" if shape or self.random.random() < 0.9 else self.random.choice(["True", "False"])

    def _whole_constant(self, shape: str) -> str:
        if shape:
            return self._whole_branch(shape)
        return self.random.choice(["0", "1", "2", "3", "7", "100", "9007199254740993", "9223372036854775808"])

    def _float_constant(self, shape: str) -> str:
        return self._float_branch(shape) if shape else self.random.choice(["0.0", "0.5", "2.5", "1e3", "1e-3"])

    def _whole(self, shape: str) -> str:
        kinds = ["+", "-", "*", "//", "%", "bits", "sign", "shift", "power", "choice"]
        kind = self.random.choice(kinds if shape else [*kinds, "reduce", "reduce", "element", "num"])
        if kind == "bits":
            a, b = self._two(shape, self.whole)
            return f"(({a}) {self.random.choice('&|^')} ({b}))"
        if kind == "sign":
            return f"({self.random.choice(['-', '+', '~', 'abs'])}({self.whole(shape)}))"
        if kind == "shift":
            return f"(({self.whole(shape)}) {self.random.choice(['<<', '>>'])} {self.random.choice([0, 1, 3, 40])})"
        if kind == "power":
            return f"(({self._whole_branch(shape)}) ** {self.random.choice([0, 1, 2, 3, 5])})"
        if kind == "choice":
            return self._choice(shape, self.whole)
        if kind in ("reduce", "element", "num"):
            return self._of_list(kind, self.whole)
        return self._joined(shape, self.whole, kind)

    def _float(self, shape: str) -> str:
        kinds = ["+", "-", "*", "/", "//", "%", "sign", "power", "function", "choice"]
        kind = self.random.choice(kinds if shape else [*kinds, "reduce", "element"])
        if kind == "sign":
            return f"({self.random.choice(['-', '+', 'abs'])}({self.number(shape)}))"
        if kind == "power":
            return f"(({self.number(shape)}) ** {self.random.choice(['0.5', '-1', '-2', '1.5', '2.0'])})"
        if kind == "function":
            if self.random.random() < 0.2:
                a, b = self._two(shape, self.number)
                return f"{self.random.choice(['hypot', 'atan2'])}({a}, {b})"
            return f"{self.random.choice(_FUNCTIONS)}({self.number(shape)})"
        if kind == "choice":
            return self._choice(shape, self.number)
        if kind in ("reduce", "element"):
            return self._of_list(kind, self.number)
        return self._joined(shape, self.number, kind)

    def _of_both(self, shape: str) -> str:
        """Truth values as numbers."""
        a, b = self._two(shape, self.number)
        return f"(({self.condition(shape)}) {self.random.choice('+-*')} ({a if self.random.random() < 0.5 else b}))"

    def _joined(self, shape: str, make: Callable[[str], str], kind: str) -> str:
        parts = self._two(shape, make)
        if kind in "+-*" and self.random.random() < 0.3:
            # Without parentheses: who binds whom is Python's business.
            parts.append(make(self._operand_shape(shape)))
            return f"({parts[0]} {kind} {parts[1]} {self.random.choice('+-*%')} {parts[2]})"
        return f"({parts[0]} {kind} {parts[1]})"

    def _choice(self, shape: str, make: Callable[[str], str]) -> str:
        a, b = self._two(shape, make)
        kind = self.random.choice(["where", "default", "minmax"])
        if kind == "where":
            return f"where({self.condition(self._operand_shape(shape))}, {a}, {b})"
        if kind == "default":
            return f"default({a}, {b})"
        more = [make(self._operand_shape(shape)) for _ in range(self.random.choice([0, 0, 1, 3]))]
        return f"{self.random.choice(['min', 'max'])}({', '.join([a, b, *more])})"

    def _of_list(self, kind: str, make: Callable[[str], str]) -> str:
        shape = self.random.choice([A, B])
        values = make(shape)
        if self.random.random() < 0.4:
            values = f"({values})[{self.condition(shape)}]"
        if kind == "num":
            return f"num({values})"
        if kind == "element":
            return f"({values})[{self.random.choice([0, 1, 2, -1, -2, 9])}]"
        return f"{self.random.choice(['sum', 'min', 'max'])}({values})"

    def _compare(self, shape: str) -> str:
        parts = self._two(shape, self.number)
        parts += [self.number(self._operand_shape(shape)) for _ in range(self.random.choice([0, 0, 0, 1, 2]))]
        text = f"({parts[0]})"
        for part in parts[1:]:
            text += f" {self.random.choice(['<', '<=', '>', '>=', '==', '!='])} ({part})"
        return f"({text})"

    def _logic(self, shape: str) -> str:
        kind = self.random.choice(["and", "or", "and", "or", "&", "|", "^", "not", "~", "where", "default"])
        if kind in ("not", "~"):
            return f"({kind} {self.condition(shape)})"
        if kind == "where":
            a, b = self._two(shape, self.condition)
            return f"where({self.condition(self._operand_shape(shape))}, {a}, {b})"
        a, b = self._two(shape, self.condition)
        if kind == "default":
            return f"default({a}, {b})"
        more = [self.condition(self._operand_shape(shape)) for _ in range(self.random.choice([0, 1, 1, 2, 3]))]
        return "(" + f" {kind} ".join([a, b, *more]) + ")"

    def _about(self, shape: str) -> str:
        if not shape and self.random.random() < 0.5:
            lists = self.random.choice([A, B])
            condition = self.condition(lists)
            if self.random.random() < 0.3:
                condition = f"({condition})[{self.condition(lists)}]"
            return f"{self.random.choice(['any', 'all'])}({condition})"
        return f"{self.random.choice(['missing', 'isfinite', 'isnan'])}({self.number(shape)})"
