"""Speed of BitTokenizers beside the Python package tokenizers (which is written in Rust).

    compare.py FOLDER... --text FILE [--rounds N] [--program PATH]

Each FOLDER holds a tokenizer.json; FILE is a text in UTF-8. Both sides load the file, encode the
text in one call on one thread and decode the ids; their ids must be the same. Prints the least
times of all rounds as a Markdown table. Build the other side first:

    swift build -c release --package-path Benchmarks/tokenizers

`--make-text FILE` writes a text of 8 MB from the Bible of Debian's package bible-kjv.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "shared"))
import machine  # noqa: E402
import programs  # noqa: E402

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"


def make_text(file: Path) -> None:
    """The whole Bible twice, one verse a line."""
    text = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], capture_output=True, check=True)
    file.write_bytes(text.stdout * 2)


def theirs(folder: Path, text: str, rounds: int) -> list[str]:
    """What `measure` prints, for the package tokenizers."""
    from tokenizers import Tokenizer

    def least(body) -> float:
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            body()
            times.append(time.perf_counter() - start)
        return min(times)

    file = str(folder / "tokenizer.json")
    tokenizer = Tokenizer.from_file(file)
    loading = least(lambda: Tokenizer.from_file(file))
    encoding = least(lambda: tokenizer.encode(text, add_special_tokens=False))
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    decoding = least(lambda: tokenizer.decode(ids, skip_special_tokens=False))
    total = 0
    for number in ids:
        total = (total * 31 + number) % 2**32
    same = str(tokenizer.decode(ids, skip_special_tokens=False) == text).lower()
    return [str(loading), str(encoding), str(decoding), f"{len(ids)} {total} {same}"]


def compare(folder: Path, file: Path, options: argparse.Namespace) -> None:
    text = file.read_bytes().decode()
    size = file.stat().st_size / 1e6
    sides = {
        "BitTokenizers": programs.run(
            [str(options.program), str(folder), str(file), str(options.rounds)], 1),
        "tokenizers": theirs(folder, text, options.rounds)}
    ours, other = (lines[3] for lines in sides.values())
    if ours != other:
        programs.fail(f"{folder.name}: the ids differ: {ours} and {other}")
    for name, lines in sides.items():
        loading, encoding, decoding = (float(line) for line in lines[:3])
        print(f"| {folder.name} | {name} | {loading * 1e3:.0f} | {size / encoding:.1f}"
              f" | {size / decoding:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--text", type=Path)
    parser.add_argument("--make-text", type=Path)
    parser.add_argument("--rounds", type=programs.positive, default=5)
    parser.add_argument("--program", type=Path, default=Path(
        __file__).resolve().parent / ".build/release/measure")
    options = parser.parse_args()
    if options.make_text:
        make_text(options.make_text)
        return
    if not options.folders or not options.text:
        parser.error("expected folders and --text")
    options.program = programs.our_binary(options.program)
    print(f"{machine.cpu_model()}; one thread; least of {options.rounds} rounds\n")
    print("| vocabulary | side | loading, ms | encoding, MB/s | decoding, MB/s |")
    print("|---|---|---:|---:|---:|")
    for folder in options.folders:
        compare(folder, options.text, options)


if __name__ == "__main__":
    main()
