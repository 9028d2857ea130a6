"""The referrals at hand, and what falls due on them next."""

import random
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.purchase_orders import PurchaseOrders, pack, unpack
from gateway.rules.decide import Decision
from gateway.rules.events import Breach, CancellationEvent, Event, Outcome
from gateway.rules.messages import Message
from gateway.rules.referral import PurchaseOrder
from tests.engine.letters import EXPIRY, NINE, T1, T2, T3, T5, D, acceptance, objection, referral, wp11
from tests.engine.small_programmes import POLICIES, SmallProgramme


def taken(purchase_orders: PurchaseOrders, message: Message, at: int) -> list[Event]:
    """Decide a message and keep what came of it."""
    decision = purchase_orders.decide(message, at)
    purchase_orders.keep(message.po_number, decision)
    return [event for event, _ in decision.effects]


def fallen_due(purchase_orders: PurchaseOrders, until: int) -> list[tuple[int, str, list[Event]]]:
    """Let fall due what is due by then: when, on which purchase order, and what came of it."""
    came = []
    while (due_at := purchase_orders.due_by(until)) is not None:
        po_number, decision = purchase_orders.fall_due()
        purchase_orders.keep(po_number, decision)
        came.append((due_at, po_number, [event for event, _ in decision.effects]))
    return came


def due(due_at: int, rank: int) -> Decision:
    """A decision after which something falls due then."""
    return Decision(PurchaseOrder(due_at, rank, 0, 0), [])


def test_nothing_is_due_before_its_instant_and_all_of_it_at_it() -> None:
    purchase_orders = PurchaseOrders(POLICIES)
    taken(purchase_orders, referral(), NINE)
    assert purchase_orders.due_by(T1 - 1) is None
    assert purchase_orders.due_by(T1) == T1


def test_what_is_due_stays_due_until_it_is_decided() -> None:
    """Deciding keeps nothing by itself, so that what could not be sent out has not happened."""
    purchase_orders = PurchaseOrders(POLICIES)
    taken(purchase_orders, referral(), NINE)
    before = purchase_orders.packed("PO1")
    assert purchase_orders.due_by(T1) == T1
    first, again = purchase_orders.fall_due(), purchase_orders.fall_due()
    assert first == again
    assert purchase_orders.packed("PO1") == before
    assert purchase_orders.due_by(T1) == T1


def test_a_message_is_decided_without_keeping_anything() -> None:
    purchase_orders = PurchaseOrders(POLICIES)
    purchase_orders.decide(referral(), NINE)
    assert len(purchase_orders) == 0
    assert purchase_orders.packed("PO1") is None


def test_deadlines_of_one_referral_fall_due_in_their_order() -> None:
    purchase_orders = PurchaseOrders(POLICIES)
    taken(purchase_orders, referral(), NINE)
    came = fallen_due(purchase_orders, T5)
    assert [due_at for due_at, _, _ in came[:3]] == [T1, T2, T3]
    assert [type(event) for event in came[0][2]] == [Breach]
    assert isinstance(came[2][2][0], CancellationEvent)


def test_after_it_is_forgotten_nothing_is_kept_of_a_referral() -> None:
    """Its last trace stays for a millisecond, so that no event id of that instant is given twice."""
    purchase_orders = PurchaseOrders(POLICIES)
    taken(purchase_orders, referral(), NINE)
    fallen_due(purchase_orders, T5)
    assert len(purchase_orders) == 1
    fallen_due(purchase_orders, T5 + 1)
    assert len(purchase_orders) == 0
    assert purchase_orders.packed("PO1") is None


def test_a_deadline_that_a_message_met_does_not_fall_due() -> None:
    purchase_orders = PurchaseOrders(POLICIES)
    taken(purchase_orders, referral(), NINE)
    taken(purchase_orders, acceptance(), NINE + 1)
    assert [due_at for due_at, _, _ in fallen_due(purchase_orders, T2)] == [T2]


def test_what_waits_for_a_referral_falls_due_when_none_comes() -> None:
    purchase_orders = PurchaseOrders(POLICIES)
    taken(purchase_orders, wp11(), NINE)
    (_, _, (outcome,)), *_ = fallen_due(purchase_orders, EXPIRY)
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.code, outcome.decided_at) == ("REFUSED", "UNKNOWN_REFERRAL", EXPIRY)


def test_at_one_instant_the_rank_comes_first_and_then_the_po_number_by_code_point() -> None:
    purchase_orders = PurchaseOrders(POLICIES)
    for po_number, rank in (("b", 1), ("é", 1), ("a", 3), ("Z", 3), ("c", 0), ("B", 1)):
        purchase_orders.keep(po_number, due(100, rank))
    order = []
    while purchase_orders.due_by(100) is not None:
        po_number = purchase_orders.pass_over()
        order.append(po_number)
    assert order == ["c", "B", "b", "é", "Z", "a"]


def test_an_entry_of_the_heap_that_a_later_decision_made_void_does_not_count() -> None:
    purchase_orders = PurchaseOrders(POLICIES)
    purchase_orders.keep("a", due(100, 1))
    purchase_orders.keep("a", due(200, 1))
    purchase_orders.keep("b", due(150, 1))
    assert purchase_orders.due_by(199) == 150
    purchase_orders.keep("b", due(300, 1))
    assert purchase_orders.due_by(199) is None
    assert purchase_orders.due_by(200) == 200


def test_a_deadline_that_is_moved_away_and_back_falls_due_once() -> None:
    purchase_orders = PurchaseOrders(POLICIES)
    for at in (100, 200, 100):
        purchase_orders.keep("a", due(at, 1))
    assert purchase_orders.due_by(100) == 100
    purchase_orders.keep("a", due(300, 1))
    assert purchase_orders.due_by(299) is None


def test_what_was_passed_over_is_due_again_after_a_restore() -> None:
    purchase_orders = PurchaseOrders(POLICIES)
    taken(purchase_orders, referral(), NINE)
    packed = purchase_orders.packed("PO1")
    assert packed is not None
    assert purchase_orders.due_by(T1) == T1
    assert purchase_orders.pass_over() == "PO1"
    assert purchase_orders.due_by(T1) is None
    assert PurchaseOrders(POLICIES, {"PO1": packed}).due_by(T1) == T1


def test_the_heap_does_not_grow_with_the_messages() -> None:
    """Dates moved back and forth for long leave void entries, which are cleared away."""
    purchase_orders = PurchaseOrders(POLICIES)
    tracemalloc.start()
    try:
        for turn in range(20_000):
            purchase_orders.keep("a", due(10**12 + turn, 1))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 1_000_000
    assert purchase_orders.due_by(10**12 + 19_998) is None
    assert purchase_orders.due_by(10**12 + 19_999) == 10**12 + 19_999


def test_restored_from_its_packed_states_they_go_on_as_if_nothing_had_happened() -> None:
    whole, broken = PurchaseOrders(POLICIES), PurchaseOrders(POLICIES)
    messages: list[Message] = [
        referral(),
        objection(),
        acceptance(),
        wp11(),
        referral("PO2", "r2", referred_on=D - 1),
    ]
    states: dict[str, bytes] = {}
    for place, message in enumerate(messages):
        broken = PurchaseOrders(POLICIES, dict(states))
        at = NINE + place
        assert taken(whole, message, at) == taken(broken, message, at)
        packed = broken.packed(message.po_number)
        assert packed is not None
        states[message.po_number] = packed
    assert fallen_due(whole, T5 + 1) == fallen_due(PurchaseOrders(POLICIES, states), T5 + 1)


class NaivePurchaseOrders:
    """The same by looking at every state each time."""

    def __init__(self) -> None:
        self.states: dict[str, PurchaseOrder] = {}

    def next_due(self, until: int) -> tuple[int, int, str] | None:
        """The first of what is due by then."""
        found = [(o.due_at, o.due_rank, po) for po, o in self.states.items() if o.due_at <= until]
        return min(found, default=None)


moves = st.tuples(
    st.sampled_from(["PO1", "PO2", "PO3", "é"]), st.integers(0, 12), st.integers(0, 3), st.booleans()
)


@settings(max_examples=300)
@given(st.lists(st.one_of(moves, st.integers(0, 12)), max_size=40))
def test_the_heap_finds_what_a_scan_of_all_states_finds(
    acts: list[tuple[str, int, int, bool] | int],
) -> None:
    """Whatever is kept, moved and forgotten, and by whatever instant one asks."""
    purchase_orders, naive = PurchaseOrders(POLICIES), NaivePurchaseOrders()
    for act in acts:
        if isinstance(act, int):
            while (first := naive.next_due(act)) is not None:
                assert purchase_orders.due_by(act) == first[0]
                assert purchase_orders.pass_over() == first[2]
                purchase_orders.keep(first[2], Decision(None, []))
                del naive.states[first[2]]
            assert purchase_orders.due_by(act) is None
            continue
        po_number, due_at, rank, kept = act
        decision = due(due_at, rank) if kept else Decision(None, [])
        purchase_orders.keep(po_number, decision)
        if decision.order is None:
            naive.states.pop(po_number, None)
        else:
            naive.states[po_number] = decision.order
    assert len(purchase_orders) == len(naive.states)


def test_in_random_programmes_the_heap_decides_what_a_scan_of_all_states_decides() -> None:
    for seed in range(40):
        programme = SmallProgramme(seed)
        purchase_orders, naive = PurchaseOrders(POLICIES), PurchaseOrders(POLICIES)
        rng = random.Random(seed)
        for at, message in programme.arrivals:
            until = at if rng.random() < 0.9 else at - 1
            assert fallen_due(purchase_orders, until) == _scanned(naive, until)
            assert taken(purchase_orders, message, at) == taken(naive, message, at)
        assert fallen_due(purchase_orders, programme.until) == _scanned(naive, programme.until)


def _scanned(purchase_orders: PurchaseOrders, until: int) -> list[tuple[int, str, list[Event]]]:
    """As `fallen_due`, by looking at every state each time."""
    came: list[tuple[int, str, list[Event]]] = []
    while True:
        kept = (*purchase_orders._packed, *purchase_orders._orders)
        orders = {po: unpack(packed) for po in kept if (packed := purchase_orders.packed(po)) is not None}
        found = min(((o.due_at, o.due_rank, po) for po, o in orders.items()), default=(2**62, 0, ""))
        if found[0] > until:
            return came
        one = PurchaseOrders(POLICIES, {found[2]: pack(orders[found[2]])})
        assert one.due_by(found[0]) == found[0]
        po_number, decision = one.fall_due()
        purchase_orders.keep(po_number, decision)
        came.append((found[0], po_number, [event for event, _ in decision.effects]))


def test_it_makes_no_difference_how_many_are_at_hand() -> None:
    for seed in range(40):
        programme = SmallProgramme(seed)
        all_at_hand, one_at_hand = PurchaseOrders(POLICIES), PurchaseOrders(POLICIES, at_hand=1)
        for at, message in programme.arrivals:
            assert fallen_due(all_at_hand, at) == fallen_due(one_at_hand, at)
            assert taken(all_at_hand, message, at) == taken(one_at_hand, message, at)
            assert all_at_hand.packed(message.po_number) == one_at_hand.packed(message.po_number)
            assert len(all_at_hand) == len(one_at_hand)
        assert fallen_due(all_at_hand, programme.until) == fallen_due(one_at_hand, programme.until)


def test_what_has_been_at_hand_the_longest_is_packed() -> None:
    purchase_orders = PurchaseOrders(POLICIES, at_hand=1)
    for number in range(5_000):
        purchase_orders.keep(f"PO{number}", due(100, 1))
    assert len(purchase_orders) == 5_000
    assert len(purchase_orders._orders) <= 1


def test_a_decision_leaves_nothing_due_that_is_already_past() -> None:
    """Else it would be decided at an instant before it, under an event id that was given then."""
    for seed in range(150):
        purchase_orders = PurchaseOrders(POLICIES)
        for at, message in SmallProgramme(seed).arrivals:
            fallen_due(purchase_orders, at)
            taken(purchase_orders, message, at)
            assert purchase_orders.due_by(at) is None


def test_a_message_need_not_wait_until_traces_of_what_was_decided_are_forgotten() -> None:
    """That takes until the log is quiet, and what came of the message would be the same."""
    traces = PurchaseOrders(POLICIES)
    taken(traces, referral(), NINE)
    fallen_due(traces, T5)
    assert traces.due_by(T5 + 10) == T5 + 1
    assert not traces.is_due(b"PO1", T5 + 10)
    forgotten = PurchaseOrders(POLICIES)
    assert traces.decide(referral(), T5 + 10) == forgotten.decide(referral(), T5 + 10)
