"""A row's cells: what each column may hold, and what is said where it holds something else."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields

from gateway.intake.prap import BadRow
from gateway.intake.prap.purchase_order import COLUMNS
from gateway.rules.messages import (
    Benefit,
    ClaimantGroup,
    GroupSessionRestriction,
    Mandation,
    MandationBasis,
    MandationPurpose,
    Participant,
    Referral,
)
from gateway.rules.policy import shipped
from schemas.json import format_day, parse_day
from tests.intake.prap.downloads import TODAY, order, read, zipped


def referral(**cells: str) -> Referral:
    (found,) = read(zipped(order(**cells)))
    assert isinstance(found, Referral), found
    return found


def problems(**cells: str) -> tuple[str, ...]:
    (found,) = read(zipped(order(**cells)))
    assert isinstance(found, BadRow), found
    assert (found.file, found.line) == ("orders.csv", 2)
    return found.problems


def test_a_row_is_a_referral_field_for_field() -> None:
    assert referral(
        po_revision="2",
        action_plan_annotation="Work Programme Information Session-Mandatory",
        benefit="UC",
        claimant_group="",
        mandation_basis="UC_WORKPLAN",
        mandation_purpose="ASSIST_COMPLIANCE",
        mandation_tangible_outcome="yes",
        mandation_recorded_on="10/03/2016",
        support_group_appeal_pending="no",
        group_session_restriction="ADDITIONAL_NEEDS",
        nino="AB123456 ",
        forename="Siân",
        surname="O'Neill-Łoś",
        date_of_birth="1980-02-29",
        phone="07700 900123",
        email="s@example.org",
        address_line_1="Flat 1",
        address_line_3="Leeds",
        postcode="LS1 1AA",
        preferred_language="cy",
        interpreter_needed="TRUE",
    ) == Referral(
        message_id="prap-PO1001-2",
        po_number="PO1001",
        po_revision=2,
        action_plan_annotation="Work Programme Information Session-Mandatory",
        referred_on=parse_day("2016-03-14"),
        provider_id="PRV01",
        contract_package_area="CPA01",
        jobcentre_id="JCP-LEEDS",
        benefit="UC",
        claimant_group=None,
        mandation=Mandation(
            basis="UC_WORKPLAN",
            purpose="ASSIST_COMPLIANCE",
            tangible_outcome=True,
            recorded_on=parse_day("2016-03-10"),
        ),
        special_customer_record=False,
        support_group_appeal_pending=False,
        group_session_restriction="ADDITIONAL_NEEDS",
        participant=Participant(
            nino="AB123456 ",
            forename="Siân",
            surname="O'Neill-Łoś",
            date_of_birth=parse_day("1980-02-29"),
            phone="07700 900123",
            email="s@example.org",
            address=("Flat 1", "Leeds"),
            postcode="LS1 1AA",
            preferred_language="cy",
            interpreter_needed=True,
        ),
    )


def test_every_field_of_a_referral_has_a_column() -> None:
    made = {"message_id", "mandation", "participant"}
    names = {field.name for field in (*fields(Referral), *fields(Participant))} - made - {"address"}
    names |= {f"mandation_{field.name}" for field in fields(Mandation)}
    names |= {f"address_line_{number}" for number in range(1, 6)}
    assert names | {"po_type"} == COLUMNS


def test_everything_about_the_participant_may_be_withheld() -> None:
    assert referral().participant == Participant()


def test_nothing_about_the_participant_of_a_special_customer_record_is_sent() -> None:
    found = referral(special_customer_record="Yes", surname="Smith", nino="AB123456C")
    assert found.special_customer_record
    assert found.participant == Participant()


@pytest.mark.parametrize("text", ["2016-03-14", "14/03/2016", " 14/03/2016 ", "14 March 2016"])
def test_a_date_is_written_with_the_year_first_or_as_in_britain(text: str) -> None:
    assert referral(referred_on=text).referred_on == parse_day("2016-03-14")


def test_a_day_and_a_month_may_be_of_one_digit() -> None:
    assert referral(referred_on="4/3/2016").referred_on == parse_day("2016-03-04")


@pytest.mark.parametrize("word", ["yes", "YES", "y", "true", "TRUE", " Yes "])
def test_yes_has_several_forms(word: str) -> None:
    assert referral(support_group_appeal_pending=word).support_group_appeal_pending


@pytest.mark.parametrize("word", ["no", "N", "false", "FALSE", "", " "])
def test_so_has_no(word: str) -> None:
    assert not referral(support_group_appeal_pending=word).support_group_appeal_pending


@pytest.mark.parametrize("group", get_args(ClaimantGroup))
def test_every_group_of_annex_a_is_taken(group: ClaimantGroup) -> None:
    assert referral(claimant_group=group).claimant_group == group


def test_an_annotation_that_is_neither_is_for_the_rules_to_refuse() -> None:
    assert referral(action_plan_annotation="Skills Conditionality").action_plan_annotation == (
        "Skills Conditionality"
    )


def test_an_only_no_makes_no_mandation() -> None:
    assert referral(mandation_tangible_outcome="no").mandation is None


_LONG = "x" * 201
BAD: list[tuple[dict[str, str], str]] = [
    ({"po_number": ""}, "po_number is empty; fill it in"),
    ({"po_number": "PO 1"}, "po_number is no number; expected at most 84 characters, none of them a blank"),
    ({"po_number": "PO" + "1" * 83}, "po_number is no number; expected at most 84 characters"),
    ({"po_number": "AB123456C"}, "po_number is no id but a National Insurance number"),
    ({"po_number": "ab-12-34-56-c"}, "po_number is no id but a National Insurance number"),
    ({"jobcentre_id": "AB 12 34 56"}, "jobcentre_id is no id but a National Insurance number"),
    ({"date_of_birth": "1899-12-31"}, "date_of_birth is out of range"),
    ({"po_number": "PO1é"}, "po_number is no number"),
    ({"po_revision": ""}, "po_revision is empty; fill it in"),
    ({"po_revision": "-1"}, "po_revision is not a whole number; expected 0 to 2147483647"),
    ({"po_revision": "1.0"}, "po_revision is not a whole number"),
    ({"po_revision": "١"}, "po_revision is not a whole number"),
    ({"po_revision": "2147483648"}, "po_revision is not a whole number"),
    ({"po_revision": "9" * 400}, "po_revision is not a whole number"),
    ({"po_type": ""}, "po_type is not one of its values; expected Information Session, Work Programme"),
    ({"po_type": "information session"}, "po_type is not one of its values"),
    ({"action_plan_annotation": " "}, "action_plan_annotation is empty; fill it in"),
    ({"referred_on": ""}, "referred_on is empty; fill it in"),
    (
        {"referred_on": "March 14, 2016"},
        "referred_on is not a date; expected one such as 2016-03-14 or 14/03/2016",
    ),
    ({"referred_on": "14/03/16"}, "referred_on has a year of two digits"),
    ({"referred_on": "2016-3-14"}, "referred_on is not a date"),
    ({"referred_on": "03/14/2016"}, "referred_on is a date that does not exist"),
    ({"referred_on": "2015-02-29"}, "referred_on is a date that does not exist"),
    ({"referred_on": "0000-01-01"}, "referred_on is a date that does not exist"),
    (
        {"referred_on": "2016-03-19"},
        "referred_on is after today; correct it, or feed the download on that day",
    ),
    (
        {"referred_on": "2015-02-11"},
        "referred_on is over 400 days ago, and such a referral is forgotten",
    ),
    ({"provider_id": ""}, "provider_id is empty; fill it in"),
    ({"provider_id": "x" * 101}, "provider_id is longer than 100 characters"),
    ({"jobcentre_id": "Łódź"}, "jobcentre_id is no id"),
    ({"contract_package_area": ""}, "contract_package_area is empty; fill it in"),
    ({"benefit": "esa"}, "benefit is not one of its values; expected ESA, UC, JSA"),
    (
        {"claimant_group": "ESA (C) WRAG"},
        "claimant_group is not one of its values; expected ESA_IR",
    ),
    (
        {"mandation_basis": "X"},
        "mandation_basis is not one of its values; expected WORK_",
    ),
    ({"mandation_basis": "UC_WORKPLAN"}, "mandation_recorded_on is empty; fill it in, as the row has other"),
    ({"mandation_recorded_on": "2016-03-01"}, "mandation_basis is empty; fill it in, as the row has other"),
    ({"mandation_tangible_outcome": "yes"}, "mandation_basis is empty"),
    ({"mandation_purpose": "CHECK_COMPLIANCE"}, "mandation_basis is empty"),
    ({"mandation_recorded_on": "2016-03-19"}, "mandation_recorded_on is after today"),
    (
        {"special_customer_record": "perhaps"},
        "special_customer_record is neither yes nor no",
    ),
    ({"interpreter_needed": "1"}, "interpreter_needed is neither yes nor no"),
    ({"group_session_restriction": "MAPPA 2"}, "group_session_restriction is not one of its values"),
    ({"date_of_birth": "1980"}, "date_of_birth is not a date"),
    ({"surname": _LONG}, "surname is longer than 200 characters; shorten it"),
    ({"nino": _LONG}, "nino is longer than 200 characters"),
    ({"address_line_1": "1 High Street\nLeeds"}, "address_line_1 has a line break or another control"),
    ({"forename": "a\tb"}, "forename has a line break or another control character; take it out"),
    ({"surname": "\u202ehtimS"}, "surname has a line break or another control character"),
    ({"nino": "AB123456\n"}, "nino has a line break"),
]


@pytest.mark.parametrize(
    ("cells", "problem"), BAD, ids=[f"{next(iter(c))}-{n}" for n, (c, _) in enumerate(BAD)]
)
def test_what_a_column_can_not_hold_is_said_without_saying_it(cells: dict[str, str], problem: str) -> None:
    found = problems(**cells)
    assert found[0].startswith(problem)
    for cell in cells.values():
        assert len(cell.strip()) < 4 or cell not in "\n".join(found)


def test_all_that_is_wrong_with_a_row_is_said_at_once() -> None:
    said = problems(po_revision="", benefit="X", date_of_birth="X")
    assert [problem.split()[0] for problem in said] == ["po_revision", "benefit", "date_of_birth"]


def test_a_referral_is_taken_up_to_the_last_day_on_which_it_is_kept() -> None:
    forget_after = shipped().on(TODAY).forget_after_days
    last = format_day(TODAY - forget_after)
    assert referral(referred_on=last).referred_on == TODAY - forget_after
    assert referral(referred_on=format_day(TODAY)).referred_on == TODAY


_TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=40)
_PLAIN = _TEXT.map(str.strip).filter(bool)
_DAY = st.integers(TODAY - 400, TODAY)
_ID = st.from_regex(r"[A-Z0-9][A-Za-z0-9-]{0,20}", fullmatch=True)


def _optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def _of(symbols: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(get_args(symbols))


_REFERRALS = st.builds(
    lambda **values: Referral(message_id=f"prap-{values['po_number']}-{values['po_revision']}", **values),
    po_number=_ID,
    po_revision=st.integers(0, 2**31 - 1),
    action_plan_annotation=_PLAIN,
    referred_on=_DAY,
    provider_id=_ID,
    contract_package_area=_ID,
    jobcentre_id=_ID,
    benefit=_of(Benefit),
    claimant_group=_optional(_of(ClaimantGroup)),
    mandation=_optional(
        st.builds(
            Mandation,
            basis=_of(MandationBasis),
            purpose=_optional(_of(MandationPurpose)),
            tangible_outcome=st.booleans(),
            recorded_on=_DAY,
        )
    ),
    support_group_appeal_pending=st.booleans(),
    group_session_restriction=_optional(_of(GroupSessionRestriction)),
    participant=st.builds(
        Participant,
        nino=_optional(_TEXT.filter(lambda text: bool(text.strip()))),
        forename=_optional(_PLAIN),
        surname=_optional(_PLAIN),
        date_of_birth=_optional(st.integers(parse_day("1900-01-01"), parse_day("2999-12-31"))),
        phone=_optional(_PLAIN),
        email=_optional(_PLAIN),
        address=st.lists(_PLAIN, max_size=5).map(tuple),
        postcode=_optional(_PLAIN),
        preferred_language=_optional(_PLAIN),
        interpreter_needed=st.booleans(),
    ),
)


def _cells(record: Any, *, british: bool, prefix: str = "") -> dict[str, str]:
    """A record's cells, as whoever makes a download writes them."""
    cells: dict[str, str] = {}
    for field in fields(record):
        value, column = getattr(record, field.name), prefix + field.name
        match value:
            case _ if column == "message_id":
                continue  # it is made from the others
            case None if column == "mandation":
                continue
            case Mandation():
                cells |= _cells(value, british=british, prefix="mandation_")
            case Participant():
                cells |= _cells(value, british=british)
            case tuple():
                cells |= {f"address_line_{number}": line for number, line in enumerate(value, 1)}
            case bool():
                cells[column] = "yes" if value else "no"
            case int() if field.name.endswith("_on") or field.name == "date_of_birth":
                year, month, day = format_day(value).split("-")
                cells[column] = f"{day}/{month}/{year}" if british else f"{year}-{month}-{day}"
            case None:
                cells[column] = ""
            case _:
                cells[column] = str(value)
    return cells


@given(_REFERRALS, st.booleans())
def test_a_referral_written_as_a_row_is_read_as_it_was(wanted: Referral, british: bool) -> None:
    cells = _cells(wanted, british=british)
    (found,) = read(zipped({"po_type": "Information Session", **cells}))
    assert found == wanted


@given(st.dictionaries(st.sampled_from(sorted(COLUMNS)), st.text(max_size=30) | _TEXT, min_size=1))
def test_any_cells_are_a_referral_or_bad_or_none_of_our_business(cells: dict[str, str]) -> None:
    cells = {column: cell.replace("\0", "").replace("\r", "") for column, cell in cells.items()}
    cells = {column: cell.encode(errors="ignore").decode() for column, cell in cells.items()}
    read(zipped(order(**cells)))
