"""The command `gateway token`."""

import re
import sys
import time
from typing import Annotated, Final

import typer

from gateway.cli.on_log import Config, on_log, read_settings
from gateway.system.errors import UsageError

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
LONGEST_S: Final = 365 * _UNITS_S["d"]


def token(
    provider: Annotated[
        list[str] | None, typer.Option(help="Whom it speaks for, such as PRV01; more than one may be named.")
    ] = None,
    jobcentre: Annotated[
        list[str] | None,
        typer.Option(help="The Jobcentre it speaks for, such as JCP-LEEDS; more than one may be named."),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What else it allows: jobcentre:send and jobcentre:subscribe are for Jobcentres, prap:send "
            "and prap:actions for PRaP, gateway:operate for operators."
        ),
    ] = None,
    valid_for: Annotated[
        str, typer.Option(metavar="TIME", help="For how long, in s, m, h or d: 30m, 12h.")
    ] = "12h",
    config: Config = None,
) -> None:
    """Print a token for trying the API on the embedded log, signed with the key beside it.

    A request has it in the header "Authorization: Bearer TOKEN". A sandbox's provider is PRV01, its Jobcentre
    JCP-LEEDS.
    """
    from gateway.api.callers import development
    from gateway.api.callers.configured import has_identity_provider
    from gateway.api.callers.verifying import LARGEST_TOKEN, MOST_NAMED, OF_JOBCENTRES, SCOPES
    from schemas.limits import wrong_with_id

    settings = read_settings(config)
    if has_identity_provider(settings):
        raise UsageError("tokens come from the identity provider that the settings name; ask it for one")
    if settings.on_kafka:
        raise UsageError("with a log on Kafka tokens come from the identity provider; ask it for one")
    providers, jobcentres, scopes = provider or [], jobcentre or [], scope or []
    if not providers and not scopes:
        raise UsageError("the token is for nobody; name --provider, or --scope gateway:operate")
    for option, named in (("--provider", providers), ("--jobcentre", jobcentres)):
        if len(set(named)) > MOST_NAMED:
            raise UsageError(f"{option} is given too often; expected at most {MOST_NAMED} ids")
        for each in named:
            if problem := wrong_with_id(each):
                raise UsageError(f"{option} {problem}")
    if not SCOPES.issuperset(scopes):
        raise UsageError(f"there is no such --scope; expected {', '.join(sorted(SCOPES))}")
    if bool(jobcentres) == OF_JOBCENTRES.isdisjoint(scopes):
        of_jobcentres = " or ".join(sorted(OF_JOBCENTRES))
        raise UsageError(f"a Jobcentre's token needs both; name --jobcentre, and --scope {of_jobcentres}")
    valid_for_s = _seconds(valid_for)
    is_new = not settings.log_path().exists()
    # The log first: a key without one would say that the log is gone.
    on_log(settings, lambda log: log.partitions())
    made = development.token(
        development.key_path(settings.log_path()),
        providers=providers,
        jobcentres=jobcentres,
        scopes=scopes,
        valid_for_s=valid_for_s,
        now_s=time.time(),
    )
    if len(made) > LARGEST_TOKEN:
        raise UsageError("the token would be too large to be taken; name fewer providers or scopes")
    print(made)
    if is_new:
        # The wrong folder is where most tokens come from that are refused.
        print(
            f"gateway: there was no log {settings.log_path()}, so a new one was made; the token is for the "
            "gateway that runs on it",
            file=sys.stderr,
        )


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,8})([smhd])", text)
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not 1 <= seconds <= LONGEST_S:
        raise UsageError("--valid-for is not a time; expected 1s to 365d, such as 30m or 12h")
    return seconds
