// The C library and what the command needs of Foundation: JSON and dates. On Linux that is the half
// without tables of all languages: in a statically linked program they are larger than all the rest.
#if canImport(FoundationEssentials)
  @_exported import FoundationEssentials
  #if canImport(Glibc)
    @_exported import Glibc
  #else
    @_exported import Musl
  #endif
#else
  @_exported import Foundation
#endif
