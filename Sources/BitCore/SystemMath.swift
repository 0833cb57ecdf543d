#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension SeededGenerator {
  mutating func nextNormal() -> Double {
    let radius = (-2 * log(1 - Double(nextUniform()))).squareRoot()
    return radius * cos(2 * .pi * Double(nextUniform()))
  }
}
