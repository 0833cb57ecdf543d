"""The quantizers and the packed layouts, written a second time with numpy.

Codes are int8 arrays [out, in] of -1, 0, +1; scales multiply.
"""

import numpy as np


def quantize(weight, recipe, groups=1):
    """Codes, and a float32 scale for each equal group of rows."""
    parts = np.split(weight.astype(np.float32), groups)
    codes, scales = zip(*(_quantize_group(part, recipe) for part in parts))
    return np.concatenate(codes), np.array(scales, np.float32)


def _quantize_group(weight, recipe):
    # The test data have exact sums in float64, so that their order does not matter.
    exact = weight.astype(np.float64)
    scale = np.float32(np.abs(exact).sum() / weight.size)
    if recipe == "bitnet":
        mean = np.float32(exact.sum() / weight.size)
        return np.where(weight > mean, 1, -1).astype(np.int8), scale
    scale = max(scale, np.float32(1e-5))
    # np.rint rounds half to even.
    codes = np.clip(np.rint(weight * (np.float32(1) / scale)), -1, 1)
    return codes.astype(np.int8), scale


def values(codes, scales):
    """The products of codes [out, in] and scales [groups] or [out, blocks], in float32."""
    scales = np.asarray(scales, np.float32)
    if scales.ndim == 1:
        return codes.astype(np.float32) * np.repeat(scales, len(codes) // len(scales))[:, None]
    return codes.astype(np.float32) * np.repeat(scales, codes.shape[1] // scales.shape[1], axis=1)


def _fields(array, bits):
    """The fields of bytes, the lowest bits first, as a new last axis."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return (array[..., None] >> shifts) & np.uint8(2**bits - 1)


def _bytes(fields, bits):
    """Bytes of the fields on the last axis, the lowest bits first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return np.bitwise_or.reduce(fields.astype(np.uint8) << shifts, axis=-1)


def unpack_hf(packed):
    """Hugging Face: bits 2i, 2i + 1 of row r are row i * R + r, R being the rows of bytes."""
    rows, columns = packed.shape
    fields = np.moveaxis(_fields(packed, 2), -1, 0)
    return fields.reshape(4 * rows, columns).astype(np.int8) - 1


def pack_hf(codes):
    rows, columns = codes.shape
    return _bytes(np.moveaxis((codes + 1).reshape(4, rows // 4, columns), 0, -1), 2)


def unpack_rows(packed, columns, recipe):
    """This project's rows of 1 or 2 bits: consecutive weights, the lowest bits first."""
    if recipe == "bitnet":
        return (2 * _fields(packed, 1).reshape(len(packed), -1)[:, :columns]).astype(np.int8) - 1
    return _fields(packed, 2).reshape(len(packed), -1)[:, :columns].astype(np.int8) - 1


def _unpack_blocks(raw, shape, bits, block):
    """GGUF's Q1_0 and Q2_0: a half, then fields, the lowest bits first."""
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, 2 + block * bits // 8)
    scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    fields = _fields(blocks[:, 2:], bits).reshape(shape).astype(np.int8)
    return fields, scales.reshape(shape[0], shape[1] // block)


def _pack_blocks(fields, scales, bits, block):
    halves = np.asarray(scales, np.float16).reshape(-1, 1).view(np.uint8)
    packed = _bytes(fields.reshape(-1, block * bits // 8, 8 // bits), bits)
    return np.concatenate([halves, packed], axis=1).reshape(len(fields), -1)


def unpack_q1_0(raw, shape):
    fields, scales = _unpack_blocks(raw, shape, 1, 128)
    return 2 * fields - 1, scales


def pack_q1_0(codes, scales):
    return _pack_blocks(codes > 0, scales, 1, 128)


def unpack_q2_0(raw, shape):
    fields, scales = _unpack_blocks(raw, shape, 2, 64)
    return fields - 1, scales


def pack_q2_0(codes, scales):
    return _pack_blocks(codes + 1, scales, 2, 64)


def unpack_i2_s(raw, shape):
    """bitnet.cpp on x86: of 128 weights, byte p holds p, p + 32, p + 64, p + 96 from the top bits
    down; a float32 scale after the last one."""
    count = shape[0] * shape[1]
    fields = _fields(np.frombuffer(raw, np.uint8, count // 4).reshape(-1, 32), 2)[..., ::-1]
    codes = np.moveaxis(fields, -1, 1).reshape(shape).astype(np.int8) - 1
    return codes, np.frombuffer(raw, "<f4", 1, count // 4)


def pack_i2_s(codes, scale):
    fields = np.moveaxis((codes + 1).reshape(-1, 4, 32), 1, -1)[..., ::-1]
    tail = np.zeros(32, np.uint8)
    tail[:4] = np.array([scale], "<f4").view(np.uint8)
    return np.concatenate([_bytes(fields, 2).reshape(-1), tail])
