"""Times of repeated calls, taken as `bitlinear bench` takes them."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle

ROUNDS, ROUND_SECONDS = 9, 0.015
# What a cell of slow calls may take before fewer rounds have to do.
CELL_SECONDS = 0.5


@dataclass(frozen=True)
class Timing:
    """Microseconds of a call: the median of the rounds, the fastest and the slowest."""

    median: float
    fastest: float
    slowest: float


def measure(calls: Sequence[Callable[[], object]]) -> Timing:
    """Times calls that take turns: rounds of so many that each takes `ROUND_SECONDS`."""
    following = cycle(calls).__next__

    def seconds(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            following()()
        return time.perf_counter() - begin

    count = 1
    elapsed = seconds(count)  # Finding the number of calls also warms up.
    while elapsed < ROUND_SECONDS:
        factor = min(8, 1.2 * ROUND_SECONDS / max(elapsed, 1e-9))
        count = max(count + 1, int(count * factor))
        elapsed = seconds(count)

    rounds: list[float] = []
    while len(rounds) < ROUNDS and (not rounds or sum(rounds) < CELL_SECONDS):
        rounds.append(seconds(count))
    microseconds = [1e6 * round / count for round in rounds]
    return Timing(statistics.median(microseconds), min(microseconds), max(microseconds))
