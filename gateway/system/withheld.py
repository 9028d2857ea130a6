"""Objects that hold a secret, and print as their name alone."""


class Withheld:
    """A base for what holds a secret: neither a log line nor an error can show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(withheld)"
