import ArgumentParser
import BitFormats

/// The layouts that `--i2s-layout` names.
enum I2SLayoutOption: String, CaseIterable, ExpressibleByArgument {
  case x86
  case arm

  var layout: I2SLayout { self == .x86 ? .x86 : .arm }
}
