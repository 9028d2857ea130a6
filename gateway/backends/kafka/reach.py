"""Whether the brokers can be reached, and if not, why.

aiokafka says "unable to bootstrap" whatever the reason is, so the first connection is made here.
"""

import asyncio
import os
import ssl
from typing import Final

from aiokafka.conn import AIOKafkaConnection, collect_hosts
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from gateway.backends.kafka.connection import BrokerConnection, PasswordLogin, TokenLogin
from gateway.backends.kafka.token import NoToken
from gateway.engine.log import LogBusy, LogError

#: How long a connection may take to end in good order.
CLOSE_S: Final = 1.0

#: What OpenSSL says where the other side doesn't speak TLS.
_NO_TLS: Final = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNEXPECTED_MESSAGE"}
_REFUSED_TOKEN: Final = (
    "the broker {server} refuses the token; see who issued it, for which audience, and until when it holds"
)


async def reach(connection: BrokerConnection) -> None:
    """Connect once to one of the brokers, and to one of those that it names.

    Raises LogError where they are reached and don't take what is shown to them, LogBusy where none answers
    or there is no token: that may pass.
    """
    failures: list[LogError] = []
    for server in connection.servers:
        failure = await _try(connection, server)
        if failure is None:
            return
        failures.append(failure)
    # A refusal is worth more to the reader than silence.
    raise min(failures, key=lambda failure: isinstance(failure, LogBusy))


async def _try(connection: BrokerConnection, server: str) -> LogError | None:
    """What is wrong with a server; None: nothing."""
    try:
        conn = await _connect(connection, server)
    except (KafkaError, OSError, ValueError) as error:
        return _why(connection, server, error)
    try:
        async with asyncio.timeout(connection.answer_s):
            named = (await conn.send(MetadataRequest([]))).brokers
    except (KafkaError, OSError) as error:
        return _why(connection, server, error)
    finally:
        await _close(conn)
    if not named and isinstance(connection.login, TokenLogin):
        # aiokafka takes a refused token for a login: it doesn't wait for the refusal's second half.
        return LogError(_REFUSED_TOKEN.format(server=server))
    return await _try_named(connection, server, [_address(host, port) for _, host, port, *_ in named])


async def _try_named(connection: BrokerConnection, server: str, named: list[str]) -> LogError | None:
    """Clients go to the addresses that brokers name, so one of those must be reached too."""
    if not named or server in named:
        return None
    failure: Exception = KafkaConnectionError()
    for other in named:
        try:
            conn = await _connect(connection, other)
        except (KafkaError, OSError, ValueError) as error:
            failure = error
        else:
            await _close(conn)
            return None
    if isinstance(failure, ssl.SSLError):
        return _why(connection, named[-1], failure)
    return LogBusy(
        f"the broker {server} answers, and those that it names can't be reached ({', '.join(named)}); "
        "correct their advertised.listeners"
    )


async def _connect(connection: BrokerConnection, server: str) -> AIOKafkaConnection:
    ((host, port, _),) = collect_hosts([server])
    arguments = connection.arguments()
    conn = AIOKafkaConnection(
        host,
        port,
        client_id=arguments["client_id"],
        request_timeout_ms=int(connection.answer_s * 1000),
        security_protocol=arguments["security_protocol"],
        ssl_context=arguments["ssl_context"],
        sasl_mechanism=arguments["sasl_mechanism"],
        sasl_plain_username=arguments["sasl_plain_username"],
        sasl_plain_password=arguments["sasl_plain_password"],
        sasl_oauth_token_provider=arguments["sasl_oauth_token_provider"],
    )
    try:
        async with asyncio.timeout(connection.answer_s):
            await conn.connect()
    except (KafkaError, TimeoutError):
        await _close(conn)
        raise
    return conn


async def _close(conn: AIOKafkaConnection) -> None:
    """Close a connection, and wait a moment for the other side to hear it."""
    if closing := conn.close():
        await asyncio.wait({closing}, timeout=CLOSE_S)


def _why(connection: BrokerConnection, server: str, error: Exception) -> LogError:
    """Why no connection was made."""
    match error:
        case NoToken():
            return LogBusy(str(error))
        case SaslAuthenticationFailed() if isinstance(connection.login, PasswordLogin):
            return LogError(
                f"the broker {server} refuses the user or the password; correct GATEWAY_KAFKA_USERNAME or "
                f"the password, and see that the user has one for {connection.login.mechanism}"
            )
        case SaslAuthenticationFailed():
            return LogError(_REFUSED_TOKEN.format(server=server))
        case UnsupportedSaslMechanismError():
            mechanism = connection.arguments()["sasl_mechanism"]
            return LogError(
                f"the broker {server} has no login by {mechanism}; set GATEWAY_KAFKA_SASL_MECHANISM to one "
                "that it has"
            )
        case IllegalSaslStateError():
            return LogError(
                f"the broker {server} has no login on this port; name the port that has, or set "
                "GATEWAY_KAFKA_SECURITY to a kind without sasl"
            )
        case ssl.SSLCertVerificationError():
            return LogError(
                f"the certificate of the broker {server} is not trusted ({error.verify_message}); name in "
                "GATEWAY_KAFKA_CA_FILE who signed it, and in GATEWAY_LOG_URL the host that it is for"
            )
        case ssl.SSLError() if error.reason in _NO_TLS:
            return LogError(
                f"the broker {server} does not speak TLS on this port; name the port that does, or set "
                "GATEWAY_KAFKA_SECURITY to a kind without tls"
            )
        case KafkaConnectionError() | ConnectionResetError():
            return _why_closed(connection, server, error)
        case TimeoutError():
            return LogBusy(
                f"the broker {server} does not answer; see that it runs, and that this is its port"
            )
        case OSError():
            return LogBusy(
                f"the broker {server} can't be reached ({_said(error)}); see that it runs, and its address"
            )
    return LogError(f"the broker {server} can't be used ({type(error).__name__}); see what it logs")


def _why_closed(connection: BrokerConnection, server: str, error: Exception) -> LogError:
    """Why a connection was made and ended before an answer came."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLError):
        return LogError(
            f"the broker {server} does not accept this gateway's certificate, or the lack of one "
            f"({(cause.reason or 'TLS failed').lower().replace('_', ' ')}); name one that it trusts in "
            "GATEWAY_KAFKA_CERTIFICATE_FILE"
        )
    return LogBusy(
        f"the broker {server} ends a connection that is {connection.security_protocol}; set "
        "GATEWAY_KAFKA_SECURITY to what its port is for, or see what it logs"
    )


def _said(error: OSError) -> str:
    """What the system says; asyncio's own words for it name the address again."""
    if error.errno and error.errno > 0:
        return os.strerror(error.errno).lower()
    return (error.strerror or "none of its addresses answers").lower()


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
