"""Where: the 18 contract package areas, their 40 prime contracts, the jobcentres and venues."""

from typing import Final

from msgspec import Struct

#: The towns of each contract package area, and how many prime contracts it has.
_AREAS: Final = (
    ("CPA01", 2, "Norwich Ipswich Cambridge Luton Chelmsford"),
    ("CPA02", 2, "Nottingham Leicester Derby Lincoln Northampton"),
    ("CPA03", 3, "Ealing Hounslow Brent Croydon Hammersmith"),
    ("CPA04", 3, "Hackney Stratford Lewisham Romford Walthamstow"),
    ("CPA05", 2, "Newcastle Sunderland Middlesbrough Durham Gateshead"),
    ("CPA06", 2, "Liverpool Birkenhead Preston Blackpool Carlisle"),
    ("CPA07", 3, "Manchester Salford Oldham Stockport Warrington"),
    ("CPA08", 2, "Glasgow Edinburgh Dundee Aberdeen Inverness"),
    ("CPA09", 2, "Reading Slough Oxford Portsmouth Southampton"),
    ("CPA10", 2, "Brighton Guildford Maidstone Hastings Dover"),
    ("CPA11", 2, "Plymouth Exeter Truro Bournemouth Taunton"),
    ("CPA12", 2, "Bristol Gloucester Swindon Bath Cheltenham"),
    ("CPA13", 2, "Cardiff Swansea Newport Wrexham Bangor"),
    ("CPA14", 3, "Birmingham Solihull Dudley Walsall Wolverhampton"),
    ("CPA15", 2, "Coventry Stoke Telford Worcester Hereford"),
    ("CPA16", 2, "Leeds Bradford Wakefield Huddersfield Halifax"),
    ("CPA17", 2, "Sheffield Doncaster Rotherham Barnsley Mexborough"),
    ("CPA18", 2, "York Hull Grimsby Scarborough Harrogate"),
)


class Contract(Struct, frozen=True):
    """A prime contract. `jobcentre_ids` and `towns` go together."""

    provider_id: str
    contract_package_area: str
    jobcentre_ids: tuple[str, ...]
    towns: tuple[str, ...]


def _contracts() -> tuple[Contract, ...]:
    owners = [(area, towns.split()) for area, count, towns in _AREAS for _ in range(count)]
    return tuple(
        Contract(f"PRV{number:02}", area, tuple(f"JCP-{town.upper()}" for town in towns), tuple(towns))
        for number, (area, towns) in enumerate(owners, start=1)
    )


#: In order of provider_id, PRV01 to PRV40.
CONTRACTS: Final = _contracts()
