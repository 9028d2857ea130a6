"""A Jobcentre's subscriber over HTTP: keeps each event once, and its cursor in the same transaction.

    GATEWAY_TOKEN=$(gateway token --jobcentre JCP-LEEDS --scope jobcentre:subscribe) \
        python3 subscriber_http.py --url http://localhost:8080

Events go into a SQLite file, with what is made of them: how many of each type a Jobcentre has had. It may be
stopped at any moment and begun anew. With --until-now it ends when there is nothing more. It needs Python
3.11 and no package.
"""

import argparse
import json
import os
import sqlite3
import sys
import time
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

Event = dict[str, Any]

TABLES = """
CREATE TABLE IF NOT EXISTS events (
    place INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, po_number TEXT NOT NULL,
    jobcentre_id TEXT NOT NULL, decided_at_ms INTEGER NOT NULL, data TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tally (
    jobcentre_id TEXT NOT NULL, type TEXT NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (jobcentre_id, type)
);
CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), cursor TEXT NOT NULL);
"""


def keep(database: sqlite3.Connection, event: Event) -> None:
    """Keep an event and count it, unless it is there: who begins again without a cursor sees all again."""
    data = event["data"]
    decided_at_ms = round(datetime.fromisoformat(event["time"]).timestamp() * 1000)
    row = (event["id"], event["type"], event["subject"], data["jobcentre_id"], decided_at_ms)
    added = database.execute(
        "INSERT INTO events (event_id, type, po_number, jobcentre_id, decided_at_ms, data) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (*row, json.dumps(data)),
    )
    if added.rowcount:
        database.execute(
            "INSERT INTO tally VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET events = events + 1",
            (data["jobcentre_id"], event["type"]),
        )


def page(url: str, token: str, cursor: str | None, wait_s: int) -> list[Event]:
    """The events behind a cursor; empty: none came while it waited. Raises HTTPError and OSError."""
    query = urlencode({"wait": wait_s, "limit": 100} | ({"after": cursor} if cursor else {}))
    request = Request(f"{url}/v1/events?{query}", headers={"Authorization": f"Bearer {token}"})
    with urlopen(request, timeout=wait_s + 30) as answer:
        found: list[Event] = json.load(answer)
        return found


def follow(database: sqlite3.Connection, url: str, token: str, until_now: bool) -> None:
    """Keep what comes. Raises HTTPError where the gateway refuses to answer."""
    found = database.execute("SELECT cursor FROM position").fetchone()
    cursor: str | None = found[0] if found else None
    pause_s = 0.5
    while True:
        try:
            events = page(url, token, cursor, 0 if until_now else 30)
        except HTTPError as error:
            if error.code == 410:  # the log was restored, or this was away for longer than the log goes back
                print("The cursor is of another history; beginning again.")
                cursor = None
                continue
            if error.code < 500 and error.code not in {408, 429}:
                raise
            events = None
        except (OSError, HTTPException, ValueError):  # no connection, no answer, or half of one
            events = None
        if events is None:
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, 30)
            continue
        pause_s = 0.5
        if events:
            cursor = events[-1]["cursor"]
            with database:  # one transaction: all of it is on disk, or none
                for event in events:
                    keep(database, event)
                database.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", (cursor,))
        elif until_now:
            return


def main() -> None:
    """Follow until stopped."""
    parser = argparse.ArgumentParser(description="Keep a Jobcentre's events, each once.")
    parser.add_argument("--url", default="http://localhost:8080", help="where the gateway is")
    parser.add_argument("--database", default="events.db", help="the SQLite file")
    parser.add_argument("--until-now", action="store_true", help="end when there is nothing more")
    options = parser.parse_args()
    token = os.environ.get("GATEWAY_TOKEN")
    if not token:
        sys.exit("GATEWAY_TOKEN is not set; set it to a token with the scope jobcentre:subscribe")
    database = sqlite3.connect(options.database)
    database.executescript(TABLES)
    try:
        follow(database, options.url, token, options.until_now)
    except HTTPError as error:
        sys.exit(f"HTTP {error.code}: {error.read(2_000).decode(errors='replace')}")
    for jobcentre_id, kind, events in database.execute("SELECT * FROM tally ORDER BY 1, 2"):
        print(f"{jobcentre_id} {kind} {events}")


if __name__ == "__main__":
    main()
