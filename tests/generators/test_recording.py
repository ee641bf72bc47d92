"""Whether somebody records is known to this thread alone, and over when it is over."""

from __future__ import annotations

import threading

import pytest

from generators.recording import recorded, recording


def test_inside_of_the_block_and_nowhere_else() -> None:
    elsewhere: list[bool] = []
    assert not recording()
    with recorded():
        with recorded():
            assert recording()
        assert recording()
        thread = threading.Thread(target=lambda: elsewhere.append(recording()))
        thread.start()
        thread.join()
    assert not recording()
    assert elsewhere == [False]


def test_an_error_ends_it() -> None:
    with pytest.raises(ZeroDivisionError), recorded():
        raise ZeroDivisionError
    assert not recording()
