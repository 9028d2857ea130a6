"""What is held about somebody as a page to print. It loads nothing, and escapes what comes from outside."""

from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from msgspec import to_builtins

from gateway.explain.subject_access import Export
from gateway.system.terminal import printable


def page_of(export: Export) -> bytes:
    """The page, in HTML."""
    return _TEMPLATES.get_template("subject_access.html").render(export=to_builtins(export)).encode()


def _words(name: str) -> str:
    """A field's name as words, such as Date of birth."""
    return printable(name.replace("_", " ").capitalize())


def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("gateway.explain"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(printable=printable, words=_words)
    return made


_TEMPLATES: Final = _templates()
