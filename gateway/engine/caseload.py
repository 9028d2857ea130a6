"""The referrals at hand, and what falls due on them next: memory between two commits."""

import heapq
from typing import Final

from msgspec import Struct, msgpack

from gateway.rules.decide import Decision, decide, fall_due
from gateway.rules.messages import Message
from gateway.rules.policy import Policies
from gateway.rules.referral import PurchaseOrder

pack: Final = msgpack.Encoder().encode
unpack: Final = msgpack.Decoder(PurchaseOrder).decode


class _Due(Struct, frozen=True, gc=False, array_like=True):
    """The first fields of a packed PurchaseOrder; the rest is passed over unread."""

    due_at: int
    due_rank: int


_due: Final = msgpack.Decoder(_Due).decode


class Caseload:
    """The states of one partition's purchase orders, packed, and a heap of what falls due.

    The heap may hold entries that a later decision made void; an entry counts only where the state still
    says the same. So a message costs one push at the most, and a deadline nothing until its time.
    """

    def __init__(self, policies: Policies, states: dict[str, bytes] | None = None) -> None:
        """Start from packed states by po_number, which become this object's own."""
        self._policies = policies
        self._states = {} if states is None else states
        self._heap: list[tuple[int, int, str]] = []
        self._refill()

    def __len__(self) -> int:
        """How many purchase orders are kept."""
        return len(self._states)

    def packed(self, po_number: str) -> bytes | None:
        """The state of a purchase order as it is committed; None: nothing is kept of it."""
        return self._states.get(po_number)

    def decide(self, message: Message, at: int, trace: str | None = None) -> Decision:
        """Decide a message, when all that was due by `at` has fallen due. Keeps nothing: see `keep`."""
        packed = self._states.get(message.po_number)
        order = None if packed is None else unpack(packed)
        return decide(order, message, at, self._policies, trace)

    def due_by(self, instant: int) -> int | None:
        """When the first of what is due at or before `instant` is due; None: nothing is."""
        heap = self._heap
        while heap and heap[0][0] <= instant:
            due_at, rank, po_number = heap[0]
            packed = self._states.get(po_number)
            if packed is not None:
                due = _due(packed)
                if due.due_at == due_at and due.due_rank == rank:
                    return due_at
            heapq.heappop(heap)
        return None

    def is_due(self, key: bytes | None, instant: int) -> bool:
        """Whether something is due by `instant` on the purchase order of a record with this key."""
        packed = None if key is None else self._states.get(key.decode(errors="replace"))
        return packed is not None and _due(packed).due_at <= instant

    def knows(self, key: bytes) -> bool:
        """Whether something is kept of the purchase order of a record with this key."""
        return key.decode(errors="replace") in self._states

    def fall_due(self) -> tuple[str, Decision]:
        """Decide what `due_by` found, and say of which purchase order. Keeps nothing: see `keep`."""
        po_number = self._heap[0][2]
        return po_number, fall_due(unpack(self._states[po_number]), po_number, self._policies)

    def pass_over(self) -> str:
        """Leave what `due_by` found undecided until the next restore; returns its po_number."""
        return heapq.heappop(self._heap)[2]

    def keep(self, po_number: str, decision: Decision) -> None:
        """Make a decision the state of its purchase order."""
        order = decision.order
        before = self._states.get(po_number)
        if order is None:
            self._states.pop(po_number, None)
            return
        self._states[po_number] = pack(order)
        if before is not None:
            due = _due(before)
            if due.due_at == order.due_at and due.due_rank == order.due_rank:
                return
        heapq.heappush(self._heap, (order.due_at, order.due_rank, po_number))
        # Void entries go when their time comes; where dates are moved back and forth for long, sooner.
        if len(self._heap) > 4 * len(self._states) + 1_000:
            self._refill()

    def _refill(self) -> None:
        heap = []
        for po_number, packed in self._states.items():
            due = _due(packed)
            heap.append((due.due_at, due.due_rank, po_number))
        heapq.heapify(heap)
        self._heap = heap
