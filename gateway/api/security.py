"""What is said, logged and counted when a caller is refused.

A log line says why and at which kind of path, never what the path or the token held.
Source: RFC 6750, 3.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Final, Literal, get_args

import structlog
from aiohttp import web

from gateway.api.problems import Problem, path_template
from gateway.api.request_id import request_id

#: Why a token is refused.
TokenReason = Literal[
    "missing",
    "malformed",
    "header",
    "algorithm",
    "key_unknown",
    "keys_unavailable",
    "signature",
    "claims",
    "issuer",
    "audience",
    "not_yet_valid",
    "expired",
]
#: Why a caller with a good token may not do something, whoever it is.
RoleReason = Literal["no_rights", "not_a_provider", "not_a_jobcentre", "not_prap"]
#: Why one may not, because of whom it would be done for.
RightsReason = Literal[
    RoleReason,
    "body_names_another_provider",
    "query_names_another_provider",
    "body_names_another_jobcentre",
]
#: By `providers` and `jobcentres`, for which of them a caller speaks.
Parties = Mapping[str, Collection[str]]
#: There is no such referral, or it is another's: neither answers nor metrics say which.
NOT_THEIRS: Final = "not_theirs"
#: Too many requests are counted and not logged: there would be as many lines.
RATE: Final = "rate"
REASONS: Final = (*get_args(TokenReason), *get_args(RightsReason), NOT_THEIRS, RATE)

#: Refused tokens of one kind have a log line so often, at the most: whoever sends them needs no token for it.
LOGGED_APART_S: Final = 60.0
#: After how long somebody should try again while there are no keys.
KEYS_AGAIN_S: Final = 30

#: What is said then.
TOKEN_SAYS: Final[Mapping[TokenReason, str]] = {
    "missing": "There is no token; send one in the header Authorization, behind the word Bearer.",
    "malformed": "The header Authorization does not hold one signed token (JWT); send Bearer and the token.",
    "header": "The token's header says what is not understood here; ask for an access token.",
    "algorithm": "The token's algorithm is not taken with its key; use RS256, PS256, ES256 or EdDSA.",
    "key_unknown": "The token is signed with a key that is not known here, or doesn't say with which of "
    "several; ask for a new token, or for one with a kid.",
    "keys_unavailable": "The keys of the identity provider can't be had at the moment; try again.",
    "signature": "The token's signature is wrong; ask for a new token, and send it unchanged.",
    "claims": "A claim is missing or of a wrong type; see to iss, sub, aud, exp, provider_id and scope.",
    "issuer": "The token is from another issuer; ask the right identity provider for one.",
    "audience": "The token is for another audience; ask for one for this gateway.",
    "not_yet_valid": "The token is not valid yet; wait, or have the clocks put right.",
    "expired": "The token has expired; ask for a new one.",
}
ROLE_SAYS: Final[Mapping[RoleReason, str]] = {
    "no_rights": "The token gives no right here; ask for one with provider_id, or a scope of the gateway's.",
    "not_a_provider": "This is for providers and the token names none; ask for one with provider_id.",
    "not_a_jobcentre": "This is for Jobcentres; ask for a token with jobcentre_id, and the scope that the "
    "document names.",
    "not_prap": "This is for PRaP; ask for a token with the scope that the document names.",
}


class Refusals:
    """Logs and counts them. count: is called with the reason of each."""

    def __init__(self, count: Callable[[str], None], *, apart_s: float = LOGGED_APART_S) -> None:
        """apart_s: how often the refused tokens of one kind are logged, at the most."""
        self._count = count
        self._apart_s = apart_s
        #: By reason, how many tokens were refused since that was logged last.
        self._unlogged: dict[TokenReason, int] = {}

    def token(self, request: web.Request, reason: TokenReason, kid: str | None = None) -> Problem:
        """What to raise where a token is not taken. kid: the key it names, where that is one of ours."""
        self._count(reason)
        if reason in self._unlogged:
            self._unlogged[reason] += 1
        else:
            more = {} if kid is None else {"kid": kid}
            trace_id = request_id(request)
            self._log_token(reason, 1, path=path_template(request), trace_id=trace_id, **more)
        code = f"TOKEN_{reason.upper()}"
        if reason == "keys_unavailable":
            headers = {"Retry-After": str(KEYS_AGAIN_S)}
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, TOKEN_SAYS[reason], code=code, headers=headers)
        headers = {"WWW-Authenticate": "Bearer" if reason == "missing" else 'Bearer error="invalid_token"'}
        return Problem(HTTPStatus.UNAUTHORIZED, TOKEN_SAYS[reason], code=code, headers=headers)

    def _log_token(self, reason: TokenReason, count: int, **first: str | None) -> None:
        """Log the first of a kind, and those that come in the next minute together, when it is over."""
        structlog.get_logger("gateway").warning("security.token_refused", reason=reason, count=count, **first)
        self._unlogged[reason] = 0
        asyncio.get_running_loop().call_later(self._apart_s, self._log_rest, reason)

    def _log_rest(self, reason: TokenReason) -> None:
        if count := self._unlogged.pop(reason):
            self._log_token(reason, count)

    def admitted(self, request: web.Request, parties: Parties) -> None:
        """Note who makes a request, for `forbidden`."""
        request[_ADMITTED] = self, parties

    def no_rights(self, request: web.Request) -> Problem:
        """What to raise where a token is good and for nothing."""
        forbidden(request, "no_rights")
        headers = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
        return Problem(HTTPStatus.FORBIDDEN, ROLE_SAYS["no_rights"], code="NO_RIGHTS", headers=headers)

    def rights(self, request: web.Request, parties: Parties, reason: RightsReason) -> None:
        """Log and count that somebody with a good token for these was refused."""
        self._count(reason)
        _log(reason, path_template(request), parties, request_id(request))

    def not_theirs(self, request: web.Request, parties: Parties, *, another: bool) -> None:
        """Count that they have no such referral, and, where another has, log it.

        The line is written after the answer, which must not take longer for it.
        """
        self._count(NOT_THEIRS)
        if another:
            path, trace_id = path_template(request), request_id(request)
            asyncio.get_running_loop().call_soon(_log, "another_providers_referral", path, parties, trace_id)

    def rate(self, retry_after_s: int) -> Problem:
        """What to raise where somebody asks too often. retry_after_s: after how long there is room again."""
        self._count(RATE)
        return Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "There are too many requests; wait as long as the header Retry-After says, and send fewer.",
            headers={"Retry-After": str(retry_after_s)},
        )


_ADMITTED: Final = web.RequestKey[tuple[Refusals, Parties]]("admitted", tuple)


def forbidden(request: web.Request, reason: RightsReason) -> None:
    """Log and count that whoever makes a request has no right to what it asks for; the route says so itself.

    The request is one that an Authenticator has admitted.
    """
    refusals, parties = request[_ADMITTED]
    refusals.rights(request, parties, reason)


def none_of_theirs(request: web.Request, *, another: bool) -> None:
    """Count that whoever makes a request has no such referral, and log it where another has.

    The request is one that an Authenticator has admitted.
    """
    refusals, parties = request[_ADMITTED]
    refusals.not_theirs(request, parties, another=another)


def _log(reason: str, path: str | None, parties: Parties, trace_id: str) -> None:
    named = {name: ", ".join(sorted(ids)) for name, ids in parties.items()}
    structlog.get_logger("gateway").warning(
        "security.forbidden", reason=reason, path=path, trace_id=trace_id, **named
    )
