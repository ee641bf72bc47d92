"""Generators of showers in calorimeters: energies of voxels in layers of rings and angles."""
