"""What each user of the brokers has to be allowed: no more than that."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Final, Literal, get_args

from msgspec import Struct

from gateway.backends.kafka.topics import TOPICS
from gateway.rules.messages import INBOUND

#: Who connects: the gateway; whoever runs `gateway topics create`; PRaP; a Jobcentre's systems.
Role = Literal["gateway", "setup", "prap", "jobcentre"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_PRAP, _WP11, _UPDATES, _ = INBOUND
_FROM_JOBCENTRES: Final = (_WP11, _UPDATES)
_FOR_JOBCENTRES: Final = tuple(
    topic for topic in TOPICS if topic.startswith("jobcentre.") and topic not in INBOUND
)


class Allowed(Struct, frozen=True):
    """What is allowed on some resources of one kind.

    operations: who may read or write one may describe it. option: of kafka-acls, such as
    `--topic`. resources: their names; prefixed: the beginnings of them.
    """

    operations: tuple[str, ...]
    option: str
    resources: tuple[str, ...]
    prefixed: bool = False


def allowed(role: Role, prefix: str, user: str) -> tuple[Allowed, ...]:
    """What a role needs. prefix: of topics. user: its name, with which its consumer groups begin."""
    reads = Allowed(("Read",), "--group", (user,), prefixed=True)
    of: Mapping[Role, tuple[Allowed, ...]] = {
        "gateway": (
            # It reads outbound topics for callers over HTTP, and writes to inbound ones what they send.
            Allowed(("Read", "Write", "DescribeConfigs"), "--topic", _named(prefix, TOPICS)),
            Allowed(("Read",), "--group", (f"{prefix}gateway",)),
            Allowed(("Write",), "--transactional-id", (f"{prefix}gateway-",), prefixed=True),
        ),
        "setup": (Allowed(("Create", "Describe", "DescribeConfigs"), "--topic", _named(prefix, TOPICS)),),
        "prap": (
            Allowed(("Write",), "--topic", _named(prefix, (_PRAP,))),
            Allowed(("Read",), "--topic", _named(prefix, ("prap.actions",))),
            reads,
        ),
        "jobcentre": (
            Allowed(("Write",), "--topic", _named(prefix, _FROM_JOBCENTRES)),
            Allowed(("Read",), "--topic", _named(prefix, _FOR_JOBCENTRES)),
            reads,
        ),
    }
    return of[role]


def commands(role: Role, prefix: str, user: str, servers: str) -> Iterator[str]:
    """The commands that allow it, as an administrator of the brokers runs them."""
    for each in allowed(role, prefix, user):
        words = ["kafka-acls", "--bootstrap-server", servers, "--command-config", "admin.properties", "--add"]
        words += ["--allow-principal", f"User:{user}"]
        for operation in each.operations:
            words += ["--operation", operation]
        if each.prefixed:
            words += ["--resource-pattern-type", "prefixed"]
        for name in each.resources:
            words += [each.option, name]
        yield shlex.join(words)


def _named(prefix: str, topics: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(prefix + topic for topic in topics)
