"""Which version of the gateway this is."""

from importlib.metadata import version


def gateway_version() -> str:
    """The version of the installed distribution."""
    return version("information-session-gateway")
