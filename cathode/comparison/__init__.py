"""Which generator describes the background best: candidates compared in sideband events that they have not seen."""
