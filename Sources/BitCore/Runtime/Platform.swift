import CBitKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The C library's functions. Their last bits may differ between platforms, so nothing that
/// promises equal bits everywhere (quantization, products, RMSNorm) uses them.
package enum SystemMath {
  package static func exp(_ x: Float) -> Float { expf(x) }
  package static func tanh(_ x: Float) -> Float { tanhf(x) }
  package static func erf(_ x: Float) -> Float { erff(x) }
  package static func log(_ x: Float) -> Float { logf(x) }
  static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
}

package enum SystemMemory {
  /// From so many bytes on it is worth while to ask for large pages.
  package static let largeBytes = 4 << 20

  /// Asks for large pages behind memory that is not used yet: only a hint.
  package static func adviseLarge(_ memory: UnsafeMutableRawPointer, _ bytes: Int) {
    bk_advise_large(memory, bytes)
  }
}

package enum SystemFiles {
  /// Lets the system begin to bring to the device what was written to a file: only a hint.
  package static func startWriteback(_ descriptor: Int32) { bk_start_writeback(descriptor) }
}

enum SystemEnvironment {
  /// The value of an environment variable, or nil.
  static func value(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }
}

extension SeededGenerator {
  mutating func nextNormal() -> Double {
    let radius = (-2 * log(1 - Double(nextUniform()))).squareRoot()
    return radius * cos(2 * .pi * Double(nextUniform()))
  }
}
