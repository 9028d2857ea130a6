"""AsyncAPI's own parser has no complaint about the document, and code that is made of it compiles."""

import json
import sys
from pathlib import Path

import pytest

from tests.contracts.generators.tools import ROOT, jars, node_modules, run

HERE = Path(__file__).parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document, as a file."""
    folder = tmp_path_factory.mktemp("document")
    run([Path(sys.executable).parent / "gateway", "docs", folder], ROOT)
    return folder / "asyncapi.json"


def test_its_own_parser_has_no_complaint_and_typescript_of_it_compiles(
    document: Path, tmp_path: Path
) -> None:
    modules = node_modules()
    (tmp_path / "node_modules").symlink_to(modules)
    models = tmp_path / "models.mjs"
    models.write_bytes((HERE / "models.mjs").read_bytes())
    said = json.loads(run(["node", models, document, tmp_path / "models"], tmp_path))
    # The document is in the newest version that generators take.
    assert [each for each in said if each["code"] != "asyncapi-latest-version"] == []
    made = sorted((tmp_path / "models").glob("*.ts"))
    assert {f"WorkprogrammeDot{name}.ts" for name in ("SessionEvent", "Notice", "Wp11")} <= {
        path.name for path in made
    }
    strict = ["--strict", "--noEmit", "--target", "es2022", "--module", "esnext"]
    run([modules / ".bin" / "tsc", *strict, "--moduleResolution", "bundler", *made], tmp_path)


def test_java_of_its_payloads_by_avros_own_compiler_compiles(document: Path, tmp_path: Path) -> None:
    """AsyncAPI's own generator makes no Java of a field whose default is a list."""
    libraries = jars()
    needed = ":".join(str(jar) for jar in libraries.glob("*.jar") if "openapi-generator" not in jar.name)
    run(["java", "-cp", needed, HERE / "AvroClasses.java", document, tmp_path / "made"], tmp_path)
    made = sorted((tmp_path / "made").rglob("*.java"))
    assert {"SessionEvent.java", "Notice.java", "Wp11.java"} <= {path.name for path in made}
    run(["javac", "-nowarn", "-proc:none", "-d", tmp_path / "classes", "-cp", needed, *made], tmp_path)
