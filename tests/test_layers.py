"""import-linter holds the arrows between the parts that its layers name; here, that they name them all."""

import re
import tomllib
from pathlib import Path

import gateway

FOLDER = Path(gateway.__file__).parent
PROJECT = FOLDER.parent / "pyproject.toml"


def test_every_part_of_the_gateway_has_its_place_in_the_layers() -> None:
    contracts = tomllib.loads(PROJECT.read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = re.findall(r"gateway\.(\w+)", " ".join(layers))
    there = {path.stem for path in FOLDER.glob("*.py") if path.name != "__init__.py"}
    there |= {path.parent.name for path in FOLDER.glob("*/__init__.py")}
    assert sorted(named) == sorted(there)
