@_exported import BitFormats
