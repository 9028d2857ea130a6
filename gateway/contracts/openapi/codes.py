"""Every code that problem details may have, by status, and what to do about it.

The codes of refused messages and tokens are taken from where they are refused.
"""

from collections.abc import Mapping
from typing import Final

from gateway.api.security import KEYS_AGAIN_S, ROLE_SAYS, TOKEN_SAYS
from schemas.limits import PRAP_ID

#: Without an identity provider's keys no token can be checked, which is not the caller's fault.
_NO_KEYS: Final = "TOKEN_KEYS_UNAVAILABLE"

CODES: Final[Mapping[int, Mapping[str, str]]] = {
    400: {
        "BAD_CURSOR": "Give `next` of an earlier answer, or leave the cursor out.",
        "BAD_IDEMPOTENCY_KEY": "Give one key, of 1 to 100 visible ASCII characters; not `.` or `..`, and "
        f"none that begins with `{PRAP_ID}`.",
        "BAD_PARAMETER": "Correct the parameter that `field` names; give each once.",
        "BAD_WEBHOOK": "Correct what `field` names.",
        "BAD_WEBHOOK_URL": "Give a URL with https that the internet reaches.",
        "BAD_REQUEST": "Send HTTP, with a path and headers of 8,190 bytes at the most, and 128 headers.",
        "IDEMPOTENCY_KEY_MISSING": "Give the record an id of your own in the header Idempotency-Key.",
        "INVALID_MESSAGE": "Correct what `mistakes` lists, or `field` names.",
        "INVALID_PLAN": "Correct what `field` names.",
        "INVALID_RECORD": "Correct what `mistakes` lists.",
        "NOT_JSON": "Send one JSON object in UTF-8, with each field once.",
        "PROVIDER_NEEDED": "Say with `provider_id` for which of the token's providers you ask.",
        "UNKNOWN_PARAMETER": "Take out what the path has no parameter for.",
        "UNREADABLE_BODY": "Send the body whole, in the form that Content-Encoding says, or plain.",
    },
    401: {
        f"TOKEN_{reason.upper()}": says for reason, says in TOKEN_SAYS.items() if reason != "keys_unavailable"
    },
    403: {
        "ANOTHER_JOBCENTRE": "Let `jobcentre_id` be a Jobcentre of the token.",
        "ANOTHER_PROVIDER": "Name a provider of the token, or leave `provider_id` out.",
        "NOT_A_JOBCENTRE": ROLE_SAYS["not_a_jobcentre"],
        "NOT_A_PROVIDER": ROLE_SAYS["not_a_provider"],
        "NOT_PRAP": ROLE_SAYS["not_prap"],
        "NO_RIGHTS": ROLE_SAYS["no_rights"],
    },
    404: {
        "NOT_FOUND": "There is no such path; check it.",
        "UNKNOWN_ACTION": "Take the `event_id` from the list of actions.",
        "UNKNOWN_CALENDAR": "Check the address, or make a new calendar; it may be revoked.",
        "UNKNOWN_EXPORT": "Ask for one that there is: instructions, outcomes, referrals or sessions.",
        "UNKNOWN_MESSAGE": "Check the id; it may be another's.",
        "UNKNOWN_REFERRAL": "Check the number in what you asked; the referral may be another's, or not here "
        "yet. Nothing was decided, and an Idempotency-Key stays free.",
        "UNKNOWN_SESSION": "Check the id in the path; no referral of yours is booked on it.",
        "UNKNOWN_EVENT": "Take an `event_id` of the webhook's deliveries; older ones are forgotten.",
        "UNKNOWN_WEBHOOK": "Check the id, or make a new webhook; it may be deleted, or another's.",
        "UNKNOWN_UPLOAD": "Check the id; it may be another's, or all of its referrals are forgotten.",
    },
    405: {"METHOD_NOT_ALLOWED": "Use a method of the header Allow."},
    408: {"TOO_SLOW": "Send it again, and faster: a body has 10 seconds, an upload 60."},
    409: {
        "CLOCK_GOES_BACK": "Give a later instant, or begin a new sandbox.",
        "READ_ONLY": "Nothing can be posted where time is that of the messages on the log.",
        "TOO_MANY_CALENDARS": "Revoke a calendar that nobody reads any more.",
        "TOO_MANY_WEBHOOKS": "Delete a webhook that nobody needs any more.",
        "WEBHOOKS_OFF": "Follow by long poll or as a stream; the operators can turn webhooks on.",
        "TOO_MANY_PLANS": "Put a plan for an area that has one: there are as many areas as are taken.",
        "TOO_MANY_RECORDS": "The referral has as many messages as are taken; ask the operators.",
    },
    410: {
        "CURSOR_OF_ANOTHER_HISTORY": "Begin again without a cursor, and pass over what you have already: an "
        "`event_id` stays the same. The log was restored from a backup, or made anew.",
    },
    413: {"TOO_LARGE": "Send less at once."},
    415: {
        "JSON_NEEDED": "Make the JSON itself the body, with Content-Type: application/json.",
        "NOT_A_DOWNLOAD": "Send the zip as it came from PRaP, with Content-Type: application/zip.",
        "NOT_AN_UPLOAD": "Send CSV or JSON lines in UTF-8, with their Content-Type.",
        "UNKNOWN_ENCODING": "Pack the body with gzip or deflate, said in Content-Encoding, or not at all.",
    },
    417: {"EXPECTATION_FAILED": "Leave the header Expect out, or let it be `100-continue`."},
    422: {
        "IDEMPOTENCY_KEY_REUSED": "Give all that you send a key of its own, whichever provider it is for.",
        "INVALID_DOWNLOAD": "The zip, or a file in it, is not as PRaP makes them: see `detail`. Nothing was "
        "taken.",
        "WEBHOOK_NOT_WELCOME": "Let the receiver answer OPTIONS with the header WebHook-Allowed-Origin.",
        "UPLOAD_HAS_MISTAKES": "Correct what `mistakes` lists, and send it again: nothing was taken.",
    },
    429: {
        "TOO_MANY_REQUESTS": "Wait as long as Retry-After says, and send fewer.",
        "TOO_MANY_STREAMS": "Close a stream or a long poll, or wait as long as Retry-After says.",
        "TOO_MANY_UPLOADS": "Wait until one of your uploads is through, or as long as Retry-After says.",
    },
    500: {
        "INTERNAL_SERVER_ERROR": "A bug of the gateway; report it with the header Request-Id of the answer."
    },
    503: {
        "CLOCK_LEAPT": "Send the same again, with the same Idempotency-Key, when Retry-After has passed.",
        "PROJECTION_UNREADABLE": "Ask again after a second; where it stays so, tell the operators.",
        "STARTING": "Ask again after a second.",
        "TOO_MANY_CONNECTIONS": "Close connections that you don't need, and try again after Retry-After.",
        _NO_KEYS: f"{TOKEN_SAYS['keys_unavailable']} Wait for {KEYS_AGAIN_S} seconds.",
        "TRY_AGAIN": "Send the same again, with the same Idempotency-Key, when Retry-After has passed.",
    },
}

#: What a code means that comes with two statuses: 404 where somebody asked for it, 422 where a message that
#: names it was decided and refused.
MEANINGS: Final = {
    "UNKNOWN_REFERRAL": "The gateway knows no referral of yours with this number.",
    "UNKNOWN_SESSION": "No session with this id is booked for you.",
}
