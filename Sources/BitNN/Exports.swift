// A user of this module names tensors, files and @differentiable; one import gives all.
@_exported import BitFormats
@_exported import _Differentiation
