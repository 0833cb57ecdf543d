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
}
