"""Invertible layers of normalizing flows."""
