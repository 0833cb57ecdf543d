import ArgumentParser
import BitConversion

/// The types that `--outtype` names.
extension ConversionType: ExpressibleByArgument {}
