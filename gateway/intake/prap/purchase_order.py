"""One row of the download: the columns, and how their cells become a Referral.

What a row says is judged by the rules and not here, but for what depends on the day on which it is read: its
message_id is always the same, so that a row that only came too early must not be spent.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, get_args

from msgspec import convert

from gateway.intake.british_dates import read_day
from gateway.rules.messages import (
    Benefit,
    ClaimantGroup,
    GroupSessionRestriction,
    MandationBasis,
    MandationPurpose,
    Participant,
    Referral,
)
from gateway.rules.policy import Policies
from schemas.limits import DAYS, LONGEST_ID, PRAP_ID, longest, wrong_with_id
from schemas.times import NotADay

#: A row of another type is about another programme, and none of the gateway's business.
INFORMATION_SESSION: Final = "Information Session"
WORK_PROGRAMME: Final = "Work Programme"

REQUIRED: Final = (
    "po_number",
    "po_revision",
    "po_type",
    "action_plan_annotation",
    "referred_on",
    "provider_id",
    "contract_package_area",
    "jobcentre_id",
    "benefit",
)
_ADDRESS: Final = tuple(f"address_line_{number}" for number in range(1, 6))
OPTIONAL: Final = (
    "claimant_group",
    "mandation_basis",
    "mandation_purpose",
    "mandation_tangible_outcome",
    "mandation_recorded_on",
    "special_customer_record",
    "support_group_appeal_pending",
    "group_session_restriction",
    "nino",
    "forename",
    "surname",
    "date_of_birth",
    "phone",
    "email",
    *_ADDRESS,
    "postcode",
    "preferred_language",
    "interpreter_needed",
)
COLUMNS: Final = frozenset(REQUIRED + OPTIONAL)

#: So that a message_id, which is made of it, is no longer than any.
LONGEST_PO_NUMBER: Final = LONGEST_ID - len(f"{PRAP_ID}-{2**31}")

_ID: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_PO_NUMBER: Final = re.compile(r"[!-~]+")
_REVISION: Final = re.compile(r"[0-9]{1,10}")
_LAST_REVISION: Final = 2**31 - 1
_YES_OR_NO: Final = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}
#: Tab, line feed and the like, and what reorders or separates lines of text.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

#: A number that may be shown: no date, no telephone or National Insurance number, no e-mail, no name.
_SHOWN: Final = re.compile(
    r"(?![A-Z][A-NP-Z][0-9]{6}[A-D]?$|0|[0-9]+[-/][0-9]+[-/][0-9]+$)(?=.*[0-9])[A-Z0-9]+(?:[-/][A-Z0-9]+)*"
)
#: The same where the cell may be another column's, as a postcode or a year of birth.
_SHOWN_ANYWHERE: Final = re.compile(r"PO[-/]?[0-9]{3,15}")


class UnreadableRow(Exception):
    """A row can't be read; problems: a sentence each, which names the column and nothing of its content."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def shown_po_number(cell: str, *, aligned: bool) -> str | None:
    """The purchase order's number, where it is one and nothing about a person.

    aligned: the other cells of the row are where they belong, as far as can be seen.
    """
    form = _SHOWN if aligned else _SHOWN_ANYWHERE
    return cell if len(cell) <= LONGEST_PO_NUMBER and form.fullmatch(cell) else None


def read_purchase_order(cells: Mapping[str, str], today: int, policies: Policies) -> Referral:
    """The referral of a row of type Information Session.

    cells: by column; one that the file doesn't have is absent. today: the London day, in days since 1970.
    Raises UnreadableRow, with all that is wrong.
    """
    row = _Row(cells)
    referred_on = row.day("referred_on", required=True)
    value: dict[str, object] = {
        "po_number": row.po_number(),
        "po_revision": row.revision(),
        "action_plan_annotation": row.text("action_plan_annotation", required=True),
        "referred_on": referred_on,
        "provider_id": row.id("provider_id"),
        "contract_package_area": row.id("contract_package_area"),
        "jobcentre_id": row.id("jobcentre_id"),
        "benefit": row.symbol("benefit", Benefit, required=True),
        "claimant_group": row.symbol("claimant_group", ClaimantGroup),
        "mandation": _mandation(row, today),
        "special_customer_record": row.yes("special_customer_record"),
        "support_group_appeal_pending": row.yes("support_group_appeal_pending"),
        "group_session_restriction": row.symbol("group_session_restriction", GroupSessionRestriction),
        "participant": _participant(row),
    }
    if referred_on is not None:
        limit = policies.on(referred_on).forget_after_days
        if referred_on > today:
            row.problem("referred_on", "is after today; correct it, or feed the download on that day")
        elif referred_on + limit < today:
            # It would be forgotten at once, with its message_id, and be a new one each time it is fed.
            row.problem(
                "referred_on", f"is over {limit} days ago, and such a referral is forgotten; leave it out"
            )
    if row.problems:
        raise UnreadableRow(row.problems)
    if value["special_customer_record"]:
        value["participant"] = {}  # it is refused, and what nobody keeps needs not be sent
    value["message_id"] = f"{PRAP_ID}{value['po_number']}-{value['po_revision']}"
    return convert(value, Referral)


def _mandation(row: "_Row", today: int) -> dict[str, object] | None:
    basis = row.symbol("mandation_basis", MandationBasis)
    purpose = row.symbol("mandation_purpose", MandationPurpose)
    tangible_outcome = row.yes("mandation_tangible_outcome")
    recorded_on = row.day("mandation_recorded_on")
    if recorded_on is not None and recorded_on > today:
        row.problem("mandation_recorded_on", "is after today; correct it, or feed the download on that day")
    if not tangible_outcome and not any(
        map(row.cell, ("mandation_basis", "mandation_purpose", "mandation_recorded_on"))
    ):
        return None
    for column in ("mandation_basis", "mandation_recorded_on"):
        if not row.cell(column):
            row.problem(column, "is empty; fill it in, as the row has other columns of the mandation")
    return {
        "basis": basis,
        "purpose": purpose,
        "tangible_outcome": tangible_outcome,
        "recorded_on": recorded_on,
    }


def _participant(row: "_Row") -> dict[str, object]:
    return {
        # Its last character may be a space.
        "nino": row.text("nino", stripped=False),
        "forename": row.text("forename"),
        "surname": row.text("surname"),
        "date_of_birth": row.day("date_of_birth"),
        "phone": row.text("phone"),
        "email": row.text("email"),
        "address": [line for column in _ADDRESS if (line := row.text(column))],
        "postcode": row.text("postcode"),
        "preferred_language": row.text("preferred_language"),
        "interpreter_needed": row.yes("interpreter_needed"),
    }


class _Row:
    """The cells of a row by kind, and what is wrong with them. A cell that is empty or wrong is None."""

    def __init__(self, cells: Mapping[str, str]) -> None:
        self._cells = cells
        self.problems: list[str] = []

    def problem(self, column: str, what: str) -> None:
        self.problems.append(f"{column} {what}")

    def cell(self, column: str) -> str:
        return self._cells.get(column, "").strip()

    def text(self, column: str, *, required: bool = False, stripped: bool = True) -> str | None:
        text = self._cells.get(column, "")
        bare = text.strip()
        if not bare:
            if required:
                self.problem(column, "is empty; fill it in")
            return None
        # Blanks around it are a slip, a tab or a line end among them; within it they are content.
        of_participant = column in Participant.__struct_fields__ or column in _ADDRESS
        most = longest("Participant" if of_participant else "Referral", column)
        if len(bare) > most:
            self.problem(column, f"is longer than {most} characters; shorten it")
            return None
        if _CONTROL.search(bare if stripped else text):
            self.problem(column, "has a line break or another control character; take it out")
            return None
        return bare if stripped else text

    def id(self, column: str) -> str | None:
        text = self.text(column, required=True)
        if text is None:
            return None
        if not _ID.fullmatch(text):
            self.problem(column, f"is no id; expected at most {LONGEST_ID} characters of ASCII")
        elif problem := wrong_with_id(text):
            self.problem(column, problem)
        return text

    def po_number(self) -> str | None:
        text = self.text("po_number", required=True)
        if text is None:
            return None
        if len(text) > LONGEST_PO_NUMBER or not _PO_NUMBER.fullmatch(text):
            self.problem(
                "po_number",
                f"is no number; expected at most {LONGEST_PO_NUMBER} characters, none of them a blank",
            )
        elif problem := wrong_with_id(text):
            self.problem("po_number", problem)
        return text

    def revision(self) -> int | None:
        text = self.text("po_revision", required=True)
        if text is None:
            return None
        if not _REVISION.fullmatch(text) or int(text) > _LAST_REVISION:
            self.problem("po_revision", f"is not a whole number; expected 0 to {_LAST_REVISION}")
            return None
        return int(text)

    def day(self, column: str, *, required: bool = False) -> int | None:
        text = self.text(column, required=required)
        if text is None:
            return None
        try:
            day = read_day(text)
        except NotADay as error:
            self.problem(column, str(error))
            return None
        if not DAYS[0] <= day <= DAYS[1]:
            self.problem(column, "is out of range; expected a date from 1900-01-01 to 2999-12-31")
            return None
        return day

    def yes(self, column: str) -> bool:
        text = self.text(column)
        if text is not None and text.lower() not in _YES_OR_NO:
            self.problem(column, "is neither yes nor no; expected one of them, or nothing for no")
        return text is not None and _YES_OR_NO.get(text.lower(), False)

    def symbol(self, column: str, symbols: Any, *, required: bool = False) -> str | None:  # noqa: ANN401 - a Literal
        text = self.text(column, required=required)
        if text is None:
            return None
        if text not in get_args(symbols):
            self.problem(column, f"is not one of its values; expected {', '.join(get_args(symbols))}")
            return None
        return text
