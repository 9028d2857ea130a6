"""The limits, with the date from which each policy holds (rulebook, Words)."""

import tomllib
from bisect import bisect_right
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, get_type_hints

from msgspec import Meta, Struct, ValidationError, convert, structs

from gateway.rules.calendar import date_of, day_of

Count = Annotated[int, Meta(ge=0, le=10_000)]
Seconds = Annotated[int, Meta(ge=0, le=86_400)]


class PolicyLimits(Struct, frozen=True, gc=False, array_like=True):
    """The limits that a referral keeps for life. Days are calendar days unless the name says otherwise."""

    session_within_days: Annotated[
        int, Meta(description="calendar days from D for the session (T2; advisory SESSION_AFTER_15_DAYS)")
    ]
    wp11_within_days: Annotated[
        int, Meta(description="calendar days from D for the interview that a WP11 follows (W3, T3)")
    ]
    attach_within_days: Annotated[int, Meta(description="calendar days from D for the attachment (W8, T4)")]
    accept_within_working_days: Annotated[
        int,
        Meta(
            description="working days from the arrival of the referral to accept it (R14, T1), and from the "
            "end of a hold to attach, where that is later (U3, T4)"
        ),
    ]
    outcome_within_working_days: Annotated[
        int, Meta(description="working days from the end of a mandatory session to record its outcome (T6)")
    ]
    hold_unmatched_days: Annotated[
        int, Meta(description="calendar days for which a message waits for its referral (G2)")
    ]
    forget_after_days: Annotated[
        int, Meta(description="calendar days from D after which the referral is forgotten (T5)")
    ]
    session_minutes: Annotated[
        int, Meta(description="a longer session gets the advisory LONGER_THAN_AN_HOUR (P3, P4)")
    ]
    group_optimum: Annotated[int, Meta(description="people in a group at best; decides nothing")]
    group_invitations: Annotated[int, Meta(description="people invited to a group at most; decides nothing")]
    clock_skew_s: Annotated[int, Meta(description="seconds by which a sender's clock may be fast (G4)")]
    referrals_until: Annotated[
        int | None, Meta(description="the last day of referrals; left out: there is none (R15)")
    ] = None


def purposes() -> dict[str, str]:
    """What each limit is for, by its name."""
    hints = get_type_hints(PolicyLimits, include_extras=True)
    return {name: hints[name].__metadata__[0].description for name in PolicyLimits.__struct_fields__}


class PolicyError(ValueError):
    """The policy file can't be used; the message says which line of it is wrong and how."""


class _Entry(
    Struct, frozen=True, gc=False, forbid_unknown_fields=True, rename={"from_": "from"}, kw_only=True
):
    """One [[policy]] of the file; a limit left out is that of the shipped policy."""

    from_: date
    session_within_days: Count = 15
    wp11_within_days: Count = 21
    attach_within_days: Count = 28
    accept_within_working_days: Count = 2
    outcome_within_working_days: Count = 2
    hold_unmatched_days: Count = 28
    forget_after_days: Count = 400
    session_minutes: Count = 60
    group_optimum: Count = 10
    group_invitations: Count = 20
    clock_skew_s: Seconds = 300
    referrals_until: date | None = None

    def limits(self) -> PolicyLimits:
        found = {name: getattr(self, name) for name in PolicyLimits.__struct_fields__}
        last = self.referrals_until
        return PolicyLimits(**found | {"referrals_until": None if last is None else day_of(last)})


class _File(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    policy: Annotated[tuple[_Entry, ...], Meta(min_length=1)]


class Policies(Struct, frozen=True, gc=False):
    """All policies, in order of the day from which each holds.

    from_days: days since 1970, strictly ascending; limits: the policy of each.
    """

    from_days: tuple[int, ...]
    limits: tuple[PolicyLimits, ...]

    def on(self, day: int) -> PolicyLimits:
        """The limits in force on a day. Before the first policy, the first holds."""
        return self.limits[max(bisect_right(self.from_days, day) - 1, 0)]


def parse(text: str) -> Policies:
    """Read a policy file (TOML).

    Raises PolicyError where it is not one.
    """
    try:
        entries = sorted(convert(tomllib.loads(text), _File).policy, key=lambda entry: entry.from_)
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise PolicyError(f"not a policy file: {error}") from None
    from_days = tuple(day_of(entry.from_) for entry in entries)
    if len(set(from_days)) < len(from_days):
        raise PolicyError("not a policy file: two policies hold from the same date")
    return Policies(from_days, tuple(entry.limits() for entry in entries))


def to_toml(policies: Policies) -> str:
    """The policy file that says these policies, with every limit."""
    lines: list[str] = []
    for from_day, limits in zip(policies.from_days, policies.limits, strict=True):
        lines += ["[[policy]]", f"from = {date_of(from_day)}"]
        for name, value in structs.asdict(limits).items():
            if value is not None:
                lines.append(f"{name} = {date_of(value) if name == 'referrals_until' else value}")
        lines.append("")
    return "\n".join(lines)


@cache
def shipped() -> Policies:
    """The policies of the guidance, which are the default."""
    return parse(files("gateway.rules").joinpath("policy.toml").read_text("utf-8"))
