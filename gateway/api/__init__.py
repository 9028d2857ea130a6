"""HTTP: what is asked of a running gateway."""


class PortInUse(Exception):
    """Another program listens on the port; the message says what to set."""
