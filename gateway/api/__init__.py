"""HTTP: what is asked of a running gateway."""
