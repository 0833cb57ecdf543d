import BitCore

/// Where a type of codes keeps them and its scales.
struct GGUFCodeFormat {
  /// Where a scale is, and how it is written.
  enum ScalePosition {
    /// A half at the start or the end of each block.
    case blockStart
    case blockEnd
    /// A half or a float at the start of each row.
    case rowHalf
    case rowFloat
    /// A float after all codes of the tensor.
    case tensor
  }

  enum Codes {
    case twoBits(TwoBitCodes)
    case trits(TritCodes)
    case iq1
    case signs
  }

  let codes: Codes
  let scalePosition: ScalePosition
  let blockLength: Int
  /// Bytes of a block's codes.
  let codeBytes: Int
  /// Whether ``GGUFCodeWriter`` writes the type.
  var isWritten = true

  /// The format of a type; nil for one that holds no codes.
  init?(_ type: GGUFTensorType, i2sLayout: I2SLayout) {
    switch type {
    case .tq1_0: self.init(.trits(.tq1), .blockEnd, 256, 52)
    case .tq2_0: self.init(.twoBits(TwoBitCodes(strand: 32)), .blockEnd, 256, 64)
    case .q1_0: self.init(.signs, .blockStart, 128, 16)
    case .q2_0: self.init(.twoBits(.consecutive), .blockStart, 64, 16)
    case .pq2_0: self.init(.twoBits(.consecutive), .blockStart, 128, 32)
    case .q2_0Block128:
      self.init(.twoBits(.consecutive), .blockStart, 128, 32, isWritten: false)
    case .ptq1_0: self.init(.trits(.ptq1), .blockEnd, 128, 26, isWritten: false)
    case .i2_s:
      let length = i2sLayout.blockLength
      let codes = TwoBitCodes(strand: length / 4, isFirstHigh: true)
      self.init(.twoBits(codes), .tensor, length, length / 4)
    case .iq1_bn: self.init(.iq1, .rowHalf, 64, 13, isWritten: false)
    case .iq2_bn:
      self.init(.twoBits(TwoBitCodes(strand: 16)), .rowFloat, 64, 16, isWritten: false)
    default: return nil
    }
  }

  private init(
    _ codes: Codes, _ scalePosition: ScalePosition, _ blockLength: Int, _ codeBytes: Int,
    isWritten: Bool = true
  ) {
    (self.codes, self.scalePosition) = (codes, scalePosition)
    (self.blockLength, self.codeBytes) = (blockLength, codeBytes)
    self.isWritten = isWritten
  }

  var alphabet: WeightAlphabet {
    if case .signs = codes { .sign } else { .ternary }
  }

  var scaleKind: ScaleKind {
    switch scalePosition {
    case .blockStart, .blockEnd: .block(columns: blockLength)
    case .rowHalf, .rowFloat: .row
    case .tensor: .tensor
    }
  }

  /// Reads the codes of some blocks that follow one another without scales between them: -1, 0, +1,
  /// or +2 for the 3 of two bits.
  func decode(
    _ bytes: UnsafePointer<UInt8>, blocks: Int = 1, to target: UnsafeMutablePointer<Int8>
  ) {
    switch codes {
    case .twoBits(let codes): codes.decode(bytes, blocks * blockLength, to: target)
    case .signs: SignCodes.decode(bytes, blocks * blockLength, to: target)
    case .trits(let codes):
      for block in 0..<blocks {
        codes.decode(bytes + block * codeBytes, to: target + block * blockLength)
      }
    case .iq1:
      for block in 0..<blocks {
        IQ1Codes.decode(bytes + block * codeBytes, to: target + block * blockLength)
      }
    }
  }

  /// Writes the codes of some blocks that follow one another without scales between them.
  func encode(
    _ source: UnsafePointer<Int8>, blocks: Int = 1, to bytes: UnsafeMutablePointer<UInt8>
  ) {
    switch codes {
    case .twoBits(let codes): codes.encode(source, blocks * blockLength, to: bytes)
    case .signs: SignCodes.encode(source, blocks * blockLength, to: bytes)
    case .trits(let codes):
      for block in 0..<blocks {
        codes.encode(source + block * blockLength, to: bytes + block * codeBytes)
      }
    case .iq1: preconditionFailure("IQ1_BN is not written")
    }
  }
}
