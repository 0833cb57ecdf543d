import BitCore
import BitFiles

/// Decides which types the numbers stand for, and where the tensors are.
///
/// ggml's rule: a tensor starts where the one before it ends, at the next multiple of the alignment.
/// Where a number has two meanings, the one whose sizes keep the rule is right.
struct GGUFLayoutResolver {
  private let header: GGUFHeader
  private let bytes: UnsafeRawBufferPointer
  private let source: String
  private let isBitNet: Bool

  /// What the numbers with two meanings stand for.
  private struct Reading {
    var q2 = GGUFTensorType.q2_0
    var type36 = GGUFTensorType.i2_s
    /// Whether 37 to 39 are types of bitnet.cpp, whose sizes are not known.
    var hasBitNetTypes = false
  }

  init(_ header: GGUFHeader, _ bytes: UnsafeRawBufferPointer, source: String) {
    (self.header, self.bytes, self.source) = (header, bytes, source)
    isBitNet = header.metadata.architecture?.hasPrefix("bitnet") == true
  }

  /// The tensors of the file.
  func tensors(_ options: GGUFOptions) throws(InputError) -> [GGUFTensorInfo] {
    var readings = [Reading()]
    if header.infos.contains(where: { $0.typeID == GGUFTensorType.q2_0.id }) {
      switch options.q2BlockLength {
      case 64: break
      case 128: readings = [Reading(q2: .q2_0Block128)]
      default: readings.append(Reading(q2: .q2_0Block128))
      }
    }
    if isBitNet {
      for index in readings.indices { readings[index].hasBitNetTypes = true }
    } else {
      if header.infos.contains(where: { $0.typeID == GGUFTensorType.i2_s.id }) {
        readings += readings.map { Reading(q2: $0.q2, type36: .iq4_nl_4_4) }
      }
      // To bitnet.cpp, file types 38 to 40 are TL1, TL2 and I2_S; to llama.cpp they are MXFP4, NVFP4
      // and Q1_0. So they decide nothing, but without them a size that does not fit is an error.
      if (38...40).contains(header.metadata.fileType ?? 0),
        header.infos.contains(where: { GGUFTensorType.bitNet[$0.typeID] != nil })
      {
        readings += readings.map {
          Reading(q2: $0.q2, type36: $0.type36, hasBitNetTypes: true)
        }
      }
    }
    var fits: [(reading: Reading, tensors: [GGUFTensorInfo])] = []
    var failure: InputError?
    for reading in readings {
      do {
        fits.append((reading, try place(reading)))
      } catch {
        failure = failure ?? error
      }
    }
    if fits.count > 1 {
      // Both fit the offsets, as they do for a last tensor: whose padding is zeros to the end?
      let tight = fits.filter { isTight($0.tensors) }
      if !tight.isEmpty { fits = tight }
    }
    // Nobody wrote the old type 36 for years, so it never wins over I2_S; and what has a size that
    // fits is not what has none.
    if let first = fits.first {
      fits = fits.filter {
        $0.reading.type36 == first.reading.type36
          && $0.reading.hasBitNetTypes == first.reading.hasBitNetTypes
      }
      guard fits.count == 1 else {
        throw InputError(
          .unsupported, source: source, found: "Q2_0 that fits blocks of 64 and of 128",
          expected: "offsets that fit one of them, or an option that says which")
      }
      return first.tensors
    }
    throw failure ?? InputError(.malformed, source: source, found: "nothing", expected: "tensors")
  }

  private func type(_ id: UInt32, _ reading: Reading) -> GGUFTensorType {
    if reading.hasBitNetTypes, let type = GGUFTensorType.bitNet[id] { return type }
    switch id {
    case 36: return reading.type36
    case 42: return reading.q2
    default: return GGUFTensorType.common[id] ?? .unknown(id)
    }
  }

  private func place(_ reading: Reading) throws(InputError) -> [GGUFTensorInfo] {
    var tensors: [GGUFTensorInfo] = []
    tensors.reserveCapacity(header.infos.count)
    let available = bytes.count - header.dataStart
    // Where the next tensor starts, or where it may start if the size of the last is not known.
    var next = 0
    var isExact = true
    var ends: [Int?] = []
    for info in header.infos {
      let type = type(info.typeID, reading)
      let source = "\(source), tensor \(ErrorText.quoted(info.name))"
      func malformed(_ found: String, _ expected: String) -> InputError {
        InputError(.malformed, source: source, found: found, expected: expected)
      }
      guard let offset = Int(exactly: info.offset), offset.isMultiple(of: header.alignment) else {
        throw malformed("offset \(info.offset)", "a multiple of the alignment \(header.alignment)")
      }
      guard isExact ? offset == next : offset >= next else {
        throw malformed(
          "offset \(offset)",
          isExact ? "\(next), where the tensor before it ends" : "\(next) or more")
      }
      guard offset <= available else {
        throw malformed("offset \(offset)", "at most the \(available) bytes of data in the file")
      }
      let size = try type.byteCount(of: info.shape, source: source)
      // What is not known has a byte at least, so that the next starts after it.
      guard size ?? 1 <= available - offset else {
        throw malformed(
          "\(available - offset) bytes of data",
          size.map { "\($0) for \(type) \(ErrorText.list(info.shape))" } ?? "at least one")
      }
      let end = offset + (size ?? 1)
      let padding = (header.alignment - end % header.alignment) % header.alignment
      next = min(end, Int.max - padding) + padding
      isExact = size != nil
      ends.append(size == nil ? nil : end)
      tensors.append(
        GGUFTensorInfo(
          name: info.name, type: type, shape: info.shape,
          byteRange: header.dataStart + offset..<header.dataStart + end))
    }
    for index in tensors.indices where ends[index] == nil {
      let tensor = tensors[index]
      let end =
        index + 1 < tensors.count ? tensors[index + 1].byteRange.lowerBound : bytes.count
      tensors[index] = GGUFTensorInfo(
        name: tensor.name, type: tensor.type, shape: tensor.shape,
        byteRange: tensor.byteRange.lowerBound..<end)
    }
    return tensors
  }

  /// Whether nothing but zeros follows each tensor of type 36 or 42 up to the next one, and no more
  /// than padding follows the last.
  private func isTight(_ tensors: [GGUFTensorInfo]) -> Bool {
    for (index, tensor) in tensors.enumerated() where [36, 42].contains(tensor.type.id) {
      let start = tensor.byteRange.upperBound
      let isLast = index + 1 == tensors.count
      let end = isLast ? bytes.count : tensors[index + 1].byteRange.lowerBound
      guard end - start < header.alignment, bytes[start..<end].allSatisfy({ $0 == 0 }) else {
        return false
      }
    }
    return true
  }
}
