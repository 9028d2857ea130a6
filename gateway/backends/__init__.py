"""The logs that implement the engine's port."""
