"""The operators' pages at /console/: what is going on, why, and what to put right."""
