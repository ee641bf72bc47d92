"""Everything that a search can be tested for before its window is opened, each test with a number and a requirement."""
