"""What a search says of a signal: strengths, limits, global p-values, and files for the programs of others."""
