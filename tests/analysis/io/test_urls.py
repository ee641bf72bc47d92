"""Spellings of one place, and places that differ."""

from __future__ import annotations

import pytest

from analysis.io.urls import canonical, without_scheme


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("root://host//a/b.root", "xroot://HOST:1094//a/./b.root"),
        ("https://host/a%2Fb", "https://host:443/a/b"),
        ("http://me:secret@host/a#part", "http://host:80/a"),
        ("https://host/a/../b?x=1", "https://host/b?x=1"),
    ],
)
def test_one_place(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://host/a", "https://host/a"),
        ("http://host/a", "http://host/A"),
        ("http://host/a?v=1", "http://host/a?v=2"),
        ("root://host:1095//a", "root://host//a"),
    ],
)
def test_two_places(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_files_of_this_machine_lose_their_scheme() -> None:
    assert without_scheme("FILE://localhost/a%20b") == "/a b"
    assert without_scheme("file://elsewhere/a") == "file://elsewhere/a"
    assert without_scheme("a.root") == "a.root"


def test_what_is_no_url_is_left_for_who_opens_it() -> None:
    assert canonical("http://[bad/") == "http://[bad/"
