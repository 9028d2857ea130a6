"""The records as JSON: dates and instants as text, bytes as base64, unions without a wrapper.

Field names and order are Avro's; a field with a default may be left out. What is a date or an instant, and
which numbers a field may hold, is what the Avro schema says. Errors name the field and what was expected,
never what was there: it may be about a person.
"""

from schemas.json_reader import InvalidJson, mistakes, nearest, parse, parse_as
from schemas.json_text import parse_text
from schemas.json_writer import render, to_json
from schemas.times import NotADay, NotAnInstant, format_day, format_instant, parse_day, parse_instant

__all__ = [
    "InvalidJson",
    "NotADay",
    "NotAnInstant",
    "format_day",
    "format_instant",
    "mistakes",
    "nearest",
    "parse",
    "parse_as",
    "parse_day",
    "parse_instant",
    "parse_text",
    "render",
    "to_json",
]
