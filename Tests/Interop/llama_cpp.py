"""Loads converted language models with llama.cpp and compares its tokens and logits.

    BITLINEAR_BINARY=.build/release/bitlinear python llama_cpp.py GOLDEN [--smollm2 FILE.gguf]

GOLDEN is a folder with models.json, the models that it names and tokenizers/. It needs the packages
llama-cpp-python, which takes long to build, and safetensors. The test command does not run it: it is
a check by hand that another engine runs what this program writes. llama.cpp rounds activations to
half precision or to 8 bits, by the type of the weights, so logits are near, not the same.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    # This file has the name of the package.
    sys.path = [path for path in sys.path if pathlib.Path(path or ".").resolve()
                != pathlib.Path(__file__).parent.resolve()]
    import llama_cpp
    import numpy as np
    from safetensors.numpy import load_file
except ImportError as error:
    sys.exit(f"not run: {error}")

# Model, options, the reference, and the greatest error of a logit by the engine's own rounding.
MODELS = [
    ("llama-b158-256", ["--outtype", "tq2_0", "--lossy"], "reference_a16", 0.2),
    ("llama-b158-256", ["--outtype", "float"], "reference_a16", 0.01),
    ("llama-b158-64-rope3", ["--outtype", "float"], "reference_a16", 0.01),
    ("qwen3-t128-tied", [], "reference", 0.02),
    ("qwen3-t128-untied", [], "reference", 0.02),
    ("qwen3-s128-untied", [], "reference", 0.02),
]


def convert(source, target, *options):
    subprocess.run(
        [os.environ["BITLINEAR_BINARY"], "convert", str(source), "-o", str(target), *options],
        check=True, stdout=subprocess.DEVNULL)


def load(path):
    return llama_cpp.Llama(
        str(path), n_ctx=512, n_batch=512, n_threads=1, logits_all=True, verbose=False)


def logits(model, ids):
    model.reset()
    model.eval(ids)
    return np.array(model.scores[:len(ids)])


def check_tokens(model, cases):
    """The number of texts whose tokens differ."""
    wrong = 0
    for case in cases:
        ids = model.tokenize(case["text"].encode(), add_bos=False, special=True)
        wrong += ids != case["ids"]
    return wrong


def golden(folder, work):
    models = json.loads((folder / "models.json").read_text())["models"]
    failed = False
    for name, options, reference, limit in MODELS:
        path = work / "model.gguf"
        convert(folder / name, path, *options)
        model = load(path)
        expected = load_file(folder / name / f"{reference}.safetensors")
        part = models[name]["a16"]
        worst, rms = 0.0, 0.0
        for index, ids in enumerate(part["sequences"]):
            key = f"logits.{index}"
            if key not in expected or len(expected[key]) != len(ids):
                continue
            error = logits(model, ids) - expected[key]
            worst, rms = max(worst, abs(error).max()), max(rms, (error**2).mean()**0.5)
        print(f"{name} {' '.join(options)}: worst logit error {worst:.2e}, rms {rms:.2e}")
        failed |= not 0 < worst < limit
    return failed


def smollm2(folder, path, work):
    hf, back = work / "hf", work / "back.gguf"
    convert(path, hf)
    convert(hf, back)
    cases = json.loads((folder / "smollm2" / "cases.json").read_text())
    texts = json.loads((folder / "tokenizers" / "smollm2.json").read_text())
    failed = False
    for name, file in [("the original", path), ("converted to a folder and back", back)]:
        model = load(file)
        wrong = check_tokens(model, texts["cases"])
        print(f"SmolLM2, {name}: {wrong} of {len(texts['cases'])} texts have other tokens")
        failed |= wrong > 0
        worst, same = 0.0, 0
        for case in cases["cases"]:
            row = logits(model, case["prompt_ids"])[-1]
            top = case["last_logits_top20"]
            worst = max(worst, abs(row[top["ids"]] - top["logits"]).max())
            same += int(row.argmax()) == case["greedy_ids"][0]
        print(f"SmolLM2, {name}: worst top-20 logit error {worst:.2e}, "
              f"{same} of {len(cases['cases'])} first tokens are the same")
        failed |= file == back and (worst > 0.05 or same < len(cases["cases"]))
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("golden", type=pathlib.Path)
    parser.add_argument("--smollm2", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        failed = golden(arguments.golden, pathlib.Path(work))
        if arguments.smollm2:
            failed |= smollm2(arguments.golden, arguments.smollm2, pathlib.Path(work))
    sys.exit("failed" if failed else 0)


if __name__ == "__main__":
    main()
