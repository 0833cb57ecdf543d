"""Writes the novels of R's package janeaustenr and the King James Version as text files.

    texts.py Rdata.rdb FOLDER

Rdata.rdb is what R makes of the data of a package: for each object four bytes of its length,
highest first, and its serialization ("X", that is XDR: all numbers with the highest byte first),
compressed by zlib. Each novel is a vector of strings, one for each line of the book. The Bible comes
from the program `bible` of Debian's package bible-kjv.
"""

import hashlib
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

# The first line of each novel as the package has it, with the file that it goes to.
NOVELS = {
    "EMMA": "emma.txt",
    "MANSFIELD PARK": "mansfield-park.txt",
    "NORTHANGER ABBEY": "northanger-abbey.txt",
    "PERSUASION": "persuasion.txt",
    "PRIDE AND PREJUDICE": "pride-and-prejudice.txt",
    "SENSE AND SENSIBILITY": "sense-and-sensibility.txt",
}
BIBLE = "bible.txt"
VERSES = 31102

SHA256 = {
    "emma.txt": "7c67b5985c6d0de1efaeb5d342d52cb82c38083c40e2295129e30e87ee690ebe",
    "mansfield-park.txt": "98bc90519cdf4ef663ad7de2734bb529435ef24f7abbde6bb1a50898871dafe9",
    "northanger-abbey.txt": "51f91bbe0517db8e65cff009b097ce0a1836124c4e0532ac19e6c0cad982abed",
    "persuasion.txt": "8061549557aebd2fd6e353d18d9197cb707029112bd52d4d8b174583a925848a",
    "pride-and-prejudice.txt": "dfc684d4f857fa938268f9ab9c5567b64bd0691251eca959644adeabe6287a4d",
    "sense-and-sensibility.txt": "105e1651fe93bed7130078578efd31e0c557d68667ba672ddc876f735b30fe09",
    "bible.txt": "82a24e4e23c644fe579ed387b20e54eb529cc0a87a25e0810064edb2216780c2",
}

STRING_VECTOR = 16  # R's STRSXP
STRING = 9  # and CHARSXP


def objects(data: bytes):
    """The serialized objects of an .rdb file."""
    place = 0
    while place < len(data):
        (size,) = struct.unpack_from(">I", data, place)
        inflater = zlib.decompressobj()
        content = inflater.decompress(data[place + 4:]) + inflater.flush()
        if len(content) != size:
            sys.exit(f"the object at byte {place} has {len(content)} bytes, expected {size}")
        yield content
        place = len(data) - len(inflater.unused_data)


def strings(content: bytes) -> list[str]:
    """The strings of a serialized vector."""
    if content[:2] != b"X\n":
        sys.exit(f"a serialization that begins with {content[:2]!r}, expected XDR")
    version, _, _, size = struct.unpack_from(">4i", content, 2)
    if version != 3:
        sys.exit(f"a serialization of version {version}, expected 3")
    # The name of the encoding of strings that do not say theirs.
    place = 18 + size
    kind, count = struct.unpack_from(">2i", content, place)
    if kind & 0xff != STRING_VECTOR:
        sys.exit(f"an object of type {kind & 0xff}, expected {STRING_VECTOR}, strings")
    place += 8
    lines = []
    for _ in range(count):
        kind, size = struct.unpack_from(">2i", content, place)
        if kind & 0xff != STRING or size < 0:
            sys.exit(f"an element of type {kind & 0xff} and {size} bytes, expected a string")
        lines.append(content[place + 8:place + 8 + size].decode("utf-8"))
        place += 8 + size
    return lines


def bible() -> str:
    """The Bible, a verse to a line without its number, with an empty line between chapters."""
    # The program would break lines at the width of a terminal.
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    output = subprocess.run(
        ["bible", "-f", "gen1:1-rev22:21"], check=True, capture_output=True, encoding="utf-8",
        env=environment).stdout
    lines, last = [], None
    for line in output.splitlines():
        match = re.fullmatch(r"(\w+:)\d+ (.+)", line)
        if not match:
            sys.exit(f"bible printed {line!r}, expected a verse with its number")
        if last not in (None, match[1]):
            lines.append("")
        last = match[1]
        lines.append(match[2])
    verses = sum(bool(line) for line in lines)
    if verses != VERSES:
        sys.exit(f"bible printed {verses} verses, expected {VERSES}")
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Writes a text that is the one expected, and says what it is."""
    content = text.encode()
    found = hashlib.sha256(content).hexdigest()
    expected = SHA256[path.name]
    if found != expected:
        sys.exit(f"{path.name} would have the SHA-256 {found}, expected {expected}")
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
    print(f"{found}  {len(content):9,}  {path}")


def main() -> None:
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    found = set()
    for content in objects(source.read_bytes()):
        lines = strings(content)
        name = NOVELS.get(lines[0].strip().upper())
        if name is None:
            sys.exit(f"{source} has a text that begins with {lines[0]!r}, expected a novel")
        write(folder / name, "\n".join(line.rstrip() for line in lines).strip() + "\n")
        found.add(name)
    if found != set(NOVELS.values()):
        sys.exit(f"{source} lacks {', '.join(sorted(set(NOVELS.values()) - found))}")
    write(folder / BIBLE, bible())


if __name__ == "__main__":
    main()
