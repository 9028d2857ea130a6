"""`python -m tests.broker start|stop|missing`: the broker of `make broker`."""

import sys

from tests.broker.broker import Broker
from tests.broker.jars import CACHE, NoBroker, missing


def main(command: str) -> int:
    """Do what is asked for; the address of a started broker alone goes to standard output."""
    if command == "missing":
        if lacks := missing():
            print(f"Left out: tests on Apache Kafka. {lacks}")
        return 0
    broker = Broker(CACHE / "broker", outlives=True)
    if command == "stop":
        broker.stop()
        return 0
    try:
        broker.start()
    except NoBroker as error:
        print(error, file=sys.stderr)
        return 1
    print(broker.bootstrap)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
