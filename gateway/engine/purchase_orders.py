"""The referrals of a partition, and what falls due on them next: memory between two commits."""

import heapq
from itertools import islice
from typing import Final

from msgspec import Raw, Struct, msgpack

from gateway.rules.deadlines import HELD_OR_END, TRACE
from gateway.rules.decide import Decision, decide, fall_due
from gateway.rules.events import PrapAction
from gateway.rules.messages import Message
from gateway.rules.policy import Policies
from gateway.rules.referral import PurchaseOrder

pack: Final = msgpack.Encoder().encode
unpack: Final = msgpack.Decoder(PurchaseOrder).decode

#: How many purchase orders are at hand at the most; each takes about 2.5 kB, and a quarter of it packed.
AT_HAND: Final = 16_384
#: How many are packed at once when there are more.
PUT_AWAY: Final = 1_024
#: How many overdue deadlines are counted at the most: whoever asks must not hold up those who decide.
MOST_COUNTED: Final = 10_000
#: After all instants.
_ENDLESS: Final = 2**62


#: When something falls due, its place among what is due at that instant, and on which purchase order.
Due = tuple[int, int, str]


class _Due(Struct, frozen=True, gc=False, array_like=True):
    """The first fields of a packed PurchaseOrder; the rest is passed over unread."""

    due_at: int
    due_rank: int


class _Holding(_Due, frozen=True, gc=False, array_like=True):
    """The same, up to what is held."""

    events_at: int
    events: int
    referral: Raw
    held: tuple[Raw, ...]


_due: Final = msgpack.Decoder(_Due).decode
_holding: Final = msgpack.Decoder(_Holding).decode


class PurchaseOrders:
    """The states of one partition's purchase orders, and a heap of what falls due.

    Those decided last are at hand as objects, all others are packed. The heap may hold entries that a later
    decision made void; an entry counts only where the state still says the same. So a message costs one push
    at the most, and a deadline nothing until its time.
    """

    def __init__(
        self, policies: Policies, states: dict[str, bytes] | None = None, at_hand: int = AT_HAND
    ) -> None:
        """Start from packed states by po_number, which become this object's own.

        at_hand: how many purchase orders are at hand at the most.
        """
        self._policies = policies
        self._packed = {} if states is None else states
        #: In the order in which they came to hand. None of them is among the packed.
        self._orders: dict[str, PurchaseOrder] = {}
        self._at_hand = at_hand
        self._heap: list[Due] = []
        self._refill()
        #: How many messages each of those holds that hold any.
        self._held: dict[str, int] = {}
        for _, rank, po_number in self._heap:
            # What is held has this rank, and the ends of sessions have it too.
            if rank == HELD_OR_END and (held := _holding(self._packed[po_number]).held):
                self._held[po_number] = len(held)

    def __len__(self) -> int:
        """How many purchase orders are kept."""
        return len(self._packed) + len(self._orders)

    @property
    def held(self) -> int:
        """How many messages wait for their referral."""
        return sum(self._held.values())

    def next_due_at(self) -> int | None:
        """When something falls due next; None: nothing ever does."""
        return self.due_by(_ENDLESS)

    def overdue(self, instant: int) -> int:
        """How many deadlines are due by `instant`, up to MOST_COUNTED; some may be void."""
        count, places, heap = 0, [0], self._heap
        while places and count < MOST_COUNTED:
            place = places.pop()
            if place < len(heap) and heap[place][0] <= instant:
                count += 1
                places += (2 * place + 1, 2 * place + 2)
        return count

    def packed(self, po_number: str) -> bytes | None:
        """The state of a purchase order as it is committed; None: nothing is kept of it."""
        order = self._orders.get(po_number)
        return self._packed.get(po_number) if order is None else pack(order)

    def decide(self, message: Message, at: int, trace: str | None = None) -> Decision:
        """Decide a message, when all that was due by `at` has fallen due. Keeps nothing: see `keep`."""
        return decide(self.order(message.po_number), message, at, self._policies, trace)

    def due_by(self, instant: int) -> int | None:
        """When the first of what is due at or before `instant` is due; None: nothing is."""
        heap = self._heap
        while heap and heap[0][0] <= instant:
            due_at, rank, po_number = heap[0]
            state = self._state(po_number)
            if state is not None and state.due_at == due_at and state.due_rank == rank:
                return due_at
            heapq.heappop(heap)
        return None

    def is_due(self, key: bytes | None, instant: int) -> bool:
        """Whether something that matters to a record with this key is due by `instant`.

        That only traces are left to forget doesn't: what is decided later doesn't look at them.
        """
        state = None if key is None else self._state(key.decode(errors="replace"))
        return state is not None and state.due_at <= instant and state.due_rank != TRACE

    def knows(self, key: bytes) -> bool:
        """Whether something is kept of the purchase order of a record with this key."""
        po_number = key.decode(errors="replace")
        return po_number in self._orders or po_number in self._packed

    def found_due(self) -> Due:
        """What `due_by` found."""
        return self._heap[0]

    def fall_due(self) -> tuple[str, Decision]:
        """Decide what `due_by` found, and say of which purchase order. Keeps nothing: see `keep`."""
        po_number = self._heap[0][2]
        order = self.order(po_number)
        if order is None:
            raise LookupError("what falls due is asked for before it was found to be due")
        return po_number, fall_due(order, po_number, self._policies)

    def pass_over(self) -> str:
        """Leave what `due_by` found undecided until the next restore; returns its po_number."""
        return heapq.heappop(self._heap)[2]

    def keep(self, po_number: str, decision: Decision) -> bool:
        """Make a decision the state of its purchase order; True: with that a referral is forgotten.

        One that came so late that it is forgotten at once is acknowledged on PRaP all the same.
        """
        order, forgets = decision.order, False
        if order is None or order.referral is None:
            known = self.order(po_number)
            forgets = (known is not None and known.referral is not None) or any(
                type(event) is PrapAction for event, _ in decision.effects
            )
        before = self._state(po_number)
        if order is not None and order.held:
            self._held[po_number] = len(order.held)
        else:
            self._held.pop(po_number, None)
        self._packed.pop(po_number, None)
        if order is None:
            self._orders.pop(po_number, None)
            return forgets
        self._orders[po_number] = order
        if len(self._orders) > self._at_hand:
            self._put_away()
        if before is not None and before.due_at == order.due_at and before.due_rank == order.due_rank:
            return forgets
        heapq.heappush(self._heap, (order.due_at, order.due_rank, po_number))
        # Void entries go when their time comes; where dates are moved back and forth for long, sooner.
        if len(self._heap) > 4 * len(self) + 1_000:
            self._refill()
        return forgets

    def order(self, po_number: str) -> PurchaseOrder | None:
        """The state of a purchase order; None: nothing is kept of it."""
        order = self._orders.get(po_number)
        if order is None:
            packed = self._packed.get(po_number)
            return None if packed is None else unpack(packed)
        return order

    def _state(self, po_number: str) -> PurchaseOrder | _Due | None:
        """The state, or as much of it as says what is due."""
        order = self._orders.get(po_number)
        if order is None:
            packed = self._packed.get(po_number)
            return None if packed is None else _due(packed)
        return order

    def _put_away(self) -> None:
        """Pack those that have been at hand the longest."""
        for po_number in list(islice(self._orders, PUT_AWAY)):
            self._packed[po_number] = pack(self._orders[po_number])
            del self._orders[po_number]

    def _refill(self) -> None:
        heap = []
        for po_number in (*self._packed, *self._orders):
            state = self._state(po_number)
            if state is not None:
                heap.append((state.due_at, state.due_rank, po_number))
        heapq.heapify(heap)
        self._heap = heap
