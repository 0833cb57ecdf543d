/// A string that is compared by its bytes, as JSON and file formats do.
///
/// `String` itself takes "\u{e9}" and "e\u{301}" for the same and sorts by normalized text.
package struct ByteKey: Hashable, Comparable {
  package let string: String

  package init(_ string: String) { self.string = string }

  package static func == (a: ByteKey, b: ByteKey) -> Bool {
    // Native strings have contiguous bytes; only bridged ones take the second way.
    let equal: Bool?? = a.string.utf8.withContiguousStorageIfAvailable { a in
      b.string.utf8.withContiguousStorageIfAvailable { b in
        a.count == b.count && a.elementsEqual(b)
      }
    }
    return (equal ?? nil) ?? a.string.utf8.elementsEqual(b.string.utf8)
  }

  package static func < (a: ByteKey, b: ByteKey) -> Bool {
    a.string.utf8.lexicographicallyPrecedes(b.string.utf8)
  }

  package func hash(into hasher: inout Hasher) {
    var string = string
    string.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}
