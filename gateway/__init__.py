"""The gateway: what is decided, and the machinery that decides it once for each message."""
