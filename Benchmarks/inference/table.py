"""The results as Markdown."""

from collections.abc import Callable

from results import Results, Row


def markdown(results: Results) -> str:
    """Ours beside the fastest other, then every other, then notes."""
    def measured(headings: dict[str, str]) -> dict[str, str]:
        return {engine: heading for engine, heading in headings.items()
                if any(engine == name for name, _ in results.times)}

    ours, others = measured(results.ours), measured(results.others)
    parts = [summary(results, ours, others)]
    if others:
        parts.append(table(results, [*others.values()], lambda row: [
            microseconds(results.median(engine, row)) for engine in others]))
    return "\n\n".join(parts + notes(results))


def summary(results: Results, ours: dict[str, str], others: dict[str, str]) -> str:
    """Our times, that of the fastest other, and how many times as long it takes."""
    columns = [*ours.values(), "best other", "its time",
               *(f"best other / {heading}" for heading in ours.values())]

    def cells(row: Row) -> list[str]:
        best = results.best_other(row)
        own = [microseconds(results.median(engine, row)) for engine in ours]
        if best is None:
            return own + ["-"] * (2 + len(ours))
        return [*own, others[best], microseconds(results.median(best, row)),
                *(times(results.ratio(best, engine, row)) for engine in ours)]

    return table(results, columns, cells)


def table(results: Results, columns: list[str], cells: Callable[[Row], list[str]]) -> str:
    """A line for each row of the results, with what `cells` gives for it under the columns."""
    columns = ["out x in", "tokens", "threads", *columns]
    lines = [[row.shape, str(row.tokens), str(row.threads), *cells(row)] for row in results.rows]
    return "\n".join([f"| {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1),
                      *(f"| {' | '.join(line)} |" for line in lines)])


def microseconds(time: float | None) -> str:
    if time is None:
        return "-"
    return f"{time:,.0f}" if time >= 100 else f"{time:.1f}"


def times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def notes(results: Results) -> list[str]:
    """The versions of the engines, and those that are missing with the reason."""
    paragraphs = []
    if results.versions:
        paragraphs.append("Others: " + "; ".join(results.versions.values()) + ".")
    if results.missing:
        lines = [f"- {results.others.get(engine, engine)}{where(rows, results.rows)}: {reason}"
                 for (engine, reason), rows in results.missing.items()]
        paragraphs.append("Missing:\n\n" + "\n".join(lines))
    return paragraphs


def where(rows: list[Row], all_rows: list[Row]) -> str:
    """Which rows a reason is for; nothing if it is for all."""
    if set(rows) >= set(all_rows):
        return ""
    tokens: dict[tuple[str, int], list[str]] = {}
    for row in rows:
        tokens.setdefault((row.shape, row.threads), []).append(str(row.tokens))
    places = [f"{shape} with {', '.join(counts)} tokens on {threads} thread{'s'[:threads - 1]}"
              for (shape, threads), counts in tokens.items()]
    return f" ({'; '.join(places)})"
