import pytest

from cathode.runtime.progress import counted, part


def test_parts_tile_the_whole_and_nest() -> None:
    found: list[float] = []
    for start in (0.0, 0.25, 0.5, 0.75):
        quarter = part(found.append, start, 0.25)
        assert quarter is not None
        steps = counted(part(quarter, 0.5, 0.5))
        assert steps is not None
        quarter(0.0)
        steps(1, 2)
        steps(2, 2)
    assert found == pytest.approx([start + x for start in (0, 0.25, 0.5, 0.75) for x in (0, 0.1875, 0.25)])


def test_nobody_who_listens_costs_nothing() -> None:
    assert part(None, 0.0, 0.5) is None
    assert counted(None) is None
