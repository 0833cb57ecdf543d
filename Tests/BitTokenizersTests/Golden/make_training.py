"""Writes training.json: vocabularies that the package tokenizers learns from small texts, with the ids
that it makes of others."""

import json
import random
import subprocess
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|endoftext|>"


def learn(texts: list[str], size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, special_tokens=[END], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def odd(seed: int) -> list[str]:
    """Random texts of few and of all kinds of characters."""
    rng = random.Random(seed)
    kinds = ["ab", "aab \n", "'sdtrevlm ", "0123456789 ,.-", "\u00e9\u00fc\u0301 \u017f\u00b2\u0661",
             "\u65e5\u672c\u8a9e\u3000", "\U0001f642\u200d\U0001f525\ufe0f ", " \t\r\n\u0085\u00a0\u2028"]
    return ["".join(rng.choice(rng.choice(kinds)) for _ in range(rng.randint(1, 50)))
            for _ in range(60)]


def main() -> None:
    # The program that Debian's package bible-kjv has.
    bible = subprocess.run(["bible", "-f", "mark1:1-mark1:45"], check=True, capture_output=True,
                           encoding="utf-8").stdout
    runs = "aaaa aaa aa aaaaaa aaaaa a aaaaaaaaaaa b ba baaa aaab -- ---- --- ------\n\n\n\n  \n\n"
    cases = odd(2) + ["", " ", f"one{END}two {END}{END}", "IT'S it's 1234", "a" * 100, " " * 40]
    vocabularies = []
    for texts, size in (([bible, runs], 500), (odd(1), 290), ([runs], 262)):
        tokenizer = learn(texts, size)
        model = json.loads(tokenizer.to_str())["model"]
        assert len(model["vocab"]) == size, (len(model["vocab"]), size)
        vocabularies.append({
            "texts": texts, "size": size,
            "tokens": sorted(model["vocab"], key=model["vocab"].get), "merges": model["merges"],
            "most": learn(texts, 1 << 20).get_vocab_size(),
            "ids": [tokenizer.encode(text).ids for text in cases]})
    content = {"cases": cases, "vocabularies": vocabularies}
    (Path(__file__).resolve().parent / "training.json").write_text(
        json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
