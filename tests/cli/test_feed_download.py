"""`gateway feed` of a PRaP download, by the day's real date, as an operator's script sees it."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.cli.conftest import Gateway
from tests.intake.prap.downloads import csv_of, order, zip_of, zipped

PUT = "1 referral put on the log gateway.db\n"


def day(days_ago: int = 0) -> str:
    """A date in London."""
    return str((datetime.now(ZoneInfo("Europe/London")) - timedelta(days=days_ago)).date())


def recent(po_number: str = "PO1001", **cells: str) -> dict[str, str]:
    """A row about somebody referred yesterday, with a mark in every personal cell."""
    return order(
        po_number,
        **{
            "referred_on": day(1),
            "nino": "ZY000001A",
            "surname": "Qzsurname",
            "phone": "Qzphone",
            "address_line_1": "Qzstreet",
        }
        | cells,
    )


def outcomes(gateway: Gateway) -> list[tuple[str, str, str | None]]:
    """Decide all that is on the log; purchase order, status and code of each outcome there is."""
    assert gateway("run", "--clock", "log", "--until", f"{day()}T23:59:59Z").status == 0
    tailed = gateway("tail", "gateway.outcomes", "--from-start", "--no-follow")
    assert tailed.status == 0
    return [(line["key"], line["value"]["status"], line["value"]["code"]) for line in tailed.lines]


def test_a_download_fed_three_times_is_taken_once(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "prap.zip").write_bytes(zipped(recent()))
    for _ in range(3):
        fed = gateway("feed", "prap.zip")
        assert (fed.status, fed.out, fed.err) == (0, b"", PUT)
    assert outcomes(gateway) == [("PO1001", "APPLIED", None)] + [("PO1001", "DUPLICATE", None)] * 2
    sent = gateway("tail", "prap.actions", "provider.instructions", "--from-start", "--no-follow")
    assert len(sent.lines) == 2


def test_bad_rows_are_listed_and_when_corrected_only_they_are_new(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "prap.zip").write_bytes(zipped(recent(), recent("PO1002", benefit="Qz", date_of_birth="Qz")))
    fed = gateway("feed", "prap.zip")
    assert fed.status == 1
    assert fed.out == b""
    assert fed.err == (
        "orders.csv, line 3, PO1002: benefit is not one of its values; expected ESA, UC, JSA\n"
        "orders.csv, line 3, PO1002: date_of_birth is not a date; expected one such as 2016-03-14 or "
        "14/03/2016\n" + PUT + "gateway: 1 row could not be read; correct what is listed and feed it again\n"
    )
    (tmp_path / "prap.zip").write_bytes(zipped(recent(), recent("PO1002")))
    assert gateway("feed", "prap.zip").status == 0
    assert outcomes(gateway) == [
        ("PO1001", "APPLIED", None),
        ("PO1001", "DUPLICATE", None),
        ("PO1002", "APPLIED", None),
    ]


def test_a_first_revision_that_was_refused_is_judged_anew_when_its_row_is_corrected(
    gateway: Gateway, tmp_path: Path
) -> None:
    for group in ("", "ESA_C_WRAG"):
        (tmp_path / "prap.zip").write_bytes(zipped(recent(claimant_group=group)))
        assert gateway("feed", "prap.zip").status == 0
    assert outcomes(gateway) == [
        ("PO1001", "REFUSED", "CLAIMANT_GROUP_MISSING"),
        ("PO1001", "APPLIED", None),
    ]


def test_a_revision_that_was_decided_is_not_changed_by_another_row_but_by_a_higher_revision(
    gateway: Gateway, tmp_path: Path
) -> None:
    for cells in ({}, {"jobcentre_id": "JCP-YORK"}, {"po_revision": "2", "jobcentre_id": "JCP-YORK"}):
        (tmp_path / "prap.zip").write_bytes(zipped(recent(**cells)))
        assert gateway("feed", "prap.zip").status == 0
    assert [status for _, status, _ in outcomes(gateway)] == ["APPLIED", "DUPLICATE", "APPLIED"]


def test_a_later_revision_that_was_refused_is_not_judged_anew_under_its_number(
    gateway: Gateway, tmp_path: Path
) -> None:
    for revision, group in (("1", "ESA_C_WRAG"), ("2", ""), ("2", "ESA_C_WRAG"), ("3", "ESA_C_WRAG")):
        (tmp_path / "prap.zip").write_bytes(zipped(recent(po_revision=revision, claimant_group=group)))
        assert gateway("feed", "prap.zip").status == 0
    assert [status for _, status, _ in outcomes(gateway)] == ["APPLIED", "REFUSED", "DUPLICATE", "APPLIED"]


def test_a_special_customer_record_is_refused_and_nothing_of_the_person_is_on_the_log(
    gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "prap.zip").write_bytes(zipped(recent(special_customer_record="yes")))
    assert gateway("feed", "prap.zip").status == 0
    assert outcomes(gateway) == [("PO1001", "REFUSED", "SPECIAL_CUSTOMER_RECORD")]
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("gateway.db*"))
    assert b"PO1001" in kept
    assert b"Qz" not in kept


def test_an_old_referral_is_not_taken_anew_each_time(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "prap.zip").write_bytes(zipped(recent(), recent("PO1002", referred_on=day(402))))
    fed = gateway("feed", "prap.zip")
    assert fed.status == 1
    assert "line 3, PO1002: referred_on is over 400 days ago" in fed.err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"Qz", "the download is not a zip file, or not a whole one; download it again"),
        (zip_of({"Qz/orders.csv": b""}), "file 1 of the download has a path for a name"),
        (
            zip_of({"a.csv": csv_of(recent()), "b.csv": "Qzoë".encode("latin-1")}),
            "b.csv, line 1 is not UTF-8",
        ),
        (zip_of({"a.csv": csv_of(recent()) + b'"Qz\n'}), "a.csv, line 3 is not CSV"),
        (zip_of({"a.csv": b"x" * 5_000_000}), "more than 200 times its size"),
    ],
)
def test_a_download_that_can_not_be_read_puts_nothing(
    content: bytes, sentence: str, gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "prap.zip").write_bytes(content)
    fed = gateway("feed", "prap.zip")
    assert fed.status == 2
    assert sentence in fed.sentence
    assert "Qz" not in fed.err
    explained = gateway("explain", "PO1001")
    assert "nothing has come" in explained.sentence


def test_a_time_can_not_be_kept_that_is_not_in_a_download(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "prap.zip").write_bytes(zipped(recent()))
    fed = gateway("feed", "prap.zip", "--keep-time")
    assert fed.status == 2
    assert fed.sentence == (
        "a PRaP download does not say at what time its rows arrived; leave out --keep-time"
    )


def test_a_download_comes_by_standard_input_where_that_is_a_file(gateway: Gateway) -> None:
    fed = gateway("feed", "-", stdin=zipped(recent(), recent("PO1002", po_type="Work Programme")))
    assert (fed.status, fed.err) == (0, "1 referral put on the log gateway.db; 1 row passed over\n")


def test_nothing_about_a_person_comes_out(gateway: Gateway, tmp_path: Path) -> None:
    rows = [recent() | {column: "Qz\nZY000001A"} for column in recent()]
    rows += [recent("ZY000001A"), recent("Qzname", benefit="X"), recent("PO99")]
    content = csv_of(*rows) + b"Qzslipped,ZY000001A\n"
    (tmp_path / "prap.zip").write_bytes(zip_of({"orders.csv": content}))
    fed = gateway("feed", "prap.zip")
    assert fed.status == 1
    assert fed.err.count("orders.csv, line ") >= len(recent())
    assert outcomes(gateway) == [("PO99", "APPLIED", None)]
    everything = gateway("tail", "--from-start", "--no-follow").out.decode() + fed.err
    everything += gateway("explain", "PO99").out.decode()
    assert not re.search(r"Qz|ZY[0-9]{6}", everything)
