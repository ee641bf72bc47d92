"""Generators made of two: p(a | c) · p(b | a, c)."""
