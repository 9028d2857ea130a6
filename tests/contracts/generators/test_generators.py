"""Clients that generators make of the OpenAPI document compile, and take a referral to its attachment."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from gateway.rules.messages import INBOUND
from tests.contracts.generators.tools import CACHE, ROOT, go, jars, node_modules, python, run
from tests.sandbox_process import Sandbox

HERE = Path(__file__).parent
RECORDS = {kind.__name__ for kind in INBOUND["provider.session-records"]}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document of a sandbox, as a file."""
    folder = tmp_path_factory.mktemp("document")
    run([Path(sys.executable).parent / "gateway", "docs", folder], ROOT)
    return folder / "openapi.json"


def generated(document: Path, folder: Path, language: str, *options: str) -> Path:
    """The folder of the client that openapi-generator makes."""
    (generator,) = jars().glob("openapi-generator-cli-*.jar")
    client = folder / "client"
    made: list[str | Path] = ["generate", "-g", language, *options, "-i", document, "-o", client]
    run(["java", "-jar", generator, *made], folder)
    return client


@pytest.mark.slow
def test_redocly_finds_nothing_to_warn_of(document: Path) -> None:
    command: list[str | Path] = [node_modules() / ".bin" / "redocly", "lint", "--format", "json", document]
    printed = run(command, document.parent, REDOCLY_TELEMETRY="off", REDOCLY_SUPPRESS_UPDATE_NOTICE="true")
    assert '"problems": []' in printed, printed


@pytest.mark.slow
def test_a_python_client_takes_a_referral_to_its_attachment(
    document: Path, here: Sandbox, tmp_path: Path
) -> None:
    made: list[str | Path] = [
        python().parent / "openapi-python-client",
        *("generate", "--meta", "none", "--path", document),
        *("--output-path", tmp_path / "information_session_gateway_client"),
    ]
    run(made, tmp_path)
    said = run(
        [python(), HERE / "referral.py", here.url, here.token, "PO-PYTHON"],
        tmp_path,
        PYTHONPATH=str(tmp_path),
    )
    assert said == "ATTACHED\n"


@pytest.mark.slow
def test_a_typescript_client_takes_a_referral_to_its_attachment(
    document: Path, here: Sandbox, tmp_path: Path
) -> None:
    modules = node_modules()
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copyfile(HERE / "referral.ts", tmp_path / "referral.ts")
    run([modules / ".bin" / "openapi-typescript", document, "--output", "schema.d.ts"], tmp_path)
    strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"]
    compiled = ["--target", "es2022", "--module", "nodenext", "--types", "node", "referral.ts"]
    run([modules / ".bin" / "tsc", *strict, *compiled], tmp_path)
    assert run(["node", "referral.js", here.url, here.token, "PO-TYPESCRIPT"], tmp_path) == "ATTACHED\n"


@pytest.mark.slow
def test_a_java_client_takes_a_referral_to_its_attachment(
    document: Path, here: Sandbox, tmp_path: Path
) -> None:
    client = generated(document, tmp_path, "java", "--library", "native")
    sources = [*(client / "src" / "main").rglob("*.java"), HERE / "Referral.java"]
    needed = ":".join(str(jar) for jar in jars().glob("*.jar") if "openapi-generator" not in jar.name)
    javac: list[str | Path] = ["javac", "-nowarn", "-d", tmp_path / "classes", "-cp", needed, *sources]
    run(javac, tmp_path)
    story = [
        *("java", "-cp", f"{tmp_path / 'classes'}:{needed}", "Referral"),
        here.url,
        here.token,
        "PO-JAVA",
    ]
    assert run(story, tmp_path) == "ATTACHED\n"


@pytest.mark.slow
def test_a_go_client_takes_a_referral_to_its_attachment(
    document: Path, here: Sandbox, tmp_path: Path
) -> None:
    compiler = go()
    at = ("--git-host", "gateway.example", "--git-user-id", "team", "--git-repo-id", "client")
    properties = "enumClassPrefix=true,useOneOfDiscriminatorLookup=true"
    client = generated(document, tmp_path, "go", "--additional-properties", properties, *at)
    (client / "referral").mkdir()
    shutil.copyfile(HERE / "referral.go", client / "referral" / "referral.go")
    # It needs the standard library alone: nothing is fetched. What was compiled of that is kept.
    alone = {"GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOCACHE": str(CACHE / "go")}
    run([compiler, "build", "-o", "story", "./referral"], client, **alone)
    assert run([client / "story", here.url, here.token, "PO-GO"], tmp_path) == "ATTACHED\n"


@pytest.mark.slow
def test_a_c_sharp_client_has_a_type_for_everything(document: Path, tmp_path: Path) -> None:
    client = generated(document, tmp_path, "csharp") / "src" / "Org.OpenAPITools"
    models = {path.stem: path.read_text() for path in (client / "Model").glob("*.cs")}
    declared = re.compile(r"^ {8}public (\S+) (\w+) \{ get;", re.MULTILINE)
    types = {(model, name): of for model, text in models.items() for of, name in declared.findall(text)}
    # Where a generator does not understand a schema, it says so by such a type.
    assert [each for each, of in types.items() if re.search("object|dynamic|UNKNOWN|AnyType|ISet", of)] == []
    assert {of.rstrip("?") for (_, name), of in types.items() if name.endswith("At")} == {"DateTime"}
    assert {of.rstrip("?") for (_, name), of in types.items() if name.endswith("On")} == {"DateOnly"}
    assert types["InstructionView", "DueOn"] == "DateOnly?"
    assert types["ReferralView", "ClosedAt"] == "DateTime?"
    assert types["ReferralView", "Status"] == types["Summary", "Status"] == "ReferralStatus"
    # What a record is, and what an event, is read from its type.
    for union, some in (("HistoryEntry", {"Instruction", "AttendanceEvent"}), ("ProviderRecord", RECORDS)):
        told_apart = set(re.findall(r'discriminator\?\.Equals\("(\w+)"\)', models[union]))
        assert told_apart >= some
    assert re.search(r"enum TypeEnum\s*\{[^}]*ReferralAccepted = 1\s*\}", models["ReferralAccepted"])
    messages = (client / "Api" / "MessagesApi.cs").read_text()
    assert "PostUploadAsync(string body," in messages
    refused = "IUnprocessableContent<Org.OpenAPITools.Model.ProblemDetails?>"
    assert refused in next(
        line for line in messages.splitlines() if "interface IPostRecordApiResponse" in line
    )
    if shutil.which("dotnet"):
        run(["dotnet", "build", client], tmp_path)
