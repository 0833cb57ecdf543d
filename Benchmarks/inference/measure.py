"""Runs the programs of a round: `bitlinear bench`, and a worker for each family."""

import argparse
import json
from pathlib import Path

from results import Results, Row
from shared.programs import ProgramFailed, fail, run

WORKER = Path(__file__).with_name("worker.py")


def measure_ours(
    options: argparse.Namespace, shape: str, threads: int, round: int, results: Results
) -> None:
    """Adds the times of our formats, or ends the program: without them there is no comparison."""
    command = [
        str(options.binary), "bench", "--json", "--shapes", shape,
        "--tokens", joined(options.tokens), "--threads", str(threads),
        "--formats", joined(options.formats), "--mode", options.mode,
    ]
    try:
        for sample in objects(command, run(command, threads)):
            row = Row(shape, sample["tokens"], threads)
            results.add(sample["format"], row, round, sample)
    except ProgramFailed as error:
        fail(f"{options.binary.name} bench {error.reason}")
    except (KeyError, TypeError, ValueError) as error:
        fail(f"{options.binary.name} bench printed other JSON objects than expected: {error!r}")


def measure_family(
    options: argparse.Namespace, family: str, shape: str, threads: int, round: int,
    results: Results
) -> None:
    """Adds the times of a family's variants, or why there are none."""
    variants = options.engines[family]
    command = [
        options.python, str(WORKER), family, "--variants", joined(variants), "--shape", shape,
        "--tokens", joined(options.tokens), "--threads", str(threads), "--mode", options.mode,
    ]
    # For the libraries that read it when they are loaded; they are told by calls as well.
    environment = {name: str(threads) for name in
                   ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    try:
        samples = objects(command, run(command, threads, environment))
    except ProgramFailed as error:
        for tokens in options.tokens:
            results.add_missing(family, error.reason, Row(shape, tokens, threads))
        return
    for sample in samples:
        engine = f"{family}-{sample['variant']}" if "variant" in sample else family
        rows = [Row(shape, tokens, threads) for tokens in
                ([sample["tokens"]] if "tokens" in sample else options.tokens)]
        if "version" in sample:
            results.versions[family] = sample["version"]
        elif "missing" in sample:
            for row in rows:
                results.add_missing(engine, sample["missing"], row)
        else:
            results.add(engine, rows[0], round, sample)


def objects(command: list[str], lines: list[str]) -> list[dict[str, object]]:
    """The JSON objects that a program printed, one a line."""
    try:
        return [dict(json.loads(line)) for line in lines]
    except (TypeError, ValueError):
        raise ProgramFailed(command, "printed what are not JSON objects") from None


def joined(values: list[object]) -> str:
    return ",".join(str(value) for value in values)
