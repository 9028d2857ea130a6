"""The rules without a log: JSON lines in, JSON lines out."""
