"""Measure one family's products in a process of its own and print a JSON object a line.

`compare.py` runs this. A line has the engine's version, a cell's time, or what is missing and why.
"""

import argparse
import json
from importlib import import_module

from engines import FAMILIES
from engines.layer import Engine, Unavailable, activations, check, ternary_weights
from engines.timing import measure

# Who needs longer for a call is out of the contest and would hold up the others. That is foreseen
# from fewer tokens, but not from so few that reading the weights takes most of the time.
CALL_SECONDS = 1.0
MANY_TOKENS = 16


def say(**members: object) -> None:
    print(json.dumps(members), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--variants", required=True)
    parser.add_argument("--shape", required=True)
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--mode", choices=("stream", "hot"), required=True)
    options = parser.parse_args()
    try:
        engine = import_module(FAMILIES[options.family].module).Engine(options.threads)
        say(version=engine.version())
    except (ImportError, OSError, Unavailable) as error:
        say(missing=str(error))
        return
    for variant in options.variants.split(","):
        try:
            measure_variant(engine, variant, options)
        except Unavailable as error:
            say(variant=variant, missing=str(error))


def measure_variant(engine: Engine, variant: str, options: argparse.Namespace) -> None:
    """Measures the products of one variant for all numbers of tokens."""
    out, columns = (int(extent) for extent in options.shape.split("x"))
    weights = ternary_weights(out, columns)
    seconds_of_a_token = 0.0
    with engine.layers(variant, weights, options.mode == "stream") as layers:
        for tokens in sorted(int(count) for count in options.tokens.split(",")):
            if seconds_of_a_token * tokens > CALL_SECONDS:
                say(variant=variant, tokens=tokens,
                    missing=f"a call would take more than {CALL_SECONDS:.0f} s")
                continue
            x = activations(tokens, columns)
            try:
                products = layers.products(x)
                # The last one too, for its weights came by another way than the first's.
                for product in {products[0], products[-1]}:
                    check(product.result(), x, layers)
            except Unavailable as error:
                say(variant=variant, tokens=tokens, missing=str(error))
                continue
            timing = measure([product.call for product in products])
            if tokens >= MANY_TOKENS:
                seconds_of_a_token = timing.median * 1e-6 / tokens
            say(variant=variant, tokens=tokens, microseconds=timing.median,
                fastest_microseconds=timing.fastest, slowest_microseconds=timing.slowest,
                layer_bytes=layers.layer_bytes, layers=len(products))


if __name__ == "__main__":
    main()
