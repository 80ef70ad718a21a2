"""Which stretches of time a stream of ticks covers whole: a bar over a hole is no bar of ours."""

MICROS = 1_000_000
# The clocks of exchanges and ours differ; the first second of a connection is not trusted.
JOIN_MARGIN = 1 * MICROS


class TickCoverage:
    """The holes between connections, learnt from the stream's marks. Instants in micros.

    A connection that ended without a word (killed, power cut) was whole up to its last tick, less
    the tolerance within which older ticks may still have been on their way.
    """

    def __init__(self, *, whole_to: int, is_connected: bool, tolerance: int) -> None:
        self._tolerance = tolerance
        self._seen_to = whole_to
        self._hole_from: int | None = None if is_connected else whole_to
        self._holes: list[tuple[int, int]] = []

    def saw(self, newest: int) -> None:
        """Note the time of a tick."""
        self._seen_to = max(self._seen_to, newest)

    def left(self, at: int) -> None:
        """Note that ticks may be missing after `at`, or after the last one seen if `at` is 0."""
        if self._hole_from is None:
            self._hole_from = (at or self._seen_to) - self._tolerance

    def joined(self, at: int) -> None:
        """Note that ticks are complete again from `at` on."""
        self.left(0)
        self._holes.append((self._hole_from or 0, at + JOIN_MARGIN))
        self._hole_from = None

    def is_whole(self, opened_at: int, closed_at: int) -> bool:
        """Tell whether no tick of [opened_at, closed_at) can be missing."""
        if self._hole_from is not None and self._hole_from < closed_at:
            return False
        return all(end <= opened_at or begin >= closed_at for begin, end in self._holes)

    def forget(self, until: int) -> None:
        """Drop what only concerns bars that close by `until`."""
        self._holes = [(begin, end) for begin, end in self._holes if end > until]
