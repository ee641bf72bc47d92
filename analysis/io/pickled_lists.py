"""Names out of pickled lists, as pandas writes them, by a reader that builds a list of text, numbers and flat tuples.

Nothing lies deeper: forty tuples of the one before, twice each, are 200 bytes here and 10¹² characters as a name.
"""

from __future__ import annotations

import pickletools
from typing import Any

from analysis.errors import InputFileError

_TEXT = ("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "STRING", "SHORT_BINSTRING", "BINSTRING")
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT")
_SIMPLE = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NOTHING = frozenset({"PROTO", "FRAME"})
_MARK = object()


def pickled_list(data: bytes) -> list[Any]:
    """A list of text, numbers and tuples of these, without executing anything.

    Raises
    ------
    InputFileError
        If the bytes say anything else.
    """
    try:
        value = _built(data)
    except (ValueError, IndexError, KeyError, TypeError, StopIteration, OverflowError) as error:
        raise InputFileError(f"a list of names of pandas is damaged: {' '.join(str(error).split())[:120]}") from None
    if not isinstance(value, list) or not all(_is_name(item) for item in value):
        raise InputFileError("a list of names of pandas is no list of text, numbers and tuples of them")
    return value


def _is_name(item: Any) -> bool:
    return all(map(_is_simple, item)) if isinstance(item, tuple) else _is_simple(item)


def _is_simple(item: Any) -> bool:
    return item is None or isinstance(item, str | bytes | bool | int | float)


def _built(data: bytes) -> Any:
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for code, argument, _ in pickletools.genops(data):
        name = code.name
        if name in _TEXT or name in _NUMBERS:
            stack.append(argument)
        elif name in _SIMPLE:
            stack.append(_SIMPLE[name])
        elif name in ("EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append([] if name == "EMPTY_LIST" else ())
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("LIST", "TUPLE"):
            items = _since_mark(stack)
            stack.append(items if name == "LIST" else tuple(items))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            size = int(name[-1])
            stack[-size:] = [tuple(stack[-size:])]
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else _since_mark(stack)
            _list(stack).extend(items)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "STOP":
            return stack.pop()
        elif name not in _NOTHING:
            raise ValueError(f"it does something else than list names ({name})")
    raise ValueError("it has no end")


def _since_mark(stack: list[Any]) -> list[Any]:
    place = len(stack) - 1 - next(i for i, item in enumerate(reversed(stack)) if item is _MARK)
    items = stack[place + 1 :]
    del stack[place:]
    return items


def _list(stack: list[Any]) -> list[Any]:
    if not isinstance(stack[-1], list):
        raise ValueError("something is appended to what is no list")
    return stack[-1]
