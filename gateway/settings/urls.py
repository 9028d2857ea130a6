"""What is wrong with the URL of a service that the gateway asks over HTTP, without anything of the URL."""

from typing import Final
from urllib.parse import urlsplit

from gateway.settings.settings import is_this_machine

_LIKE: Final = "expected https://HOST/PATH"


def wrong_with_url(url: str, *, place: str, unencrypted: str | None, user: str = _LIKE) -> str | None:
    """What is wrong with a URL, to be put behind the name of its setting; None: nothing is.

    place: what it is not where its scheme or its host is wrong. unencrypted: what http to another machine
    would do; None: nothing that matters. user: what to do where the URL holds one.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return f"is not a URL; {_LIKE}"
    if "@" in parts.netloc:
        return f"holds a user; {user}"
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
        return f"is not {place}; {_LIKE}"
    if unencrypted and parts.scheme == "http" and not is_this_machine(parts.hostname):
        return f"would {unencrypted}; {_LIKE}"
    return None
