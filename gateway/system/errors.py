"""Errors that a person can mend. A command prints their message, and exits with their status."""

from typing import ClassVar


class UserError(Exception):
    """A person can mend what went wrong; the message says what happened and what to do, with "; " between.

    code: for machines, and stays the same.
    """

    exit_status: ClassVar[int] = 1
    code: ClassVar[str] = "FAILED"


class UsageError(UserError):
    """What was asked for or handed in can't be used."""

    exit_status = 2
    code = "BAD_USAGE"
