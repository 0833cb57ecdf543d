import Foundation

/// Functions of Foundation, whose names are others' too.
enum TestMath {
  static func cos(_ x: Double) -> Double { Foundation.cos(x) }
  static func exp(_ x: Double) -> Double { Foundation.exp(x) }
  static func log(_ x: Double) -> Double { Foundation.log(x) }
  static func sin(_ x: Double) -> Double { Foundation.sin(x) }
  static func power(_ x: Double, _ y: Double) -> Double { pow(x, y) }
}
