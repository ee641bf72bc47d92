"""How well something ranks, and how close two samples are."""
