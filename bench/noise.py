"""What else the machine did while it was measured: the same small work again and again, and how much its time has varied."""

import os
import statistics
import time

LOOP = 200_000


class Noise:
    """Asked at times in a run; what it says at the end is how far figures of single runs can be trusted."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.late: list[float] = []

    def look(self) -> None:
        """Do the work once, some 10 ms."""
        began, start = time.monotonic(), time.process_time()
        total = 0
        for number in range(LOOP):
            total += number & 7
        spent = time.process_time() - start
        self.times.append(spent)
        self.late.append((time.monotonic() - began) / max(spent, 1e-9))

    def said(self) -> str:
        """In one line."""
        median = statistics.median(self.times)
        spread = (max(self.times) - min(self.times)) / median
        load = os.getloadavg()[0]
        return (
            f"noise: the same loop took {1000 * min(self.times):.1f} to {1000 * max(self.times):.1f} ms of processor time "
            f"(spread {100 * spread:.0f} % of the median, {len(self.times)} looks), and {statistics.median(self.late):.2f} times "
            f"as long by the clock; load {load:.1f} on {os.cpu_count()} cores"
        )
