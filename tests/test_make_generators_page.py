"""The page of every generator is that of the registry as it is now."""

from __future__ import annotations

import re
import tomllib

from generators.registry import GENERATORS
from tools.make_generators_page import DOCS, MEASURED, PAGE, page


def test_page_is_what_the_registry_says() -> None:
    text = page()
    assert PAGE.read_text(encoding="utf-8") == text, "run: python tools/make_generators_page.py"
    ours = [kind for kind in GENERATORS.kinds() if GENERATORS.resolve(kind).__module__.startswith("generators.")]
    known = tomllib.loads(MEASURED.read_text(encoding="utf-8"))
    measured = {kind for kind, said in known.items() if "measured" in said}
    assert all(text.count(f"\n| `{kind}` |") == 1 + (kind in measured) for kind in ours)
    assert "| `maf` | " in text


def test_what_was_measured_stands_on_the_page_that_is_named() -> None:
    known = tomllib.loads(MEASURED.read_text(encoding="utf-8"))
    assert set(known) <= set(GENERATORS.kinds())
    for kind, said in known.items():
        assert set(said) in ({"measured", "page"}, {"passes"}, {"measured", "page", "passes"}), kind
        if "measured" not in said:
            continue
        lines = [line for line in (DOCS / said["page"]).read_text(encoding="utf-8").split("\n") if kind in line]
        numbers = re.findall(r"\d[\d.,]*\d|\d", said["measured"])
        assert numbers, kind
        for number in numbers:
            assert any(re.search(rf"(?<![\d.]){re.escape(number)}(?![\d])", line) for line in lines), (kind, number)
