"""One measured figure, and how figures are shown."""

import attrs


@attrs.frozen(slots=True)
class Figure:
    """
    @ivar name: what it is, with its unit.
    @ivar least: bound that it should reach, or None; likewise C{most}, which it should not exceed.
    """

    name: str
    value: float
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether it is within its bound; None if it has none."""
        if self.least is None and self.most is None:
            return None
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def bound(self) -> str:
        if self.least is not None:
            return f">= {self.least:,g}"
        return f"<= {self.most:,g}" if self.most is not None else ""


def table(figures: list[Figure]) -> str:
    """Name, value and bound, a line each; what misses its bound is marked."""
    width = max(len(one.name) for one in figures)
    lines = []
    for one in figures:
        digits = 2 if abs(one.value) < 10 else 1 if abs(one.value) < 1000 else 0
        missed = "  missed" if one.met is False else ""
        lines.append(f"{one.name:<{width}}  {one.value:>12,.{digits}f}  {one.bound:>10}{missed}".rstrip())
    return "\n".join(lines)
