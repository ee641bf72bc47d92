"""Continuous normalizing flows as compositions of path, network and solver."""
