"""Generators of events of pixel detectors: images of all sensors at once."""
