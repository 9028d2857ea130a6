"""A token is taken when it is good in every respect, and else refused, logged once, and shown nowhere."""

import asyncio
import base64
import hashlib
import hmac
import io
import json
import string
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import hypothesis
import jwt
import pytest
import structlog
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import strategies as st
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm

from gateway.api.callers.verifying import LEEWAY_S, Caller, TokenRefused, header_of, verify
from gateway.api.security import REASONS
from gateway.system import telemetry
from tests.api.tokens import (
    AUDIENCE,
    ISSUER,
    NOW_S,
    PO_NUMBER,
    Answer,
    Json,
    PrivateKey,
    Served,
    claims,
    ec_key,
    ed_key,
    fixed_keyring,
    jwk,
    key_set,
    rsa_key,
    served,
    signed,
    signed_bytes,
    token,
    usual_keys,
)
from tests.patience import PATIENCE_S


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What is logged, as JSON."""
    stream = io.StringIO()
    telemetry.configure("debug", stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture
async def api(logged: io.StringIO) -> AsyncIterator[Served]:
    """An API that knows one key of each kind."""
    async with served(fixed_keyring(usual_keys())) as made:
        yield made


def lines(logged: io.StringIO, event: str) -> list[Json]:
    return [line for line in map(json.loads, logged.getvalue().splitlines()) if line["event"] == event]


def part(value: object) -> str:
    """One of the three parts of a token."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hmac(secret: bytes, kid: str) -> str:
    """A token signed with HMAC, and a public key as the secret."""
    signing = f"{part({'alg': 'HS256', 'kid': kid, 'typ': 'JWT'})}.{part(claims())}"
    return f"{signing}.{part(hmac.new(secret, signing.encode(), hashlib.sha256).digest())}"


def is_refused(answer: Answer, reason: str, given: str, served: Served, logged: io.StringIO) -> None:
    """It was refused for that reason, logged and counted once, and nothing of the token is shown."""
    assert answer.status == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.code == f"TOKEN_{reason.upper()}"
    assert served.refused == [reason]
    (line,) = lines(logged, "security.token_refused")
    assert (line["reason"], line["path"]) == (reason, "/v1/referrals/{po}")
    assert set(line) <= {"event", "level", "timestamp", "reason", "path", "trace_id", "kid", "count"}
    assert line.get("kid") in {None, "rsa", "ec", "ed"}
    shown = logged.getvalue() + json.dumps(answer.body) + str(answer.headers)
    assert PO_NUMBER not in shown
    assert "Traceback" not in shown
    for piece in given.replace(".", " ").split():
        assert len(piece) < 8 or piece not in shown


@pytest.mark.parametrize(
    ("alg", "kid"), [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")]
)
async def test_a_good_token_of_each_algorithm_is_taken(alg: str, kid: str, api: Served) -> None:
    keys: dict[str, PrivateKey] = {"rsa": rsa_key(), "ec": ec_key(), "ed": ed_key()}
    key = keys[kid]
    answer = await api.bearing(token(key, kid, alg, scope="b gateway:operate"))
    assert answer.status == 200
    assert answer.body == {
        "providers": ["PRV01"],
        "scopes": ["b", "gateway:operate"],
        "subject": "client-1",
        "ends_at": NOW_S + 300,
    }
    assert api.refused == []


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_a_token_need_not_say_by_which_key_where_only_one_fits(alg: str, api: Served) -> None:
    """That is one of the set's, with an id or without: both may leave it out (RFC 7515, 7517)."""
    keys: dict[str, PrivateKey] = {
        "RS256": rsa_key(),
        "PS256": rsa_key(),
        "ES256": ec_key(),
        "EdDSA": ed_key(),
    }
    assert (await api.bearing(token(keys[alg], None, alg))).status == 200


async def test_a_key_without_an_id_is_for_tokens_that_name_none() -> None:
    nameless = jwk(ec_key(), "")
    del nameless["kid"]
    async with served(fixed_keyring(key_set(nameless, jwk(rsa_key(), "rsa")))) as api:
        assert (await api.bearing(token(kid=None))).status == 200
        assert (await api.bearing(token(kid="ec"))).code == "TOKEN_KEY_UNKNOWN"
        assert (await api.bearing(token(ec_key(number=1), None))).code == "TOKEN_SIGNATURE"
        assert (await api.bearing(token(rsa_key(), "rsa", "RS256"))).status == 200
        assert (await api.bearing(token(ed_key(), None, "EdDSA"))).code == "TOKEN_KEY_UNKNOWN"


@pytest.mark.parametrize("kids", [("one", "two"), ("one", None), (None, None), ("one", "one")])
async def test_a_token_that_does_not_say_by_which_of_several_keys_is_refused(
    kids: tuple[str | None, ...],
) -> None:
    keys = [jwk(ec_key(number=number), kid or "") for number, kid in enumerate(kids)]
    without = [key if key["kid"] else {name: key[name] for name in key if name != "kid"} for key in keys]
    async with served(fixed_keyring(key_set(*without))) as api:
        for number in range(2):
            given = token(ec_key(number=number), None)
            assert (await api.bearing(given)).code == "TOKEN_KEY_UNKNOWN"


@pytest.mark.parametrize(
    ("changes", "providers"),
    [
        ({"provider_id": ["PRV02", "PRV01", "PRV02"]}, ["PRV01", "PRV02"]),
        ({"provider_id": None, "scope": "gateway:operate"}, []),
        ({"provider_id": [], "scope": "gateway:operate"}, []),
        ({"aud": ["other", AUDIENCE]}, ["PRV01"]),
        ({"iat": None, "nbf": None, "scope": None}, ["PRV01"]),
        ({"exp": NOW_S - LEEWAY_S + 1}, ["PRV01"]),
        ({"nbf": NOW_S + LEEWAY_S, "iat": NOW_S + LEEWAY_S}, ["PRV01"]),
    ],
)
async def test_what_else_a_good_token_may_say(changes: Json, providers: list[str], api: Served) -> None:
    answer = await api.bearing(token(**changes))
    assert (answer.status, answer.body.get("providers")) == (200, providers)


#: What can't be a claim of that name; None: it is missing.
NO_CLAIMS: Mapping[str, list[object]] = {
    "iss": [None, 1, ["x"]],
    "aud": [None, 1, {}, [1], {"gateway": True}],
    "exp": [None, "9999999999", True, [], {}, "never"],
    "nbf": ["soon", True],
    "iat": ["soon", []],
    "provider_id": [
        *("", 1, True, {}, [1], [["PRV01"]], [""], ["PRV01", None]),
        *("P" * 101, ["P" * 101], [f"P{n}" for n in range(101)]),
    ],
    "scope": [["gateway:operate"], 1, {}],
    "sub": [None, "", 1, "s" * 257],
}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": NOW_S - LEEWAY_S}, "expired"),
        ({"exp": -1}, "expired"),
        ({"nbf": NOW_S + LEEWAY_S + 1}, "not_yet_valid"),
        ({"iat": NOW_S + LEEWAY_S + 1}, "not_yet_valid"),
        ({"iss": "https://issuer.example/"}, "issuer"),
        ({"iss": "https://other.example"}, "issuer"),
        ({"aud": "other"}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": ["gateway2"]}, "audience"),
        *(({name: value}, "claims") for name, values in NO_CLAIMS.items() for value in values),
    ],
)
async def test_a_token_whose_claims_are_not_as_they_should_be_is_refused(
    changes: Json, reason: str, api: Served, logged: io.StringIO
) -> None:
    given = token(**changes)
    is_refused(await api.bearing(given), reason, given, api, logged)


def hostile() -> Iterator[tuple[str, str, str]]:
    """A name, a token and why it is refused."""
    good = token()
    header, payload, signature = good.split(".")
    pem = ec_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = ec_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    rsa_pem = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    none = part({"alg": "none", "kid": "ec"})
    stranger = ec_key(number=1)
    yield "another key under a known id", token(stranger), "signature"
    yield "a changed payload", f"{header}.{part(claims(provider_id='PRV02'))}.{signature}", "signature"
    yield "a cut signature", good[:-8], "*"
    yield "no signature", f"{header}.{payload}.", "signature"
    yield "none", f"{none}.{payload}.", "algorithm"
    yield "none with a signature", f"{none}.{payload}.{signature}", "algorithm"
    for name in ("None", "NONE", "nOnE", "", "HS512", "RS512", "ES384", "ES256K", "es256"):
        yield f"alg {name}", f"{part({'alg': name, 'kid': 'ec'})}.{payload}.{signature}", "algorithm"
    for what, secret in (("PEM", pem), ("DER", der), ("JWK", json.dumps(jwk(ec_key(), "ec")).encode())):
        yield f"HMAC with the {what}", by_hmac(secret, "ec"), "algorithm"
    yield "HMAC with the PEM of an RSA key", by_hmac(rsa_pem, "rsa"), "algorithm"
    yield "HMAC with nothing", by_hmac(b"", "ec"), "algorithm"
    yield "RS256 with the id of an EC key", token(rsa_key(), "ec", "RS256"), "algorithm"
    yield "ES256 with the id of an RSA key", token(ec_key(), "rsa", "ES256"), "algorithm"
    yield "EdDSA with the id of an EC key", token(ed_key(), "ec", "EdDSA"), "algorithm"
    by_pss = token(rsa_key(), "rsa", "PS256").partition(".")[2]
    yield "PS256 said to be RS256", f"{part({'alg': 'RS256', 'kid': 'rsa'})}.{by_pss}", "signature"
    yield "no alg", f"{part({'kid': 'ec'})}.{payload}.{signature}", "malformed"
    values: list[object] = [1, None, ["ES256"], {"ES256": 1}]
    for value in values:
        yield f"alg {value}", f"{part({'alg': value, 'kid': 'ec'})}.{payload}.{signature}", "malformed"
    for kid in ("ec2", "", "../../etc/passwd", "/dev/null", "ec\x00", "' OR 1=1 --", "k" * 200, "k" * 3000):
        yield f"kid {kid[:20]!r} of {len(kid)}", signed(claims(), ec_key(), kid), "key_unknown"
    yield "no kid, and another key", token(stranger, None), "signature"
    by_pss = token(rsa_key(), None, "PS256").partition(".")[2]
    yield "no kid, PS256 said to be RS256", f"{part({'alg': 'RS256'})}.{by_pss}", "signature"
    yield "no kid, HMAC", f"{part({'alg': 'HS256'})}.{payload}.{signature}", "algorithm"
    yield (
        "no kid, another key of its own",
        signed(claims(), stranger, None, jwk=jwk(stranger, "x")),
        "signature",
    )
    values = [1, None, ["ec"], {"ec": 1}]
    for value in values:
        yield f"kid {value}", f"{part({'alg': 'ES256', 'kid': value})}.{payload}.{signature}", "malformed"
    own = jwk(stranger, "ec")
    yield "a key of its own", signed(claims(), stranger, jwk=own), "signature"
    yield (
        "a key of its own, under an id of its own",
        signed(claims(), stranger, "own", jwk=own),
        "key_unknown",
    )
    yield "the address of its own keys", signed(claims(), stranger, jku="http://127.0.0.1/keys"), "signature"
    yield "the address of its certificate", signed(claims(), stranger, x5u="http://127.0.0.1/x"), "signature"
    yield "its own certificate", signed(claims(), stranger, x5c=["MIIB"]), "signature"
    values = [["exp"], ["b64"], [], "exp", None]
    for crit in values:
        made = f"{part({'alg': 'ES256', 'kid': 'ec', 'crit': crit, 'b64': True, 'exp': 1})}.{payload}"
        yield f"crit {crit}", f"{made}.{signature}", "header"
    yield "b64", f"{part({'alg': 'ES256', 'kid': 'ec', 'b64': False})}.{payload}.{signature}", "malformed"
    for typ in ("logout+jwt", "dpop+jwt", "secevent+jwt", "JOSE"):
        yield f"typ {typ}", signed(claims(), ec_key(), typ=typ), "header"
    for text in ("[]", "1", '"x"', "null", "{", ""):
        made = f"{header}.{part(text.encode())}" if text else f"{header}."
        made += f".{signature}"
        yield f"a payload {text!r}", made, "malformed" if not text else "signature"
    yield "a list, rightly signed", signed_bytes(b"[]", ec_key()), "claims"
    yield "not UTF-8, rightly signed", signed_bytes(b'{"iss":"\xff"}', ec_key()), "claims"
    yield (
        "an endless time, rightly signed",
        signed_bytes(json.dumps(claims(exp=1e999)).encode(), ec_key()),
        "claims",
    )
    yield "nested too deeply, rightly signed", signed_bytes(b"[" * 2000, ec_key()), "claims"
    yield "a header nested too deeply", f"{part(b'[' * 2000)}.{payload}.{signature}", "malformed"
    for depth in (900, 960, 970, 975, 980, 990, 1000, 1100, 1500, 2200):
        deep = b"[" * depth + b"]" * depth
        named = part(b'{"alg":"ES256","kid":"ec","x":%b}' % deep)
        yield f"a header with {depth} brackets", f"{named}.{payload}.{signature}", "*"
        yield (
            f"{depth} brackets, rightly signed",
            signed_bytes(b'{"iss":"x","x":%b}' % deep, ec_key()),
            "claims",
        )
    yield "a header that is not UTF-8", f"{part(bytes([255]))}.{payload}.{signature}", "malformed"
    yield "two parts", f"{header}.{payload}", "malformed"
    yield "four parts", f"{good}.{signature}", "malformed"
    yield "five parts, as if encrypted", f"{good}.{signature}.{signature}", "malformed"
    yield "padding", f"{header}=.{payload}.{signature}", "malformed"
    yield "another alphabet", f"{header}.{payload}.+/{signature[2:]}", "malformed"
    yield "too large", token(more="x" * 4700), "malformed"
    yield "much too large", "a" * 7000, "malformed"


@pytest.mark.parametrize(
    ("given", "reason"),
    [pytest.param(given, reason, id=name) for name, given, reason in hostile()],
)
async def test_a_token_that_was_tampered_with_is_refused(
    given: str, reason: str, api: Served, logged: io.StringIO
) -> None:
    answer = await api.bearing(given)
    if reason == "*":
        reason = answer.code.removeprefix("TOKEN_").lower()
        assert reason in {"signature", "malformed"}
    is_refused(answer, reason, given, api, logged)


def in_another_spelling(encoded: str) -> str:
    """The same bytes with one of the bits set that base64url has no use for."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    assert len(encoded) % 4
    return encoded[:-1] + alphabet[alphabet.index(encoded[-1]) + 1]


@pytest.mark.parametrize("which", ["header", "payload", "signature"])
async def test_a_token_has_one_spelling(which: str, api: Served, logged: io.StringIO) -> None:
    """Not even one in which the identity provider signed it is another."""
    sign = jwt.get_algorithm_by_name("ES256").sign

    def spelled(name: str) -> str:
        header, payload = part({"alg": "ES256", "kid": "ec"}), part(claims())
        header = in_another_spelling(header) if name == "header" else header
        payload = in_another_spelling(payload) if name == "payload" else payload
        signature = part(sign(f"{header}.{payload}".encode(), ec_key()))
        signature = in_another_spelling(signature) if name == "signature" else signature
        return f"{header}.{payload}.{signature}"

    assert (await api.bearing(spelled("none"))).status == 200
    given = spelled(which)
    is_refused(await api.bearing(given), "malformed", given, api, logged)


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ([], "missing"),
        ([""], "malformed"),
        (["Bearer"], "malformed"),
        (["Bearer "], "malformed"),
        (["{}"], "malformed"),
        (["Basic dXNlcjpwYXNzd29yZA=="], "malformed"),
        (["Basic {}"], "malformed"),
        (["Bearer {} {}"], "malformed"),
        (["Bearer {}, Bearer {}"], "malformed"),
        (["Bearer\t{}"], "malformed"),
        (["Bearer {}", "Bearer {}"], "malformed"),
        (["Basic dXNlcjpwYXNzd29yZA==", "Bearer {}"], "malformed"),
        (["Bearer {}é"], "malformed"),
    ],
)
async def test_a_header_that_holds_not_one_token_is_refused(
    authorization: list[str], reason: str, api: Served, logged: io.StringIO
) -> None:
    good = token()
    answer = await api.ask(*(value.replace("{}", good) for value in authorization))
    is_refused(answer, reason, good, api, logged)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
async def test_the_word_bearer_may_be_written_in_any_way(scheme: str, api: Served) -> None:
    assert (await api.ask(f"{scheme} {token()}")).status == 200


async def test_a_token_in_the_query_is_not_looked_for(api: Served, logged: io.StringIO) -> None:
    given = token()
    answer = await api.ask(path=f"/v1/referrals/{PO_NUMBER}?access_token={given}")
    is_refused(answer, "missing", given, api, logged)


@pytest.mark.parametrize("header", [{"jwk": {}}, {"jku": "x"}, {"x5u": "x"}, {"x5t": "x"}, {"typ": "at+jwt"}])
async def test_what_else_a_header_says_changes_nothing(header: Json, api: Served) -> None:
    assert (await api.bearing(signed(claims(), ec_key(), **header))).status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"provider_id": None},
        {"provider_id": []},
        {"provider_id": None, "scope": "gateway:operator gateway: operate"},
    ],
)
async def test_a_good_token_without_any_right_is_forbidden(
    changes: Json, api: Served, logged: io.StringIO
) -> None:
    answer = await api.bearing(token(**changes), f"/v1/referrals/{PO_NUMBER}")
    assert (answer.status, answer.code) == (403, "NO_RIGHTS")
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    (line,) = lines(logged, "security.forbidden")
    assert (line["reason"], line["path"]) == ("no_rights", "/v1/referrals/{po}")
    assert api.refused == ["no_rights"]
    assert PO_NUMBER not in logged.getvalue()


async def test_a_route_logs_that_something_is_another_providers(api: Served, logged: io.StringIO) -> None:
    answer = await api.bearing(token(provider_id=["PRV02", "PRV01"]), f"/v1/anothers/{PO_NUMBER}")
    assert answer.status == 404
    (line,) = lines(logged, "security.forbidden")
    assert line["reason"] == "another_providers_referral"
    assert line["providers"] == "PRV01, PRV02"
    assert api.refused == ["not_theirs"]
    assert PO_NUMBER not in logged.getvalue()


async def test_where_there_is_nothing_it_is_counted_alike_and_not_logged(
    api: Served, logged: io.StringIO
) -> None:
    """Who sees the metrics learns nothing of whether another provider has it."""
    assert (await api.bearing(token(), "/v1/anothers/NONE")).status == 404
    assert lines(logged, "security.forbidden") == []
    assert api.refused == ["not_theirs"]


async def test_a_token_that_was_remembered_ends_when_it_expires(api: Served) -> None:
    good = token()
    assert (await api.bearing(good)).status == 200
    api.clock.move_to(NOW_S + 300 + LEEWAY_S - 1)
    assert (await api.bearing(good)).status == 200
    api.clock.shift(1)
    assert (await api.bearing(good)).code == "TOKEN_EXPIRED"
    api.clock.shift(1)
    assert (await api.bearing(good)).code == "TOKEN_EXPIRED"


async def test_no_more_tokens_are_remembered_than_there_is_room_for() -> None:
    async with served(fixed_keyring(usual_keys()), most_remembered=2) as api:
        given = {name: token(sub=name) for name in ("one", "two", "three")}
        for name in ("one", "two", "one", "three", "two", "one"):
            assert (await api.bearing(given[name])).body["subject"] == name
        kept = [caller.subject for caller in api.authenticator._verified.values()]
        assert kept == ["three", "one"], "the oldest made room"


async def test_a_signature_is_checked_once(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []
    as_it_is = ECAlgorithm.verify

    def counted(self: ECAlgorithm, msg: bytes, key: Any, sig: bytes) -> bool:
        checked.append(msg)
        return as_it_is(self, msg, key, sig)

    monkeypatch.setattr(ECAlgorithm, "verify", counted)
    one, two = token(sub="one"), token(sub="two")
    for given in (one, two, one, two, one):
        assert (await api.bearing(given)).body["subject"] == ("one" if given == one else "two")
    assert checked == [given.rpartition(".")[0].encode() for given in (one, two)]


async def test_a_bad_token_is_not_remembered_as_good(api: Served) -> None:
    bad = token(ec_key(number=1))
    for _ in range(2):
        assert (await api.bearing(bad)).code == "TOKEN_SIGNATURE"
    assert api.refused == ["signature"] * 2


async def test_refused_tokens_of_a_kind_have_one_line_until_a_minute_is_over(logged: io.StringIO) -> None:
    """Then one for all that came meanwhile; nobody fills a disk with them."""
    async with served(fixed_keyring(usual_keys()), logged_apart_s=0.1) as api:
        for _ in range(20):
            await api.bearing(token(aud="other"))
            await api.bearing("none")
        counted = {"audience": 0, "malformed": 0}
        async with asyncio.timeout(PATIENCE_S):
            while set(counted.values()) != {20}:
                await asyncio.sleep(0.01)
                for reason in counted:
                    found = lines(logged, "security.token_refused")
                    counted[reason] = sum(line["count"] for line in found if line["reason"] == reason)
        first = lines(logged, "security.token_refused")[0]
        assert (first["count"], first["path"]) == (1, "/v1/referrals/{po}")
        assert api.refused == ["audience", "malformed"] * 20


def test_a_caller_is_an_issuer_and_a_subject() -> None:
    callers = [
        Caller(frozenset(), frozenset(), subject, 0, issuer=issuer)
        for issuer, subject in (("a", "bc"), ("ab", "c"), ("a", "b"), ("", "abc"), ("1:a", "bc"))
    ]
    assert len({caller.id for caller in callers}) == len(callers)
    assert callers[0].id == Caller(frozenset({"P"}), frozenset({"s"}), "bc", 9, "kid", "a").id


def test_all_reasons_have_words() -> None:
    assert len(set(REASONS)) == len(REASONS)


@hypothesis.given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
@hypothesis.settings(max_examples=300)
def test_no_header_and_no_payload_does_more_than_be_refused(data: bytes) -> None:
    for given in (data.decode("utf-8", "replace"), f"{part(data)}.{part(data)}.{part(data)}"):
        with pytest.raises(TokenRefused):
            header_of(given)
    rightly = signed_bytes(data, ec_key())
    with pytest.raises(TokenRefused):
        verify(rightly, "ec", PyJWK(jwk(ec_key(), "ec")), issuer=ISSUER, audience=AUDIENCE)


@pytest.mark.parametrize(
    "useless",
    [
        jwk(rsa_key(1024), "other"),
        jwk(ec_key("P-384"), "other"),
        jwk(ec_key("secp256k1"), "other"),
        jwk(ec_key(), "other", use="enc"),
        jwk(ec_key(), "other", key_ops=["sign"]),
        jwk(ec_key(), "other", alg="ES384"),
        jwk(rsa_key(), "other", alg="RS512"),
        jwk(ec_key(), "other", d="AAAA"),
        jwk(rsa_key(), "other", e="AQ"),  # anybody can sign where the exponent is 1
        jwk(ec_key(), "other", y=jwk(ec_key(number=1), "")["y"]),  # not on the curve
        jwk(ec_key(), "other", crv="P-384"),
        jwk(ec_key(), "other", kty="RSA"),
        jwk(ec_key(), ""),
        jwk(ec_key(), "k" * 201),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "other", "alg": "HS256"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "other"},
        {"kty": "EC", "crv": "P-256", "x": "é", "y": "é", "kid": "other"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "other"},
        {"kty": "RSA", "n": "", "e": "", "kid": "other"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "other"},
        {"kty": "OKP", "crv": "Ed448", "x": "AA", "kid": "other"},
        {"kid": "other"},
        "other",
        None,
        [],
    ],
)
async def test_a_key_that_cannot_be_used_is_left_out_and_spoils_no_other(
    useless: object,
) -> None:
    keyring = fixed_keyring(key_set(useless, jwk(ec_key(number=2), "good")))
    assert keyring.keys is not None
    assert keyring.keys.left_out == 1
    assert keyring.keys.kids == {"good"}
    async with served(keyring) as api:
        assert (await api.bearing(token(ec_key(number=2), "good"))).status == 200
        for alg, key in (("RS256", rsa_key()), ("ES256", ec_key())):
            assert (await api.bearing(token(key, "other", alg))).code == "TOKEN_KEY_UNKNOWN"


@pytest.mark.parametrize("depth", [9, 10, 100, 960, 970, 980, 990, 1_000, 10_000])
async def test_a_key_that_is_nested_deeply_spoils_no_other(depth: int) -> None:
    document = key_set(
        jwk(ec_key(number=1), "extended", more=["]", "DEPTH", '"[']),
        jwk(ec_key(number=2), "other") | {"x": "DEPTH"},
        jwk(ec_key(), "good"),
    ).replace(b'"DEPTH"', b'{"a":[' * depth + b'"\\"' + b'"' + b"]}" * depth)
    keyring = fixed_keyring(document)
    assert keyring.keys is not None
    assert keyring.keys.kids == {"extended", "good"}
    assert keyring.keys.left_out == 1
    async with served(keyring) as api:
        assert (await api.bearing(token(kid="good"))).status == 200


async def test_a_key_is_used_for_the_algorithm_only_that_it_is_for() -> None:
    async with served(fixed_keyring(key_set(jwk(rsa_key(), "rsa", alg="PS256")))) as api:
        assert (await api.bearing(token(rsa_key(), "rsa", "PS256"))).status == 200
        assert (await api.bearing(token(rsa_key(), "rsa", "RS256"))).code == "TOKEN_ALGORITHM"
