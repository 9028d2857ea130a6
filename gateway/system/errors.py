"""Errors that a person can mend. A command prints their message, and exits with their status."""

from typing import ClassVar


class UserError(Exception):
    """A person can mend what went wrong; the message says what happened and what to do."""

    exit_status: ClassVar[int] = 1


class UsageError(UserError):
    """What was asked for or handed in can't be used."""

    exit_status = 2
