@_exported import BitCore
