"""Generators made of several of one kind: their mixture."""
