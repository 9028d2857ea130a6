"""When a run with `until` comes to its end: all its partitions have nothing left to decide, at one time."""


class Rest:
    """Whether the partitions that a process works on are at rest together.

    A record that is on the wrong partition is put where it belongs, which may be on one that has decided all
    it held. If what is due by `until` had fallen due there meanwhile, the record would come too late. So a
    partition is at rest only as of a count of moves, and all are together only as of the same one.

    alone: there is no other partition to wait for.
    """

    def __init__(self, *, alone: bool = False) -> None:
        #: Those that must be at rest.
        self.partitions: frozenset[int] = frozenset()
        #: Goes up with whatever may have put something on another partition.
        self.moves = 0
        #: They have been at rest together; from then on, what is due by `until` falls due.
        self.together = alone
        self._since: dict[int, int] = {}

    def moved(self) -> None:
        """Something may have come to any partition."""
        self.moves += 1

    def works(self, partition: int) -> None:
        """A partition has something to decide."""
        self._since.pop(partition, None)

    def rests(self, partition: int, moves: int) -> None:
        """A partition has nothing left to decide of what was read after so many moves."""
        self._since[partition] = moves
        if all(self._since.get(each) == self.moves for each in self.partitions):
            self.together = True
