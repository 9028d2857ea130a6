"""The client in TypeScript compiles with the types of the document, and handles a referral to the end."""

import shutil
from pathlib import Path

import pytest

from gateway.contracts.files import write_docs
from tests.contracts.generators.tools import node_modules, run
from tests.docs.pages import ROOT
from tests.sandbox_process import sandbox


@pytest.mark.slow
def test_it_handles_a_referral_from_its_arrival_to_the_attachment(tmp_path: Path) -> None:
    modules = node_modules()
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copyfile(ROOT / "examples" / "provider.ts", tmp_path / "provider.ts")
    write_docs(tmp_path)
    generated: list[str | Path] = [modules / ".bin" / "openapi-typescript", "openapi.json"]
    run([*generated, "--output", "schema.d.ts"], tmp_path)
    strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"]
    compiled = ["--target", "es2022", "--module", "nodenext", "--types", "node", "provider.ts"]
    run([modules / ".bin" / "tsc", *strict, *compiled], tmp_path)
    with sandbox(tmp_path) as begun:
        begun.until_ready()
        client: list[str | Path] = ["node", "provider.js", "JSA-MANDATORY", "--sandbox", "--url", begun.url]
        printed = run(client, tmp_path, GATEWAY_TOKEN=begun.token).splitlines()
        assert [line.split(",")[0].split()[-1] for line in printed] == [
            *(
                "ACCEPT_REFERRAL",
                "APPLIED",
                "APPLIED",
                "APPLIED",
                "UNDERTAKE_ATTACHMENT",
                "APPLIED",
                "ATTACHED",
            )
        ]
        again = run(client, tmp_path, GATEWAY_TOKEN=begun.token).splitlines()
        assert [line.split()[-1] for line in again] == ["ATTACHED"]
        refused = begun.get("/v1/referrals/JSA-MANDATORY")["history"]
        assert not [each for each in refused if each["event"].get("status") == "REFUSED"]
