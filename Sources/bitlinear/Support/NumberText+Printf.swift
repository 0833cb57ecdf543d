import BitTraining

extension NumberText {
  /// A number as C's `printf` writes it with `format`, such as `%.3g`.
  static func printf(_ format: String, _ value: Double) -> String {
    // Longer than any number that is not written out with all of its zeros (%f).
    withVaList([value]) { arguments in
      String(unsafeUninitializedCapacity: 64) { buffer in
        buffer.withMemoryRebound(to: CChar.self) { characters in
          Int(vsnprintf(characters.baseAddress, characters.count, format, arguments))
        }
      }
    }
  }
}
