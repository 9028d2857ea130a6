"""What is ready-made in a sandbox, by name."""

from typing import Final

from gateway.sandbox.refusals import refusals
from gateway.sandbox.scenes import groups

PURCHASE_ORDERS: Final = [
    *(scene.po_number for scene in groups()),
    *(refusal.scene.po_number for refusal in refusals() if refusal.scene.arrivals),
]
