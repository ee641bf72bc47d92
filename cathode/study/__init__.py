"""Many trainings that differ in their hyperparameters, as tasks, and what they say of these."""
