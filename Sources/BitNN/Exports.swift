// `import BitNN` gives everything that a model and its training need, and no more: names such as
// CPU are common, and a user of this module should not meet those of other modules.

@_exported import struct BitCore.ActivationQuantizer
@_exported import enum BitCore.Activation
@_exported import struct BitCore.CodeMatrix
@_exported import enum BitCore.EmbeddingLookup
@_exported import struct BitCore.InputError
@_exported import enum BitCore.GateActivation
@_exported import enum BitCore.Losses
@_exported import struct BitCore.Normalization
@_exported import struct BitCore.OutputLossOperation
@_exported import struct BitCore.PackedBitLinear
@_exported import enum BitCore.PackedFormat
@_exported import struct BitCore.QuantizationRecipe
@_exported import struct BitCore.QuantizationStrength
@_exported import struct BitCore.QuantizedTensor
@_exported import struct BitCore.SeededGenerator
@_exported import struct BitCore.Shape
@_exported import enum BitCore.SoftmaxMask
@_exported import struct BitCore.Tensor
@_exported import enum BitCore.WeightAlphabet
@_exported import struct BitCore.WeightQuantizer
@_exported import enum BitCore.WeightScales
@_exported import func BitCore.absmaxQuantize
@_exported import func BitCore.concatenated
@_exported import struct BitFormats.DecoderConfiguration
@_exported import enum BitFormats.DecoderFamily
@_exported import struct BitFormats.ModelFile
@_exported import struct BitFormats.SafetensorsFile
@_exported import struct BitFormats.SafetensorsTensorInfo
@_exported import _Differentiation
