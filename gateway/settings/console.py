"""The settings of the operators' console: who signs in there, each by itself.

What they come to together is in gateway/settings/signing_in.py.
"""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class ConsoleSettings(BaseSettings):
    """Where operators sign in. Without them, on an embedded log, a development token does."""

    console_issuer: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Where operators sign in to the console: the issuer of their OpenID Connect provider "
            "(https).",
        ),
    ] = None
    console_url: Annotated[
        str | None,
        Field(
            min_length=1,
            description="What browsers call this gateway, such as https://gateway.example; the provider "
            "sends them back to its path /console/signed-in.",
        ),
    ] = None
    console_client_id: Annotated[
        str | None, Field(min_length=1, description="The console's client id at that provider.")
    ] = None
    console_client_secret: Annotated[
        SecretStr | None, Field(description="The client's secret, where the client has one.")
    ] = None
    console_client_secret_file: Annotated[
        Path | None, Field(description="A file with the client's secret, instead.")
    ] = None
    console_claim: Annotated[
        str,
        Field(
            min_length=1,
            description="The claim of the ID token that must hold gateway:operate and, for personal data, "
            "gateway:personal-data: a list, or text with blanks between them.",
        ),
    ] = "roles"


_TEXT: Final = "is not text; expected"
#: What is wrong with a value that can't be used, and what is expected. The value is not shown.
EXPECTED: Final = {
    "console_issuer": f"{_TEXT} the `issuer` of the operators' OpenID Connect provider",
    "console_url": f"{_TEXT} a URL such as https://gateway.example",
    "console_client_id": f"{_TEXT} the console's client id",
    "console_client_secret": f"{_TEXT} the client's secret",
    "console_client_secret_file": "is not the name of a file; expected one with the client's secret",
    "console_claim": f"{_TEXT} the name of a claim",
}
