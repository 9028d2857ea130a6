"""The records of an upload are found by its id, in the log itself and in a copy of it alike."""

from consumers import InUpload, draft
from gateway.reading.view import UploadRow
from schemas.json import parse, parse_instant
from tests.cli.running import referral
from tests.reading.asking import Asked

UPLOAD = f"{'5d41402abc4b2a76' * 2}-3"
AT = parse_instant("2016-03-14T09:30:00Z")


async def test_the_records_of_an_upload_are_found_by_line_with_what_came_of_them(asked: Asked) -> None:
    await asked.decide([referral(po_number="PO1"), referral(po_number="PO2", provider_id="PRV02")])
    accepted = {"accepted_at": "2016-03-14T09:00:00Z"}
    rows = [("PO1", "PRV01", "m1", 2), ("PO2", "PRV02", "m2", 3), ("PO1", "PRV01", "m3", 40)]
    for po_number, provider_id, message_id, line in rows:
        named = {"po_number": po_number, "provider_id": provider_id, "message_id": message_id}
        message = parse("ReferralAccepted", accepted | named)
        await asked.log.append([draft(message, (), AT, "clerk", InUpload(UPLOAD, line))])
    view = await asked.view()
    assert view.upload(["PRV01"], UPLOAD, 0, 10) == [
        UploadRow(2, "m1", "PO1", "PRV01"),
        UploadRow(40, "m3", "PO1", "PRV01"),
    ]
    await asked.decide([referral("2016-03-14T10:00:00Z", po_number="PO3")])
    view = await asked.view()
    found = view.upload(["PRV01", "PRV02"], UPLOAD, 0, 10)
    assert [(each.line, each.outcome and each.outcome.status) for each in found] == [
        (2, "APPLIED"),
        (3, "APPLIED"),
        (40, "REFUSED"),
    ]
    assert all(each.decided for each in found)
    assert [each.line for each in view.upload(["PRV01", "PRV02"], UPLOAD, 2, 1)] == [3]
    assert view.has_upload(UPLOAD)
    assert not view.has_upload(UPLOAD[::-1])
    # What was forgotten is no upload's any more.
    await asked.decide([referral("2018-03-14T10:00:00Z", po_number="PO4")])
    view = await asked.view()
    assert not view.has_upload(UPLOAD)
