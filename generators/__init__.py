"""Everything that learns p(x | c) and samples from it."""
