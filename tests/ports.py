"""Ports for what a test starts."""

import random
import socket


def free_port() -> int:
    """A port of this machine on which nobody listens; see `free_ports`."""
    (port,) = free_ports(1)
    return port


def free_ports(count: int) -> list[int]:
    """Ports of this machine on which nobody listens.

    They are below those that the system gives to outgoing connections: such a port may be taken by anybody's
    connection before it is listened on, and a client that keeps trying the port of a stopped broker could be
    given that very port, and connect to itself.
    """
    found = [port for port in random.sample(range(15_000, 30_000), k=10 * count) if _is_free(port)]
    assert len(found) >= count, "hardly a port between 15000 and 30000 is free: end what listens there"
    return found[:count]


def two_ports_in_a_row() -> int:
    """The first of two such ports."""
    while True:
        port = free_port()
        if _is_free(port + 1):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
