"""Time one linear layer's product by this project and by other libraries, side by side.

    swift build -c release
    pip install -r Benchmarks/inference/requirements.txt
    python Benchmarks/inference/compare.py

Every round runs one program after another for every shape and number of threads: ours, then one
process for each library. Prints Markdown tables. See Benchmarks/README.md.
"""

import argparse
import json
import os
import platform
import re
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from engines import FAMILIES
from measure import measure_family, measure_ours
from results import Results
from shared.machine import cpu_model, first_line, our_version
from shared.programs import fail, our_binary, positive, positives
from table import markdown


def shapes(text: str) -> list[str]:
    """Layers as OUTxIN between commas."""
    parts = list(dict.fromkeys(text.split(",")))
    if wrong := [part for part in parts if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", part)]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is no layer as 2560x6912")
    return parts


def engines(text: str) -> dict[str, list[str]]:
    """The chosen variants of each family, from names of families and of engines."""
    chosen: dict[str, list[str]] = {}
    for name in text.split(","):
        family, dash, variant = name.partition("-")
        known = FAMILIES[family].variants if family in FAMILIES else {}
        if not known or dash and variant not in known:
            names = [f"{family}-{variant}" for family in FAMILIES
                     for variant in FAMILIES[family].variants]
            raise argparse.ArgumentTypeError(
                f"no engine {name!r}; there are {', '.join(FAMILIES)}, and of these"
                f" {', '.join(names)}")
        variants = chosen.setdefault(family, [])
        variants += [new for new in ([variant] if dash else known) if new not in variants]
    return chosen


def formats(text: str) -> list[str]:
    """Our formats; `bitlinear bench` knows which there are."""
    parts = list(dict.fromkeys(text.split(",")))
    if not all(parts):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name")
    return parts


def output_file(text: str) -> Path:
    """A file that can be written when the measurements are done."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text}: cannot write a file there")
    return path


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", type=shapes, metavar="OxI,...",
                        default=shapes("2560x2560,6912x2560,2560x6912"),
                        help="layers as OUTxIN (default: 2560x2560,6912x2560,2560x6912)")
    parser.add_argument("--tokens", type=positives, default=[1, 32, 128, 512], metavar="N,...",
                        help="rows of activations (default: 1,32,128,512)")
    parser.add_argument("--threads", type=positives, default=[1, 2], metavar="N,...",
                        help="numbers of threads (default: 1,2)")
    parser.add_argument("--mode", choices=("stream", "hot"), default="stream",
                        help="whether weights come from memory or from the caches"
                             " (default: %(default)s)")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N",
                        help="(default: %(default)s)")
    parser.add_argument("--formats", type=formats, default=["ternary2", "sign1"],
                        metavar="NAME,...",
                        help="ours, as of bitlinear bench (default: ternary2,sign1)")
    parser.add_argument("--engines", type=engines, default=engines(",".join(FAMILIES)),
                        metavar="NAME,...",
                        help="the others: libraries, or single engines as ggml-tq2_0"
                             f" (default: {','.join(FAMILIES)})")
    parser.add_argument("--binary", type=Path, default=Path(".build/release/bitlinear"),
                        help="our command line (default: %(default)s)")
    parser.add_argument("--python", default=sys.executable,
                        help="a Python with the libraries (default: the one that runs this)")
    parser.add_argument("--json", type=output_file, metavar="FILE",
                        help="also write every sample to a file")
    return parser.parse_args()


def title(options: argparse.Namespace) -> dict[str, object]:
    """What is measured, where and how."""
    return {
        "machine": cpu_model(), "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "bitlinear": our_version(options.binary), "mode": options.mode, "rounds": options.rounds,
    }


def heading(about: dict[str, object]) -> str:
    """The title as a sentence."""
    rounds = f"{about['rounds']} round{'s' if about['rounds'] > 1 else ''}"
    return (f"Microseconds, {about['mode']}, median of {rounds}. {about['machine']},"
            f" {about['cores']} cores; {about['system']}; {about['bitlinear']}.")


def main() -> None:
    options = parse_arguments()
    options.binary = our_binary(options.binary)
    if first_line([options.python, "--version"]) is None:
        fail(f"{options.python}: no such Python; name one with --python")
    about = title(options)
    results = Results(
        title=about, ours={name: f"ours {name}" for name in options.formats},
        others={f"{family}-{variant}": FAMILIES[family].variants[variant]
                for family, variants in options.engines.items() for variant in variants})
    for round in range(options.rounds):
        for shape in options.shapes:
            for threads in options.threads:
                place = f"round {round + 1} of {options.rounds}, {shape}, threads: {threads}"
                print(f"{place}, ours", file=sys.stderr)
                measure_ours(options, shape, threads, round, results)
                for family in options.engines:
                    print(f"{place}, {family}", file=sys.stderr)
                    measure_family(options, family, shape, threads, round, results)
    print(heading(about), markdown(results), sep="\n\n")
    if options.json:
        try:
            options.json.write_text(json.dumps(results.json(), indent=1) + "\n")
        except OSError as error:
            fail(f"{options.json}: {error.strerror}")


if __name__ == "__main__":
    main()
