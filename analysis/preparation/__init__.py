"""Many ntuples, once: their selected events as a feature store, file by file on any workers."""
