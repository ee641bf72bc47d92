"""Fitted, invertible preprocessing with its log-determinant."""
