"""From the settings to what wraps the keys of a log."""

from gateway.sealing.wrapping import WrappingKeyFile, WrappingKeys
from gateway.settings.settings import Settings


def wrapping_keys(settings: Settings) -> WrappingKeys | None:
    """What the settings name; None: nothing, so an embedded log has a key in a file beside it."""
    return None if settings.wrapping_key_file is None else WrappingKeyFile(settings.wrapping_key_file)
