"""Writes CanonicalDecompositions.swift of BitTokenizers from Python's Unicode tables:
`python3 scripts/make-decompositions.py`, from the root of the repository. The package unicodedata2
has later versions of the tables than Python itself."""

from pathlib import Path

try:
    import unicodedata2 as unicodedata
except ImportError:
    import unicodedata

FILE = (Path(__file__).resolve().parent.parent
        / "Sources/BitTokenizers/Encoding/CanonicalDecompositions.swift")
HEAD = '''/// The canonical decompositions of Unicode {version}, written by scripts/make-decompositions.py.
///
/// Each is a character, the first part and the second part, as differences to the one before: one
/// or more characters of five bits, the lowest first, from "0" on; all but the last of a number have
/// 32 added. The sign of a difference is its lowest bit, and the second part has 1 added; 0 says
/// that there is none.
enum CanonicalDecompositions {{
  /// Calls `body` with each character and its parts; the second is 0 if there is only one.
  static func forEach(_ body: (_ whole: UInt32, _ first: UInt32, _ second: UInt32) -> Void) {{
    var place = 0
    func number() -> Int {{
      var (value, shift) = (0, 0)
      while true {{
        let digit = Int(text.utf8Start[place]) - 0x30
        place += 1
        value |= (digit & 31) << shift
        if digit < 32 {{ return value }}
        shift += 5
      }}
    }}
    func difference(_ number: Int) -> Int {{ number & 1 == 0 ? number >> 1 : -(number >> 1) }}
    var (whole, first, second) = (0, 0, 0)
    while place < text.utf8CodeUnitCount {{
      whole += number()
      first += difference(number())
      let code = number()
      if code > 0 {{ second += difference(code - 1) }}
      body(UInt32(whole), UInt32(first), code > 0 ? UInt32(second) : 0)
    }}
  }}

  private static let text: StaticString = #"""
'''


def number(value: int) -> str:
    digits = ""
    while True:
        value, digit = value >> 5, value & 31
        digits += chr(0x30 + digit + (32 if value else 0))
        if not value:
            return digits


def signed(value: int) -> int:
    return value * 2 if value >= 0 else -value * 2 + 1


def main() -> None:
    text, last = "", [0, 0, 0]
    for whole in range(0x110000):
        parts = unicodedata.decomposition(chr(whole)).split()
        # Korean syllables follow a rule.
        if not parts or parts[0].startswith("<") or 0xac00 <= whole < 0xd7a4:
            continue
        first, second = (int(part, 16) for part in (parts + ["0"])[:2])
        text += number(whole - last[0]) + number(signed(first - last[1]))
        text += number(signed(second - last[2]) + 1 if second else 0)
        last = [whole, first, second or last[2]]
    lines = [text[start:start + 94] for start in range(0, len(text), 94)]
    FILE.write_text(
        HEAD.format(version=unicodedata.unidata_version)
        + "".join(f"    {line}\\\n" for line in lines).replace("\\\n", "\\#\n")
        .removesuffix("\\#\n") + '\n    """#\n}\n')


if __name__ == "__main__":
    main()
