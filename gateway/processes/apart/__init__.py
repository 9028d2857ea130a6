"""Deciding in a process of its own, beside the one that serves HTTP: on an embedded log.

The process that was started has the log's lock, serves HTTP and puts on the log what is posted. It forks
another one, which decides and fills the projection, each on connections of its own to the same files.
"""

from gateway.system.errors import UserError


class DecidersGone(UserError):
    """The process that decides has ended without having been told to; the message says what to do."""
