"""Quix Streams, exactly once, with each referral in its state store."""

import os
import tempfile
from typing import Any

from msgspec import msgpack
from quixstreams import Application, State
from quixstreams.models import SerializationContext, Serializer

from benchmarks.peers.deciding import INPUT, decided, given
from gateway.engine.log import Draft
from gateway.rules.referral import PurchaseOrder
from producers import RECORDS

told = given()
_pack = msgpack.Encoder().encode
_unpack = msgpack.Decoder(PurchaseOrder).decode


class DraftSerializer(Serializer):
    """A draft's value is bytes already."""

    def __call__(self, value: Draft, ctx: SerializationContext) -> bytes | None:
        """The bytes."""
        return value.value


def decide(value: bytes, key: bytes, timestamp: int, headers: Any, state: State) -> list[Draft]:
    """Decide one message from the referral's state, which is kept with what follows, or not at all."""
    kept = state.get_bytes("order")
    order, drafts = decided(None if kept is None else _unpack(kept), value, timestamp)
    if order is None:
        state.delete("order")
    else:
        state.set_bytes("order", _pack(order))
    return drafts


def main() -> None:
    """Run until as many messages have been decided as there are."""
    left = told.messages

    def count(*_: object) -> None:
        nonlocal left
        if left is not None and not (left := left - 1):
            app.stop()

    with tempfile.TemporaryDirectory(dir=os.getcwd()) as folder:  # noqa: PTH109
        app = Application(
            told.bootstrap,
            consumer_group=f"{told.prefix}quix",
            auto_offset_reset="earliest",
            processing_guarantee="exactly-once",
            # By default it commits every five seconds; who waits for an outcome, waits for that.
            commit_interval=5.0 if told.messages else 0.05,
            producer_extra_config={"compression.type": "zstd"},
            state_dir=folder,
            loglevel="WARNING",
            on_message_processed=count,
        )
        outputs = {
            topic: app.topic(told.prefix + topic, key_serializer="bytes", value_serializer=DraftSerializer())
            for topic in RECORDS
        }
        frame = app.dataframe(
            app.topic(told.prefix + INPUT, key_deserializer="bytes", value_deserializer="bytes")
        )
        frame = frame.apply(decide, stateful=True, metadata=True, expand=True)
        frame = frame.set_headers(lambda each, *_: [*each.headers])
        frame.to_topic(lambda each, *_: outputs[each.topic])
        app.run()


if __name__ == "__main__":
    main()
