"""Which generator describes the background best: candidates compared in events that they did not learn."""
