"""What the tables of an embedded log must hold by what the states in it say."""

from pathlib import Path
from typing import Any

from gateway.engine.purchase_orders import unpack
from gateway.reading.tables import listing
from tests.sealing.opening import looking_into


def contradictions(path: Path) -> dict[str, set[tuple[Any, ...]]]:
    """The rows that the states call for and that are not there, or the other way round, by table."""
    wanted: dict[str, set[tuple[Any, ...]]] = {
        "referral": set(),
        "booking": set(),
        "duty": set(),
        "state": set(),
    }
    with looking_into(path) as db:
        for partition, po_number, state, opened in db.execute(
            "SELECT partition, po_number, state, opened('state', po_number, state) FROM state"
        ):
            found = listing(unpack(opened))
            times: tuple[int | None, ...] = (None, None, None)
            if found is not None:
                place = (found.jobcentre_id, found.contract_package_area, found.referred_on)
                more = (found.status, found.accepted, found.mandatory, found.benefit, found.reference)
                wanted["referral"].add((po_number, partition, found.provider_id, *place, *more))
                wanted["booking"] |= {
                    (found.provider_id, each, po_number, *more) for each, *more in found.sessions
                }
                wanted["duty"] |= {
                    (po_number, kind, session_id, found.provider_id, due_on)
                    for kind, session_id, due_on in found.duties
                }
                times = (found.changed_at, found.due_at, found.messages)
            wanted["state"].add((partition, po_number, state, *times))
        there = {table: set(db.execute(f"SELECT * FROM {table}")) for table in wanted}
    return {table: rows ^ there[table] for table, rows in wanted.items() if rows != there[table]}
