"""Resonant anomaly detection with generative background templates."""
