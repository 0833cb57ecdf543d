"""The times of a comparison, and what became of those that are missing."""

import statistics
from dataclasses import dataclass, field
from typing import NamedTuple


class Row(NamedTuple):
    """What is multiplied, and by how many threads."""

    shape: str
    tokens: int
    threads: int


@dataclass
class Results:
    """Samples by engine and row, in the order in which they were measured."""

    # What was measured, where and how; goes into the JSON file.
    title: dict[str, object]
    # Our engines, and the others; their headings by their names.
    ours: dict[str, str]
    others: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    # Times in microseconds by round, of an engine and a row.
    times: dict[tuple[str, Row], dict[int, float]] = field(default_factory=dict)
    # Rows that are missing, by engine (or family, where it is the whole of it) and reason.
    missing: dict[tuple[str, str], list[Row]] = field(default_factory=dict)
    # The workers' own words, for the JSON file.
    samples: list[dict[str, object]] = field(default_factory=list)

    def add(self, engine: str, row: Row, round: int, sample: dict[str, object]) -> None:
        self.times.setdefault((engine, row), {})[round] = float(sample["microseconds"])
        self.samples.append(
            {"engine": engine, "shape": row.shape, "tokens": row.tokens, "threads": row.threads,
             "round": round} | {key: value for key, value in sample.items()
                                if key.endswith("microseconds") or key.startswith("layer")})

    def add_missing(self, engine: str, reason: str, row: Row) -> None:
        rows = self.missing.setdefault((engine, reason), [])
        if row not in rows:
            rows.append(row)

    def median(self, engine: str, row: Row) -> float | None:
        """Microseconds, or None if it was not measured."""
        times = self.times.get((engine, row))
        return statistics.median(times.values()) if times else None

    def best_other(self, row: Row) -> str | None:
        """The fastest engine that is not ours."""
        medians = {engine: self.median(engine, row) for engine in self.others}
        measured = {engine: time for engine, time in medians.items() if time is not None}
        return min(measured, key=measured.get, default=None)

    def ratio(self, other: str, ours: str, row: Row) -> float | None:
        """How many times as long the other takes: the median of the ratios of each round."""
        theirs, own = (self.times.get((engine, row), {}) for engine in (other, ours))
        rounds = theirs.keys() & own.keys()
        return statistics.median(theirs[r] / own[r] for r in rounds) if rounds else None

    @property
    def rows(self) -> list[Row]:
        """What was measured, in order of shapes, tokens and threads as they came."""
        return list(dict.fromkeys(row for _, row in self.times))

    def json(self) -> dict[str, object]:
        """Everything, for a file."""
        return self.title | {
            "versions": self.versions,
            "missing": [
                {"engine": engine, "reason": reason, "rows": [row._asdict() for row in rows]}
                for (engine, reason), rows in self.missing.items()],
            "medians": [
                row._asdict() | {"engine": engine, "microseconds": self.median(engine, row),
                                 "rounds": len(times)}
                for (engine, row), times in self.times.items()],
            "ratios": [
                row._asdict()
                | {"other": other, "ours": ours, "ratio": self.ratio(other, ours, row)}
                for row in self.rows if (other := self.best_other(row)) for ours in self.ours],
            "samples": self.samples,
        }
