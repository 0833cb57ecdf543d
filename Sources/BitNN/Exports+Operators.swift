// swift-format-ignore-file: it would join module and operator, which the compiler then refuses.

// The arithmetic of tensors: `import struct` exports a type without its operators.

@_exported import func BitCore.+
@_exported import func BitCore.+=
@_exported import func BitCore.-
@_exported import func BitCore.-=
@_exported import func BitCore.*
@_exported import func BitCore./
