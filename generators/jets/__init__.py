"""Generators of jets as clouds of constituents, and of events made of them."""
