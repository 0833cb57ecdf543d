import BitCore
import BitFormats
import CZlib
import Foundation

import BitNN
@testable import BitTraining

/// A gzip file of one member, made by zlib.
func gzip(_ bytes: [UInt8]) -> [UInt8] {
  var stream = z_stream()
  var input = bytes
  var output = [UInt8](repeating: 0, count: bytes.count + bytes.count / 8 + 256)
  let written = withUnsafeMutablePointer(to: &stream) { stream in
    input.withUnsafeMutableBufferPointer { input in
      output.withUnsafeMutableBufferPointer { output in
        deflateInit2_(
          stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
          Int32(MemoryLayout<z_stream>.size))
        stream.pointee.next_in = input.baseAddress
        stream.pointee.avail_in = UInt32(input.count)
        stream.pointee.next_out = output.baseAddress
        stream.pointee.avail_out = UInt32(output.count)
        precondition(deflate(stream, Z_FINISH) == Z_STREAM_END)
        deflateEnd(stream)
        return output.count - Int(stream.pointee.avail_out)
      }
    }
  }
  return Array(output[..<written])
}

/// An IDX file of unsigned bytes.
func idx(_ extents: [UInt32], _ values: [UInt8], type: UInt8 = 0x08) -> [UInt8] {
  var bytes: [UInt8] = [0, 0, type, UInt8(extents.count)]
  for extent in extents {
    bytes += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: extent >> $0) }
  }
  return bytes + values
}

/// The error that `body` throws, as its one line; "no error" if it throws none.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch {
    return String(describing: error)
  }
}

/// The kind of the error that `body` throws.
func kind(_ body: () throws -> Void) -> InputError.Kind? {
  do {
    try body()
    return nil
  } catch {
    return (error as? InputError)?.kind
  }
}
