"""A connection is made in each way that the settings have, and what the brokers refuse is reported."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka.admin import (  # type: ignore[attr-defined] # it does not say what it exports
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.reach import reach
from gateway.backends.kafka.topics import TOPICS
from gateway.backends.kafka.topics_check import differences
from gateway.backends.kafka.topics_create import create
from gateway.engine.log import LogBusy, LogError
from gateway.settings import settings
from gateway.settings.connecting import connection
from tests.broker.broker import Broker
from tests.kafka.secured import OTHER_USER, PASSWORD, USER, Certificates, secured_broker, token
from tests.patience import PATIENCE_S
from tests.ports import free_port

Given = dict[str, str]


class Way:
    """Settings for one of the broker's listeners."""

    def __init__(self, broker: Broker, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
        self._broker = broker
        self._certificates = certificates
        self._monkeypatch = monkeypatch

    def connection(self, listener: str, given: Given) -> BrokerConnection:
        """The connection, from the environment. A value <name> is that file of the certificates."""
        url = {"LOG_URL": f"kafka://{self._broker.address(listener)}"}
        for name, value in (url | given).items():
            path = vars(self._certificates).get(value.strip("<>"))
            self._monkeypatch.setenv(f"GATEWAY_{name}", str(path or value))
        return connection(settings.load())

    def refusal(self, listener: str, given: Given) -> LogError:
        """Why it can't be reached."""
        with pytest.raises(LogError) as refused:
            asyncio.run(reach(self.connection(listener, given)))
        assert PASSWORD not in repr(refused.value)
        assert "\n" not in str(refused.value)
        return refused.value


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def broker(
    bootstrap: str, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Broker]:
    # `bootstrap` is asked for because it skips, or fails, where there can be no broker.
    with secured_broker(tmp_path_factory.mktemp("secured"), certificates) as broker:
        broker.start()
        yield broker


@pytest.fixture
def way(broker: Broker, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    monkeypatch.chdir(tmp_path)
    Path("token").write_text(f"{token()}\n")
    Path("expired").write_text(token(life_s=-3600))
    Path("password").write_text(f"{PASSWORD}\n")
    return Way(broker, certificates, monkeypatch)


TLS = {"KAFKA_SECURITY": "tls", "KAFKA_CA_FILE": "<ca>"}
LOGIN = TLS | {
    "KAFKA_SECURITY": "sasl_tls",
    "KAFKA_SASL_MECHANISM": "PLAIN",
    "KAFKA_USERNAME": USER,
    "KAFKA_PASSWORD": PASSWORD,
}
CLEAR = {
    "KAFKA_SECURITY": "sasl_plaintext",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_USERNAME": USER,
    "KAFKA_PASSWORD_FILE": "password",
}
TOKEN = TLS | {
    "KAFKA_SECURITY": "sasl_tls",
    "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
    "KAFKA_TOKEN_FILE": "token",
}


@pytest.mark.parametrize(
    ("listener", "given"),
    [
        ("PLAINTEXT", {}),
        ("TLS", TLS),
        ("MUTUAL", TLS | {"KAFKA_CERTIFICATE_FILE": "<client>"}),
        ("MUTUAL", TLS | {"KAFKA_CERTIFICATE_FILE": "<client>", "KAFKA_KEY_FILE": "<client>"}),
        ("LOGIN", LOGIN),
        ("LOGIN", LOGIN | {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}),
        ("LOGIN", LOGIN | {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"}),
        ("CLEAR", CLEAR),
        ("TOKEN", TOKEN),
    ],
)
async def test_topics_are_made_and_records_go_through(
    listener: str, given: Given, way: Way, topic_prefix: str
) -> None:
    made = way.connection(listener, given)
    await reach(made)
    await create(made, topic_prefix, partitions=1, default_partitions=1, replication=None, timestamps="log")
    topic = f"{topic_prefix}gateway.outcomes"
    async with (
        AIOKafkaProducer(**made.arguments(), transactional_id=topic_prefix) as producer,
        producer.transaction(),
    ):
        await producer.send(topic, b"applied")
    async with AIOKafkaConsumer(
        topic, **made.arguments(), auto_offset_reset="earliest", isolation_level="read_committed"
    ) as consumer:
        assert (await consumer.getone()).value == b"applied"


@pytest.mark.parametrize(
    ("listener", "given", "expected"),
    [
        # encryption
        ("TLS", {"KAFKA_SECURITY": "tls"}, "is not trusted (unable to get local issuer certificate)"),
        ("TLS", TLS | {"KAFKA_CA_FILE": "<other_ca>"}, "is not trusted"),
        ("MUTUAL", TLS, "does not accept this gateway's certificate, or the lack of one"),
        ("MUTUAL", TLS | {"KAFKA_CERTIFICATE_FILE": "<other_client>"}, "does not accept this gateway's cert"),
        # login
        ("LOGIN", LOGIN | {"KAFKA_PASSWORD": "wrong"}, "refuses the user or the password"),
        ("LOGIN", LOGIN | {"KAFKA_USERNAME": "wrong"}, "refuses the user or the password"),
        (
            "LOGIN",
            LOGIN | {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-256", "KAFKA_PASSWORD": "wrong"},
            "refuses the user or the password; correct GATEWAY_KAFKA_USERNAME or the password, and see",
        ),
        ("CLEAR", CLEAR | {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}, "has no login by SCRAM-SHA-256; set "),
        ("TOKEN", LOGIN, "has no login by PLAIN; set GATEWAY_KAFKA_SASL_MECHANISM to one that it has"),
        ("PLAINTEXT", CLEAR, "has no login on this port; name the port that has"),
        ("TOKEN", TOKEN | {"KAFKA_TOKEN_FILE": "expired"}, "refuses the token; see who issued it"),
        ("TLS", LOGIN, "has no login on this port; name the port that has"),
    ],
)
def test_what_a_broker_refuses_is_reported_with_what_to_do(
    listener: str, given: Given, expected: str, way: Way
) -> None:
    refused = way.refusal(listener, given)
    assert not isinstance(refused, LogBusy)
    assert expected in str(refused)


@pytest.mark.parametrize(
    ("listener", "given", "expected"),
    [
        (
            "PLAINTEXT",
            TLS,
            "ends a connection that is SSL; set GATEWAY_KAFKA_SECURITY to what its port is for",
        ),
        ("TLS", {}, "ends a connection that is PLAINTEXT; set GATEWAY_KAFKA_SECURITY"),
        ("CLEAR", {}, "ends a connection that is PLAINTEXT; set GATEWAY_KAFKA_SECURITY"),
        ("LOGIN", TLS, "ends a connection that is SSL; set GATEWAY_KAFKA_SECURITY"),
        ("LOGIN", CLEAR, "ends a connection that is SASL_PLAINTEXT; set GATEWAY_KAFKA_SECURITY"),
        ("TOKEN", TOKEN | {"KAFKA_TOKEN_FILE": "password"}, "the token file password holds no token"),
        ("TOKEN", TOKEN | {"KAFKA_TOKEN_FILE": "nowhere"}, "the token file nowhere can't be read"),
    ],
)
def test_what_may_pass_by_itself_is_reported_as_such(
    listener: str, given: Given, expected: str, way: Way
) -> None:
    refused = way.refusal(listener, given)
    assert isinstance(refused, LogBusy)
    assert expected in str(refused)


async def test_a_broker_is_known_by_the_name_in_its_certificate(way: Way) -> None:
    made = way.connection("TLS", TLS)
    port = made.servers[0].rpartition(":")[2]
    with pytest.raises(LogError, match=r"is not trusted \(Hostname mismatch, certificate is not valid for"):
        await reach(BrokerConnection((f"localhost:{port}",), made.tls))


async def test_a_broker_that_is_not_there_is_reported() -> None:
    port = free_port()
    with pytest.raises(LogBusy, match=rf":{port} can't be reached \(connection refused\); see that it runs"):
        await reach(BrokerConnection((f"127.0.0.1:{port}",)))


@pytest.mark.parametrize("given", [{}, {"KAFKA_SECURITY": "tls"}])
async def test_a_broker_that_does_not_answer_is_reported(given: Given, way: Way) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        tls = way.connection("TLS", given).tls
        with pytest.raises(LogBusy, match=f":{port} does not answer; see that it runs, and that this is its"):
            await reach(BrokerConnection((f"127.0.0.1:{port}",), tls, answer_s=0.1))


async def test_one_broker_of_several_is_enough_and_a_refusal_tells_more_than_silence(
    way: Way, bootstrap: str
) -> None:
    port = free_port()
    await reach(BrokerConnection((f"127.0.0.1:{port}", bootstrap)))
    refusing = way.connection("LOGIN", LOGIN | {"KAFKA_PASSWORD": "wrong"})
    both = BrokerConnection((f"127.0.0.1:{port}", *refusing.servers), refusing.tls, refusing.login)
    with pytest.raises(LogError, match="refuses the user or the password"):
        await reach(both)


async def test_brokers_that_name_addresses_which_cannot_be_reached_are_reported(bootstrap: str) -> None:
    host, _, named = bootstrap.rpartition(":")
    nowhere = free_port()

    async def forward(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: bytes, by: bytes
    ) -> None:
        while part := await reader.read(65536):
            writer.write(part.replace(to, by))
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection(host, int(named))
        truth, lie = struct.pack(">i", int(named)), struct.pack(">i", nowhere)
        await asyncio.gather(forward(there, writer, truth, lie), forward(reader, here, b"", b""))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(LogBusy, match=rf"it names can't be reached \({host}:{nowhere}\); correct"):
            await reach(BrokerConnection((f"127.0.0.1:{port}",)))


async def test_topics_are_not_made_by_looking_where_brokers_make_what_is_asked_for(
    way: Way, topic_prefix: str
) -> None:
    made = way.connection("PLAINTEXT", {})
    for _ in range(2):
        (missing,) = await differences(made, topic_prefix, timestamps="log")
        assert missing.what == "missing"
        assert len(missing.topics) == len(TOPICS)


@pytest.mark.parametrize(
    ("denied", "expected"),
    [
        (AclOperation.CREATE, "this user may not create the topic .*; allow it, or have somebody else do it"),
        (AclOperation.DESCRIBE_CONFIGS, "how the topic .* is set .TopicAuthorizationFailedError.; let this"),
        (AclOperation.DESCRIBE, "are not ready after 0.5 s, or this user may not describe them; see what"),
    ],
)
async def test_what_a_user_may_not_do_is_reported(
    denied: AclOperation,
    expected: str,
    way: Way,
    broker: Broker,
    topic_prefix: str,
) -> None:
    topics = (ResourceType.TOPIC, topic_prefix, ResourcePatternType.PREFIXED)
    cluster = (ResourceType.BROKER, "kafka-cluster", ResourcePatternType.LITERAL)
    allow = [(topics, AclOperation.ALL, AclPermissionType.ALLOW)]
    deny = [(each, denied, AclPermissionType.DENY) for each in (topics, cluster)]
    acls = [AclBinding(*where, f"User:{OTHER_USER}", "*", what, how) for where, what, how in allow + deny]

    def decree() -> None:
        client = AdminClient({"bootstrap.servers": broker.bootstrap})
        for done in client.create_acls(acls).values():
            done.result()

    await asyncio.to_thread(decree)
    made = way.connection("CLEAR", CLEAR | {"KAFKA_USERNAME": OTHER_USER})
    with pytest.raises(LogError, match=expected):
        await create(
            made,
            topic_prefix,
            partitions=1,
            default_partitions=1,
            replication=None,
            timestamps="log",
            ready_s=0.5 if denied is AclOperation.DESCRIBE else PATIENCE_S,
        )


#: For how long a token is good: longer than a busy machine needs to make topics and to connect.
SHORT_S = 15


class Issuer:
    """A token endpoint whose tokens are soon over."""

    def __init__(self) -> None:
        self.given = 0

    async def give(self, _: web.Request) -> web.Response:
        self.given += 1
        given = {"access_token": token(life_s=SHORT_S), "token_type": "Bearer", "expires_in": SHORT_S}
        return web.json_response(given)


async def test_work_goes_on_with_a_new_token_where_a_connection_ends_with_the_old_one(
    way: Way, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = Issuer()
    app = web.Application()
    app.router.add_post("/token", issuer.give)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("GATEWAY_KAFKA_TOKEN_URL", f"http://127.0.0.1:{runner.addresses[0][1]}/token")
    monkeypatch.setenv("GATEWAY_KAFKA_TOKEN_CLIENT_ID", USER)
    monkeypatch.setenv("GATEWAY_KAFKA_TOKEN_CLIENT_SECRET_FILE", "password")
    made = way.connection(
        "SHORT", {"KAFKA_SECURITY": "SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM": "OAUTHBEARER"}
    )
    try:
        await create(
            made, topic_prefix, partitions=1, default_partitions=1, replication=None, timestamps="log"
        )
        topic = f"{topic_prefix}gateway.outcomes"
        sent = 0
        async with AIOKafkaProducer(**made.arguments(), enable_idempotence=True) as producer:
            before = issuer.given
            async with asyncio.timeout(PATIENCE_S):
                while issuer.given == before:
                    await producer.send_and_wait(topic, b"applied")
                    sent += 1
                    await asyncio.sleep(0.05)
        reader = AIOKafkaConsumer(topic, **made.arguments(), auto_offset_reset="earliest")
        async with reader:
            assert [(await reader.getone()).offset for _ in range(sent)] == list(range(sent))
    finally:
        await runner.cleanup()
