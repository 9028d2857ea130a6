"""Bodies made to hang or to fill the memory are refused like any other."""

import subprocess
import sys

import pytest

from tests.patience import PATIENCE_S

#: Bodies of up to a mebibyte, with 256 MiB of memory beside what Python and its libraries take.
PROGRAM = """
import resource, time
from msgspec.structs import replace
from schemas.codec import HEADER_BYTES, LARGEST_BODY_BYTES, Unreadable, decode, encode
from tests.schemas.examples import EXAMPLES

in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + 2**28, in_use + 2**28))

def zigzag(number):
    left, digits = (number << 1) ^ (number >> 63), bytearray()
    while left > 0x7F:
        digits.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*digits, left])

outcome = encode(EXAMPLES["Outcome"])
items = outcome.index(b"\\x04\\x0aFIRST")
letter = encode(EXAMPLES["DeadLetter"])
pairs = letter.index(b"\\x04\\x02a")
texts = (outcome, HEADER_BYTES), (letter, HEADER_BYTES)

bodies = []
for count, body_bytes in (2**62, LARGEST_BODY_BYTES), (-(2**62), 99_999), (-(2**63), 99_999), (10**6, 99_999):
    for value, at in ((outcome, items), (letter, pairs), *texts):
        for rest in (b"", b"\\x00", b"\\x02", b"\\xff"):
            room = body_bytes + HEADER_BYTES - at - 20
            bodies.append(value[:at] + zigzag(count) + rest * room)
            bodies.append(value[:at] + zigzag(count) + zigzag(count) + rest * room)

slowest = 0
for body in bodies:
    began = time.process_time()
    decoded = decode(body, EXAMPLES)
    slowest = max(slowest, time.process_time() - began)
    assert isinstance(decoded, Unreadable) and decoded.code == "UNDECODABLE", decoded
assert slowest < 5, slowest
"""


def test_a_body_made_to_hang_or_to_fill_the_memory_is_refused(pytestconfig: pytest.Config) -> None:
    """Counts and lengths that no body could hold, at every kind of place that has one."""
    command = [sys.executable, "-c", PROGRAM]
    root = pytestconfig.rootpath
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert run.returncode == 0, run.stderr
