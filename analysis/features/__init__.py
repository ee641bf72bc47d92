"""Observables: kinematics and jet substructure."""
