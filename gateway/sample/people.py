"""Who: the participants' groups and benefits, and personal data that belongs to nobody."""

from typing import Any, Final

from gateway.sample.clock import iso
from gateway.sample.shares import Draw, Shares, between, one_of

#: WP19 Annex A, in its order.
GROUPS: Final = {
    "ESA_IR_WRAG_OVER_12_MONTHS": 27.0,
    "ESA_C_WRAG": 19.0,
    "ESA_IR_LONE_PARENT_CHILD_3_OR_4": 9.0,
    "ESA_IR_WRAG_CHILD_UNDER_3_OR_CARER": 8.0,
    "ESA_IR_EX_IB_WRAG_CHILD_UNDER_3_OR_CARER": 5.0,
    "ESA_C_WRAG_CHILD_UNDER_3_OR_CARER": 5.0,
    "ESA_IR_SUPPORT_GROUP": 8.0,
    "ESA_IR_EX_IB_SUPPORT_GROUP": 5.0,
    "ESA_C_SUPPORT_GROUP": 5.0,
    "ESA_C_EX_IB_SUPPORT_GROUP": 4.0,
    "ESA_CREDITS_ONLY": 5.0,
}
MANDATABLE: Final = frozenset(tuple(GROUPS)[:3])
UC_PURPOSES: Final = ("CHECK_COMPLIANCE", "ASSIST_COMPLIANCE", "IMPOSE_REQUIREMENT")
JSA_PURPOSES: Final = ("ASSIST_TO_FIND_EMPLOYMENT", "IMPROVE_PROSPECTS")

GROUP_SHARES: Final = Shares(GROUPS)
BENEFIT_SHARES: Final = Shares({"ESA": 83.0, "UC": 10.0, "JSA": 7.0})
#: The one restriction that keeps nobody out of a group.
ADDITIONAL_NEEDS: Final = "ADDITIONAL_NEEDS"
RESTRICTION_SHARES: Final = Shares(
    {ADDITIONAL_NEEDS: 70.0, "SAFETY_MEASURES": 18.0, "MAPPA": 4.0, "OBJECTION": 8.0}
)
_LANGUAGES: Final = Shares({"": 80.0, "en": 12.0, "cy": 2.0, "pl": 2.0, "ur": 2.0, "pa": 1.0, "bn": 1.0})

_FORENAMES: Final = (
    "Ada Ahmed Alice Amir Anwen Beth Bilal Carys Chloe Daniel Dewi Ewa Farah Gareth Grace Hannah Imran Isla "
    "Jack Jamila Joan Kwame Leah Liam Marek Megan Nadia Noah Olivia Owen Priya Rhys Rosa Ryan Siân Sophie "
    "Tomasz Umar Wendy Yusuf Zoë"
).split()
_SURNAMES: Final = (
    "Anyperson Blankform Casestudy Dataset Democroft Dummyworth Enghraifft Examplethwaite Fictionham "
    "Imaginary Inventwell Madeupton Makebelieve Mockridge Modelby Notareal O’Example Patternshaw "
    "Placeholder Pretendwick Sample-Smith Sampleton Specimen Standin Testerly Testington"
).split()
_STREETS: Final = (
    "Example Street,Sample Road,Specimen Close,Fictional Avenue,Model Terrace,Pattern Lane".split(",")
)
_LETTERS: Final = "ABDEFGHJLNPQRSTUWXYZ"
_BORN_FIRST: Final = -3_600  # 1960
_BORN_LAST: Final = 9_800  # 1996
_MILLION: Final = 1_000_000
#: Odd and no multiple of five, so it permutes the six digits.
_STEP: Final = 611_953


def mandation(benefit: str, recorded_on: int, draw: Draw) -> dict[str, Any]:
    """What justifies a mandatory referral: a Mandation as JSON."""
    recorded = iso(recorded_on)
    if benefit == "UC":
        purpose = one_of(UC_PURPOSES, draw)
        return {
            "basis": "UC_WORKPLAN",
            "purpose": purpose,
            "tangible_outcome": True,
            "recorded_on": recorded,
        }
    if benefit == "JSA":
        purpose = one_of(JSA_PURPOSES, draw)
        return {"basis": "JOBSEEKERS_DIRECTION", "purpose": purpose, "recorded_on": recorded}
    return {"basis": "WORK_RELATED_ACTIVITY", "recorded_on": recorded}


def address(town: str, draw: Draw) -> dict[str, Any]:
    """Where a participant lives: the fields of a Participant that a move changes."""
    house = between(1, 200, draw)
    letters = one_of(_LETTERS, draw) + one_of(_LETTERS, draw)
    return {
        "address": [f"{house} {one_of(_STREETS, draw)}", town],
        # ZZ is the area of no place: the health service keeps it for those without an address.
        "postcode": f"ZZ{between(1, 100, draw)} {house % 10}{letters}",
    }


def phone(draw: Draw) -> str:
    """A mobile number of the range that Ofcom keeps for drama."""
    return f"07700 900{between(0, 1_000, draw):03}"


def participant(number: int, town: str, draw: Draw) -> dict[str, Any]:
    """A Participant as JSON; now and then some or all of it is withheld.

    `number` is the referral's in the programme. No two of the first eight million have the same NINO.
    """
    withheld = draw()
    if withheld < 0.012:
        return {}
    series, digits = divmod(number, _MILLION)
    forename, surname = one_of(_FORENAMES, draw), one_of(_SURNAMES, draw)
    person: dict[str, Any] = {
        # An X in front passes the check of its form, but no prefix in the list published in 2006 has it.
        "nino": f"{('XX', 'XY')[series // 4 % 2]}{digits * _STEP % _MILLION:06}{'ABCD'[series % 4]}",
        "forename": forename,
        "surname": surname,
        "date_of_birth": iso(between(_BORN_FIRST, _BORN_LAST, draw)),
    }
    if withheld > 0.03:
        person |= address(town, draw)
    if withheld > 0.08:
        person["phone"] = phone(draw)
    if withheld > 0.45:
        person["email"] = f"participant.{number}@example.org"
    language = _LANGUAGES.pick(draw)
    if language:
        person["preferred_language"] = language
        if language not in ("en", "cy"):
            person["interpreter_needed"] = draw() < 0.5
    return person
