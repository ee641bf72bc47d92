"""YAML as people mean it: aliases are bounded, and what YAML 1.1 silently reads as something else is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from cathode.errors import ConfigError

#: Values of a document after its aliases are written out, if it has no more than that by itself.
LARGEST_EXPANSION = 10_000
#: Sections inside of sections.
DEEPEST = 50

_INTEGER, _FLOAT, _BOOLEAN = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool"))
_OCTAL = re.compile(r"[-+]?0[0-7_]+")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, to which dates are text; it stops where sections are nested too deeply."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A node and what is in it."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.YAMLError(f"nested deeper than {DEEPEST} sections")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: str, name: str) -> tuple[Any, yaml.Node | None]:
    """The document and its nodes, which know their lines; `name` stands in error messages.

    Raises
    ------
    ConfigError
        If the text is no YAML, is nested too deeply, its aliases would be expanded beyond a bound or contain
        themselves, a key is set twice, or a number or a key would be read as something else than it looks like: octal
        `010`, base sixty `1:30`, truth values `no`, `on` as keys.
    """
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: no valid YAML: {error}") from error
    try:
        node = loader.get_single_node()
        if node is not None:
            _Checks(name).check(node)
        return (None if node is None else loader.construct_document(node)), node
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: no valid YAML: {error}") from error
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{name}: no valid YAML: {error}") from error
    finally:
        loader.dispose()


class _Checks:
    """Looks at every node once, however many aliases lead to it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()

    def check(self, root: yaml.Node) -> None:
        """Refuse what is not meant."""
        size = self._size(root, ())
        if size > max(LARGEST_EXPANSION, len(self._sizes)):
            raise ConfigError(
                f"{self._name}: its aliases stand for more than {LARGEST_EXPANSION:,} values. Write out what is meant."
            )

    def _size(self, node: yaml.Node, path: tuple[str, ...]) -> int:
        """Values of a node when all its aliases are written out."""
        known = id(node)
        if known in self._sizes:
            return self._sizes[known]
        if known in self._open:
            raise ConfigError(f"{self._place(node)}: an alias that contains itself. Write out what is meant.")
        self._open.add(known)
        size = 1
        if isinstance(node, yaml.MappingNode):
            self._check_keys([key for key, _ in node.value], path)
            size += sum(self._size(value, (*path, str(key.value))) for key, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            size += sum(self._size(value, (*path, str(number))) for number, value in enumerate(node.value))
        elif isinstance(node, yaml.ScalarNode):
            self._check_number(node)
        self._open.remove(known)
        self._sizes[known] = size
        return size

    def _check_keys(self, keys: Sequence[yaml.Node], path: tuple[str, ...]) -> None:
        lines: dict[str, int] = {}
        for key in keys:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{self._place(key)}: a key is a word, not a list or a section.")
            if key.tag == _BOOLEAN:
                raise ConfigError(
                    f"{self._place(key)}: the key {key.value} is a truth value in YAML; write it in quotes: "
                    f"'{key.value}'."
                )
            self._check_number(key)
            if key.value in lines:
                raise ConfigError(
                    f"{self._place(key)}: {'.'.join((*path, key.value))} is set twice (first in line "
                    f"{lines[key.value]}). Remove one."
                )
            lines[key.value] = key.start_mark.line + 1

    def _check_number(self, node: yaml.ScalarNode) -> None:
        text = str(node.value)
        if node.tag == _INTEGER and _OCTAL.fullmatch(text):
            decimal = text.replace("_", "").lstrip("-+").lstrip("0") or "0"
            raise ConfigError(
                f"{self._place(node)}: {text} is an octal number in YAML; write {decimal} without the leading zero, "
                "or in quotes if it is a name."
            )
        if node.tag in (_INTEGER, _FLOAT) and ":" in text:
            raise ConfigError(
                f"{self._place(node)}: {text} is a number in base sixty in YAML; write it as a decimal number, or in "
                "quotes if it is a name."
            )

    def _place(self, node: yaml.Node) -> str:
        return f"{self._name}, line {node.start_mark.line + 1}"
