import CBitKernels

/// One instruction set's kernels.
package struct KernelSet: @unchecked Sendable {
  // A constant table with static lifetime, hence @unchecked Sendable.
  let table: UnsafePointer<bk_kernels>

  /// The set that this process uses.
  package static var active: KernelSet { KernelSet(table: bk_active_kernels()) }

  /// The set of a name; nil if this CPU cannot run it.
  package init?(named name: String) {
    guard let table = bk_kernels_named(name) else { return nil }
    self.table = table
  }

  private init(table: UnsafePointer<bk_kernels>) { self.table = table }

  /// How packed codes lie in memory for these kernels; the same for all of them where codes are not
  /// packed.
  func layout(_ format: PackedFormat?) -> bk_layout {
    let layouts = table.pointee.layout
    return switch format {
    case .ternary2: layouts.0
    case .ternary1_6: layouts.1
    case .sign1: layouts.2
    case nil: BK_LOOKUP
    }
  }
}
