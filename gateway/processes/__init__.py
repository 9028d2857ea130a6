"""The only wiring: what runs where, for each way to run."""
