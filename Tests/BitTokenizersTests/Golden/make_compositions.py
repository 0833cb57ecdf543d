"""Writes compositions.json: texts with their normalization form C by Python's unicodedata."""

import json
import random
import unicodedata
from pathlib import Path


def main() -> None:
    random.seed(5)
    everything = [chr(value) for value in range(0x30000)
                  if not 0xd800 <= value < 0xe000 and unicodedata.category(chr(value)) != "Cn"]
    marks = [text for text in everything if unicodedata.combining(text)]
    changing = [text for text in everything if unicodedata.normalize("NFD", text) != text
                and not 0xac00 <= ord(text) < 0xd7a4]
    korean = [chr(value) for value in range(0xac00, 0xd7a4, 97)]
    jamo = [chr(value) for value in (*range(0x1100, 0x1114), *range(0x1160, 0x1178),
                                     *range(0x11a6, 0x11c4))]
    texts = changing + [unicodedata.normalize("NFD", text) for text in changing + korean]
    texts += [chr(0xac00) + chr(0x11a8), chr(0x10041) + chr(0x301), chr(0xac01) + chr(0x11a8)]
    kinds = [changing, marks, marks, korean, jamo, list("aeiouzAE q\u00c5"), everything]
    for _ in range(1500):
        texts.append("".join(random.choice(random.choice(kinds)) for _ in range(6)))
    pairs = [[text, unicodedata.normalize("NFC", text)] for text in dict.fromkeys(texts)]
    content = {"unicode": unicodedata.unidata_version, "pairs": pairs}
    (Path(__file__).resolve().parent / "compositions.json").write_text(
        json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
