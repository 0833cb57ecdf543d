import CBitKernels

/// Some of a machine's processors, as a bit for each.
package struct ProcessorSet: Equatable, Sendable {
  /// The size of ``bits``.
  package static let byteCount = Int(BK_PROCESSOR_SET_BYTES)

  /// Processor i is bit i % 8 of byte i / 8.
  package private(set) var bits: [UInt8]

  /// A set of the given bits, of which there must be ``byteCount`` bytes.
  package init(bits: [UInt8]) {
    precondition(
      bits.count == Self.byteCount,
      "\(bits.count) bytes for a set of processors, which has \(Self.byteCount)")
    self.bits = bits
  }

  /// The processors that this process may use.
  package static var own: ProcessorSet {
    var set = ProcessorSet(bits: [UInt8](repeating: 0, count: byteCount))
    bk_processor_set(&set.bits)
    return set
  }

  /// The number of processors, but no more than the container may use; at least 1.
  package var count: Int { Int(bk_processors_of(bits)) }

  /// Adds the processors of another set.
  package mutating func formUnion(_ other: ProcessorSet) {
    for i in bits.indices { bits[i] |= other.bits[i] }
  }
}
