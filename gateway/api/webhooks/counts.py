"""What is counted of webhooks."""


class Counts:
    """What metrics show. webhooks: how many there are by how they stand; deliveries: by what came of them."""

    def __init__(self) -> None:
        self.webhooks = {"active": 0, "failing": 0, "paused": 0}
        self.deliveries = {"taken": 0, "failed": 0}
