"""The page of every generator is that of the registry as it is now."""

from __future__ import annotations

from generators.registry import GENERATORS
from tools.make_generators_page import PAGE, page


def test_page_is_what_the_registry_says() -> None:
    text = page()
    assert PAGE.read_text(encoding="utf-8") == text, "run: python tools/make_generators_page.py"
    ours = [kind for kind in GENERATORS.kinds() if GENERATORS.resolve(kind).__module__.startswith("generators.")]
    assert all(text.count(f"\n| `{kind}` |") == 1 for kind in ours)
    assert "| `maf` | " in text
