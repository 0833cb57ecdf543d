import BitCore

extension ProcessGroup {
  /// Waits until all processes have come here.
  public func barrier() throws(InputError) {
    let (rank, count) = (rank, count)
    // After the round of step s a process knows of 2s processes, itself included.
    var step = 1
    while step < count {
      try exchange(
        UnsafeRawBufferPointer(start: nil, count: 0), to: (rank + step) % count,
        UnsafeMutableRawBufferPointer(start: nil, count: 0), from: (rank - step + count) % count)
      step *= 2
    }
  }

  /// The bytes that the process `root` has; those of the others are not looked at.
  public func broadcast(_ bytes: [UInt8], from root: Int = 0) throws(InputError) -> [UInt8] {
    if count == 1 { return bytes }
    let size = AlignedBuffer(repeating: UInt64(bytes.count).littleEndian, count: 1)
    try broadcast(size, from: root)
    let count = Int(UInt64(littleEndian: size.elements[0]))
    let buffer = rank == root ? AlignedBuffer(bytes) : AlignedBuffer(repeating: 0, count: count)
    try broadcast(buffer, from: root)
    return Array(buffer.elements)
  }

  /// The text that the process `root` has.
  public func broadcast(_ text: String, from root: Int = 0) throws(InputError) -> String {
    String(decoding: try broadcast(Array(text.utf8), from: root), as: UTF8.self)
  }

  /// The bytes that each process has, in the order of their ranks, for all processes.
  public func gather(_ bytes: [UInt8]) throws(InputError) -> [[UInt8]] {
    var all: [[UInt8]] = []
    for root in 0..<count { all.append(try broadcast(bytes, from: root)) }
    return all
  }

  /// The text that each process has, in the order of their ranks, for all processes.
  public func gather(_ text: String) throws(InputError) -> [String] {
    try gather(Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether any process says so: all of them get the same answer, such as that it is time to stop.
  public func agree(_ flag: Bool) throws(InputError) -> Bool {
    try gather([flag ? 1 : 0]).contains([1])
  }

  /// Checks that a text is the same in all processes, such as what a training depends on.
  ///
  /// - Parameters:
  ///   - text: the text of this process.
  ///   - name: what it is, for the error.
  /// - Throws: `InputError`, in all processes, with the first two texts that differ.
  public func requireEqual(_ text: String, _ name: String) throws(InputError) {
    let texts = try gather(text)
    guard let other = texts.firstIndex(where: { $0 != texts[0] }) else { return }
    throw InputError(
      .mismatch, source: name, found: "\(texts[other]) in process \(other) of \(count)",
      expected: "\(texts[0]), as in process 0")
  }

  private func broadcast<Element>(
    _ buffer: AlignedBuffer<Element>, from root: Int
  ) throws(InputError) {
    try buffer.withUnsafeMutablePointer { (values) throws(InputError) in
      try broadcast(
        UnsafeMutableRawBufferPointer(
          start: values, count: buffer.count * MemoryLayout<Element>.stride),
        from: root)
    }
  }

  /// Fills `bytes` from the process `root`. In each round every process that has them hands them
  /// to one more.
  func broadcast(
    _ bytes: UnsafeMutableRawBufferPointer, from root: Int
  ) throws(InputError) {
    let count = count
    precondition((0..<count).contains(root), "a group of \(count) has no process \(root)")
    let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    let distance = (rank - root + count) % count
    var step = 1
    while step < count {
      if distance < step, distance + step < count {
        try exchange(
          UnsafeRawBufferPointer(bytes), to: (rank + step) % count, nothing, from: nil)
      } else if (step..<2 * step).contains(distance) {
        try exchange(
          UnsafeRawBufferPointer(nothing), to: nil, bytes, from: (rank - step + count) % count)
      }
      step *= 2
    }
  }

  /// Passes bytes by the transport, which a group of one process need not have.
  func exchange(
    _ outgoing: UnsafeRawBufferPointer, to receiver: Int?,
    _ incoming: UnsafeMutableRawBufferPointer, from sender: Int?
  ) throws(InputError) {
    guard let transport else { preconditionFailure("a process alone has nobody to write to") }
    try transport.exchange(outgoing, to: receiver, incoming, from: sender)
  }
}
