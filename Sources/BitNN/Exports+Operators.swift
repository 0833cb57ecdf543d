// swift-format-ignore-file
// (It would join module and operator, which the compiler then takes for a postfix operator.)

// The arithmetic of tensors: `import struct` exports a type without its operators.

@_exported import func BitCore . +
@_exported import func BitCore . +=
@_exported import func BitCore . -
@_exported import func BitCore . -=
@_exported import func BitCore . *
@_exported import func BitCore . /
