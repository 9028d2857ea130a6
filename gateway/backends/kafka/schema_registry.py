"""A schema registry with Confluent's API: schemas by their ids, and ids by their schemas.

Source: Confluent Schema Registry, API reference: Schemas, Subjects, Compatibility, and its error codes.
"""

import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote

import msgspec

from gateway.engine.log import LogBusy, LogError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

LARGEST_ANSWER: Final = 1024 * 1024
#: How deep a schema's references may refer to others.
DEEPEST: Final = 16
_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
#: Confluent's codes of what is not there: a subject, a version, a schema.
_NOT_THERE: Final = frozenset({40401, 40402, 40403})
_INCOMPATIBLE: Final = 409
_UNPROCESSABLE: Final = 422
_LOGIN: Final = frozenset({401, 403})


class RegistryAway(LogBusy):
    """The schema registry does not answer, or not as one; the message says what to do."""


class NotRegistered(Exception):
    """The registry answers that it has no such schema."""


class NotCompatible(LogError):
    """The registry does not take a schema under its subject; the message says what to do."""


@dataclass(frozen=True, slots=True)
class BasicLogin:
    """Who this is, by a name and a password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerLogin:
    """Who this is, by a token."""

    token: str = field(repr=False)


_Answer = TypeVar("_Answer", bound=msgspec.Struct)


class _Reference(msgspec.Struct):
    subject: str
    version: int


class _Found(msgspec.Struct):
    schema: str
    schemaType: str = "AVRO"  # noqa: N815 - Confluent's name
    references: list[_Reference] = []


class _Id(msgspec.Struct):
    id: int


class _Compatible(msgspec.Struct):
    is_compatible: bool


class _Refusal(msgspec.Struct):
    error_code: int = 0


class SchemaRegistry:
    """A client of the registry at a URL. It connects when something is first asked of it.

    url: what stands before /subjects. tls: what to encrypt with; None: as the system does. timeout_s: how
    long an answer may take.
    """

    def __init__(
        self,
        url: str,
        *,
        login: BasicLogin | BearerLogin | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Accept": _CONTENT_TYPE, "Content-Type": _CONTENT_TYPE}
        match login:
            case BasicLogin(username, password):
                encoded = b64encode(f"{username}:{password}".encode()).decode()
                self._headers["Authorization"] = f"Basic {encoded}"
            case BearerLogin(token):
                self._headers["Authorization"] = f"Bearer {token}"
        self._tls = tls
        self._timeout_s = timeout_s
        self._session: ClientSession | None = None

    async def schema(self, schema_id: int) -> list[str]:
        """The Avro schema of an id as JSON, behind those that it refers to.

        Raises RegistryAway, NotRegistered.
        """
        return await self._with_references(await self._get(f"schemas/ids/{schema_id}"), DEEPEST)

    async def id_of(self, subject: str, schema: str) -> int:
        """The id of a schema under a subject. Raises RegistryAway, NotRegistered."""
        return self._read(await self._send("POST", f"subjects/{subject}", {"schema": schema}), _Id).id

    async def register(self, subject: str, schema: str) -> int:
        """The id of a schema under a subject, where it is put if it is not there.

        Raises RegistryAway, NotCompatible.
        """
        path = f"subjects/{subject}/versions"
        try:
            return self._read(await self._send("POST", path, {"schema": schema}), _Id).id
        except NotRegistered:
            raise self._odd(404) from None

    async def is_compatible(self, subject: str, schema: str) -> bool:
        """Whether a subject would take a schema as its next version. Raises RegistryAway."""
        path = f"compatibility/subjects/{subject}/versions/latest"
        try:
            return self._read(await self._send("POST", path, {"schema": schema}), _Compatible).is_compatible
        except NotRegistered:
            return True  # it is to be the first version

    async def close(self) -> None:
        """Let the connections go. Never raises."""
        if self._session is not None:
            await self._session.close()

    async def _with_references(self, found: _Found, depth: int) -> list[str]:
        if found.schemaType != "AVRO" or not depth:
            raise NotRegistered
        schemas: list[str] = []
        for reference in found.references:
            subject = quote(reference.subject, safe="")
            one = await self._get(f"subjects/{subject}/versions/{reference.version}")
            schemas += await self._with_references(one, depth - 1)
        return [*schemas, found.schema]

    async def _get(self, path: str) -> _Found:
        return self._read(await self._send("GET", path, None), _Found)

    async def _send(self, method: str, path: str, content: object) -> bytes:
        # It takes a sixth of a start, and few have a registry.
        import aiohttp

        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls or True)
            timeout = aiohttp.ClientTimeout(total=self._timeout_s)
            self._session = aiohttp.ClientSession(timeout=timeout, headers=self._headers, connector=connector)
        body = None if content is None else msgspec.json.encode(content)
        try:
            # A redirection would send the password to wherever it leads.
            async with self._session.request(
                method, f"{self._url}/{path}", data=body, allow_redirects=False
            ) as response:
                status, answer = response.status, await _read(response)
        except aiohttp.ClientConnectorCertificateError:
            raise RegistryAway(
                "the schema registry's certificate is not trusted; name its CA in "
                "GATEWAY_SCHEMA_REGISTRY_CA_FILE"
            ) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise RegistryAway(
                f"the schema registry does not answer ({type(error).__name__}); see to it, or correct "
                "GATEWAY_SCHEMA_REGISTRY_URL"
            ) from None
        if status == 200:
            return answer
        try:
            code = msgspec.json.decode(answer, type=_Refusal).error_code
        except msgspec.MsgspecError:
            code = 0
        if status == 404 and code in _NOT_THERE:
            raise NotRegistered
        if status in _LOGIN:
            raise RegistryAway(
                "the schema registry refuses this login; correct GATEWAY_SCHEMA_REGISTRY_USERNAME and its "
                "password, or the token, or run `gateway schemas register` with a login that may register"
            )
        if status in {_INCOMPATIBLE, _UNPROCESSABLE}:
            raise NotCompatible(
                f"the schema registry does not take the schema of {path.split('/')[1]}; see "
                "`gateway schemas check`, and the compatibility that is set there"
            )
        raise self._odd(status)

    def _read(self, answer: bytes, kind: type[_Answer]) -> _Answer:
        try:
            return msgspec.json.decode(answer, type=kind)
        except msgspec.MsgspecError:
            raise self._odd(200) from None

    @staticmethod
    def _odd(status: int) -> RegistryAway:
        return RegistryAway(
            f"the schema registry answers with status {status} and not as one with Confluent's API; see to "
            "it, or correct GATEWAY_SCHEMA_REGISTRY_URL"
        )


async def _read(response: "ClientResponse") -> bytes:
    """The whole body, or nothing where it is larger than any answer that is waited for."""
    body = b""
    async for part in response.content.iter_any():
        body += part
        if len(body) > LARGEST_ANSWER:
            return b""
    return body
