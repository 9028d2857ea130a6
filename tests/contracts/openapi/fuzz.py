"""Thousands of requests made from the OpenAPI document, against a sandbox: `make fuzz` runs it for longer.

schemathesis makes them, valid ones and such as break a rule of the document, follows links from one answer to
the next request, and holds every answer against the document.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from gateway.sandbox import PROVIDER
from tests.contracts.openapi.known import PURCHASE_ORDERS
from tests.sandbox_process import Sandbox, sandbox

ROOT = Path(__file__).parents[3]
SCHEMATHESIS = str(Path(sys.executable).parent / "schemathesis")
#: All requests and answers, in a folder that is given.
HAR = "fuzzed.har"
#: What may come of a request that the document allows.
_TAKEN = ["2xx", "3xx", "401", "403", "404", "409", "429"]
_CONFIGURATION = """\
continue-on-failure = true
max-failures = 20
request-timeout = 30
warnings = false
cache.enabled = false

[auth.openapi.token]
bearer = "${{SANDBOX_TOKEN}}"

[generation]
max-examples = {examples}
database = "none"

[dictionaries.po]
values = {purchase_orders}
[dictionaries.provider]
values = ["{provider}"]
[dictionaries.jobcentre]
values = ["JCP-LEEDS"]
[dictionaries.session]
values = ["S1", "S2", "NEVER-BOOKED"]
[dictionaries.action]
values = {actions}

[parameters]
"path.event_id" = {{ dictionary = "action", probability = 0.8 }}
"path.po" = {{ dictionary = "po", probability = 0.8 }}
"body.value.provider_id" = {{ dictionary = "provider", probability = 0.9 }}
"body.po_number" = {{ dictionary = "po", probability = 0.8 }}
"body.jobcentre_id" = {{ dictionary = "jobcentre", probability = 0.9 }}
"body.session_id" = {{ dictionary = "session", probability = 0.8 }}

[checks]
not_a_server_error.expected-statuses = {not_an_error}
positive_data_acceptance.expected-statuses = {taken}
{of_operations}
# Bodies that are made by the hooks break no rule of the document, whatever is broken beside them.
[[operations]]
include-operation-id = "postUpload"
checks.negative_data_rejection.enabled = false
checks.positive_data_acceptance.expected-statuses = {of_uploads}
[[operations]]
include-operation-id = "postPrapDownload"
checks.negative_data_rejection.enabled = false
checks.positive_data_acceptance.expected-statuses = {of_uploads}
"""
#: By operation, what else may come of it: a record or a message may be refused by the rules, and another plan
#: under a key that one has; the document does not say which texts are cursors, which addresses are public and
#: take events, and how a file is written that is an upload.
_ALSO = {
    "postRecord": "422",
    "postSandboxMessage": "422",
    "postWp11": "422",
    "postUpdate": "422",
    "postReferral": "422",
    "putDeliveryPlan": "422",
    "listReferrals": "400",
    "listHistory": "400",
    "listSessions": "400",
    "getSession": "400",
    "listInstructions": "400",
    "listOutcomes": "400",
    "listEvents": "400",
    "listSessionsOfDay": "400",
    "getWorklist": "400",
    "listPrapActions": "400",
    "makeWebhook": "400 422",
    "rewindWebhook": "400",
    "listDeliveries": "400",
}


def configuration(examples: int, actions: list[str]) -> str:
    """What schemathesis reads.

    examples: how many cases an operation has in each phase, at the most. actions: ids of some for PRaP.
    """
    of_operations = "\n".join(
        f'[[operations]]\ninclude-operation-id = "{operation}"\n'
        f"checks.positive_data_acceptance.expected-statuses = {[*_TAKEN, *status.split()]}\n"
        for operation, status in _ALSO.items()
    )
    return _CONFIGURATION.format(
        examples=examples,
        provider=PROVIDER,
        purchase_orders=PURCHASE_ORDERS,
        actions=actions,
        not_an_error=["2xx", "3xx", "4xx"],
        taken=_TAKEN,
        of_operations=of_operations,
        of_uploads=[*_TAKEN, "422"],
    )


def fuzz(here: Sandbox, folder: Path, *, examples: int, seed: int) -> tuple[int, str]:
    """Run it. Returns its exit status, 0 where every answer was as the document says, and what it printed."""
    file = folder / "schemathesis.toml"
    listed = json.loads(here.ask("GET", "/v1/prap-actions?limit=5").body)["actions"]
    file.write_text(configuration(examples, [each["event_id"] for each in listed]))
    done = subprocess.run(
        [
            *(SCHEMATHESIS, "--config-file", str(file), "run", f"{here.url}/v1/openapi.json"),
            *("--seed", str(seed), "--no-color", "--report", "har", "--report-har-path", str(folder / HAR)),
        ],
        cwd=ROOT,
        env=os.environ
        | {
            "SANDBOX_TOKEN": here.token,
            "SCHEMATHESIS_HOOKS": "tests.contracts.openapi.fuzz_hooks",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "110",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=2_000, help="cases an operation has in each phase")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, sandbox(Path(made)) as begun:
        begun.until_ready()
        print(f"seed {asked.seed}")
        status, printed = fuzz(begun, Path(made), examples=asked.examples, seed=asked.seed)
        print(printed)
    sys.exit(status)
