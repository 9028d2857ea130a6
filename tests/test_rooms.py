"""import-linter holds the arrows between rooms; here, that it names all and that nothing lies beside them."""

import tomllib
from pathlib import Path

import gateway

FOLDER = Path(gateway.__file__).parent
PROJECT = FOLDER.parent / "pyproject.toml"


def test_every_room_has_its_place_in_the_layers() -> None:
    contracts = tomllib.loads(PROJECT.read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = {name for layer in layers for name in layer.split(" | ")}
    rooms = {f"gateway.{path.parent.name}" for path in FOLDER.glob("*/__init__.py")}
    assert named == rooms | {"gateway.__main__", "schemas", "consumers", "producers"}


def test_nothing_lies_loose_at_the_root_of_the_gateway() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == {
        "__init__.py",
        "__main__.py",
        "py.typed",
    }
