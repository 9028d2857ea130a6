"""A referral with a mark in each text about its participant, as the classes in the schemas have it."""

import re
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Final

from gateway.rules.messages import RECORD_NAMED, Participant
from gateway.sealing.key_store import KeyStore
from gateway.sealing.vault import Vault
from gateway.sealing.wrapping import WrappingKeyFile
from schemas.catalogue import SCHEMA_OF, SCHEMAS, about_a_person
from tests.cli.running import Json, record, referral

#: Texts have Qzmark in them. A National Insurance number has no room for it, and a date of birth is a number.
NINO: Final = "AB123456C"
_MARKS: Final = re.compile(rb"Qzmark[ @]?[a-zA-Z]*(?: [a-z_]+)?|" + NINO.encode())
_TEXTS: Final = {
    name: {
        field["name"]
        for field in SCHEMAS[name]["fields"]
        if field["name"] in about_a_person(SCHEMAS[name]) and field["type"] in ("string", ["null", "string"])
    }
    for name in RECORD_NAMED
}
#: What the contract of outbound topics has: of session events, sanction notifications and actions for PRaP.
IN_CONTRACT: Final = {
    b"Qzmark SessionBooked session_name",
    b"Qzmark SessionBooked location",
    b"Qzmark CannotAttend reason",
    b"Qzmark ReferralRejected reason",
}


def participant() -> Json:
    """Each of the fields that the schema has, marked."""
    found = {
        "nino": NINO,
        "forename": "Qzmark forename",
        "surname": "Qzmark surname",
        "date_of_birth": "1911-11-11",
        "phone": "Qzmark phone",
        "email": "Qzmark@example.org",
        "address": ["1 Qzmark Street", "Qzmark Town"],
        "postcode": "Qzmark postcode",
        "preferred_language": "Qzmark language",
        "interpreter_needed": True,
    }
    assert found.keys() == about_a_person(SCHEMA_OF[Participant]), "each has a mark"
    return found


def story(po_number: str = "PO1", *, special: bool = False) -> list[Json]:
    """All that can be said about somebody in free text, the last of it on a session that was called off.

    special: then a special customer record comes.
    """
    day = (date(2016, 3, 14) + timedelta(days=each) for each in count())
    said: list[Json] = [referral(f"{next(day)}T09:00:00Z", po_number, participant=participant())]
    at = f"{next(day)}T09:00:00Z"
    said.append(record("ReferralAccepted", at, po_number=po_number, message_id="a", accepted_at=at))
    messages = iter(count(1))

    def more(name: str, **fields: object) -> None:
        at = f"{next(day)}T09:00:00Z"
        marked = {field: f"Qzmark {name} {field}" for field in _TEXTS[name]}
        instants = {key: at for key, value in fields.items() if value is ...}
        number = f"n{next(messages)}"
        said.append(record(name, at, po_number=po_number, message_id=number, **fields | instants | marked))

    for number in ("S1", "S2"):
        more(
            "SessionBooked",
            session_id=number,
            starts_at=f"2016-03-{18 if number == 'S1' else 26}T10:00:00Z",
            duration_minutes=60,
            format="ONE_TO_ONE",
            notified_at=...,
        )
        if number == "S1":
            more("CannotAttend", session_id="S1", given_at=...)
            next(day)
            more("AttendanceRecorded", session_id="S1", outcome="DID_NOT_ATTEND", recorded_at=...)
            more("AttendanceCorrected", session_id="S1", outcome="ATTENDED", recorded_at=...)
    more("AlternativeSessionNotPossible", told_at=...)
    more("SessionCancelled", session_id="S2", cause="PROVIDER", cancelled_at=...)
    if special:
        at = f"{next(day)}T09:00:00Z"
        said.append(
            referral(
                at,
                po_number,
                message_id="special",
                po_revision=2,
                special_customer_record=True,
                participant=participant(),
            )
        )
    return said


def found(folder: Path) -> dict[str, set[bytes]]:
    """The marks that can be read in the bytes of the files in a folder, by file, as they stand there."""
    return {
        path.name: texts
        for path in sorted(folder.iterdir())
        if path.is_file() and (texts := marks_in(path.read_bytes()))
    }


def marks_in(data: bytes) -> set[bytes]:
    """The marks in some bytes."""
    return set(_MARKS.findall(data))


def readable(log: Path, keys: Path) -> set[bytes]:
    """The marks that somebody reads in a copy of a log who has these keys, and what wraps them, beside it."""
    vault = Vault(KeyStore(keys), WrappingKeyFile(log.with_name("gateway.db.wrapping-key")))
    vault.store.open()
    values: list[bytes | None] = []
    with closing(sqlite3.connect(log)) as db:
        for table, purpose in (("inbound", "inbound"), ("state", "state"), ("outbound", "dead letter")):
            names = {"state": "po_number", "inbound": "CAST(key AS TEXT)", "outbound": "''"}
            name, value = names[table], "state" if table == "state" else "value"
            where = "WHERE topic = 'gateway.dead-letters'" if table == "outbound" else ""
            rows = db.execute(f"SELECT {name}, {value} FROM {table} {where}").fetchall()
            assert rows or where
            values += [vault.open(purpose, *row) for row in rows]  # type: ignore[arg-type]
    vault.close()
    return marks_in(b"\n".join(filter(None, values)))
