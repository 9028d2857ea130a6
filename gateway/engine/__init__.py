"""Read, decide, commit: messages decided exactly once, on whatever log."""
