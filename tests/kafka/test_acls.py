"""With what `gateway topics acls` prints, and nothing else, brokers let everybody do their work."""

import asyncio
import shlex
import subprocess
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # it does not say what it exports
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from gateway.backends.kafka.connection import BrokerConnection, PasswordLogin
from gateway.backends.kafka.log import KafkaLog
from tests.broker.broker import Broker
from tests.cli.running import GATEWAY, clean_environment
from tests.kafka.secured import OTHER_USER, PASSWORD, USER, Certificates, secured_broker
from tests.patience import PATIENCE_S

#: Options of kafka-acls that name resources.
KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
OPERATIONS = {
    "Read": "READ",
    "Write": "WRITE",
    "Create": "CREATE",
    "Describe": "DESCRIBE",
    "DescribeConfigs": "DESCRIBE_CONFIGS",
}

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="module")
def broker(java: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """What nobody is allowed is refused."""
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    with secured_broker(tmp_path_factory.mktemp("secured"), certificates, allows_all=False) as broker:
        broker.start()
        yield broker


@pytest.fixture
def gateway(broker: Broker, tmp_path: Path, topic_prefix: str) -> Run:
    """Runs the command, as a user."""

    def run(user: str, *arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        settings = {
            "GATEWAY_LOG_URL": f"kafka://{broker.address('CLEAR')}",
            "GATEWAY_TOPIC_PREFIX": topic_prefix,
            "GATEWAY_PARTITIONS": "1",
            "GATEWAY_KAFKA_SECURITY": "sasl_plaintext",
            "GATEWAY_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "GATEWAY_KAFKA_USERNAME": user,
            "GATEWAY_KAFKA_PASSWORD": PASSWORD,
            "GATEWAY_HTTP_PORT": "0",
        }
        environment = clean_environment() | settings
        return subprocess.run(
            [GATEWAY, *arguments],
            check=False,
            cwd=tmp_path,
            env=environment,
            input=stdin,
            capture_output=True,
        )

    return run


def administer(broker: Broker, command: str) -> None:
    """Do what a command says that was printed, as somebody who may do everything."""
    parser = ArgumentParser("kafka-acls")
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--command-config", required=True)
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--operation", action="append", required=True)
    parser.add_argument("--resource-pattern-type", default="literal")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", action="append", default=[])
    name, *words = shlex.split(command)
    assert name == "kafka-acls"
    given = vars(parser.parse_args(words))
    bindings = [
        AclBinding(
            type_,
            resource,
            ResourcePatternType[given["resource_pattern_type"].upper()],
            given["allow_principal"],
            "*",
            AclOperation[OPERATIONS[operation]],
            AclPermissionType.ALLOW,
        )
        for kind, type_ in KINDS.items()
        for resource in given[kind.replace("-", "_")]
        for operation in given["operation"]
    ]
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for done in admin.create_acls(bindings).values():
        done.result(PATIENCE_S)


def test_the_gateway_needs_no_more_than_what_is_printed(
    broker: Broker, gateway: Run, topic_prefix: str
) -> None:
    """Somebody else makes the topics."""
    for role, user in (("setup", OTHER_USER), ("gateway", USER)):
        printed = gateway(user, "topics", "acls", "--user", user, "--for", role)
        assert printed.returncode == 0, printed.stderr
        for command in printed.stdout.decode().splitlines():
            administer(broker, command)
    sample = gateway(USER, "sample", "--referrals", "3").stdout
    assert gateway(USER, "topics", "create", "--timestamps", "create").returncode == 1
    made = gateway(OTHER_USER, "topics", "create", "--timestamps", "create")
    assert made.returncode == 0, made.stderr
    for arguments in (
        ("topics", "check", "--timestamps", "create"),
        ("feed", "--keep-time", "-"),
        ("run", "--clock", "log", "--until", "2030-01-01T00:00:00Z"),
        ("tail", "--from-start", "--no-follow"),
        ("dead-letters", "list"),
    ):
        done = gateway(USER, *arguments, stdin=sample)
        assert done.returncode == 0, (arguments, done.stderr)

    async def owners() -> int:
        login = PasswordLogin("SCRAM-SHA-512", USER, PASSWORD)
        log = KafkaLog(BrokerConnection((broker.address("CLEAR"),), login=login), prefix=topic_prefix)
        try:
            return len(await log.owners())
        finally:
            await log.close()

    assert asyncio.run(owners()) == 1, "the console asks for them"
