// What the decoder of a language model computes around its linear layers: normalization, rotary
// embedding, gates, and attention over a cache of keys and values.
//
// Float operations happen in the order stated here, fused only where fma is written, so every set
// of kernels gives the same bits as the scalar one.
#ifndef BITDECODER_H
#define BITDECODER_H

#include <stddef.h>
#include <stdint.h>

enum {
  // Positions of a chunk of the cache. Chunks are attended to one by one and then merged in their
  // order, so that results do not depend on who computes which of them.
  BK_CHUNK_POSITIONS = 256,
  // Positions whose keys lie side by side.
  BK_KEY_LANES = 16,
};

// How keys and values are stored: half precision floats, floats, or signed bytes with one float
// scale for each position, max|x| / 127 (value = byte * scale; all zeros have the scale 0).
typedef enum { BK_CACHE_F16 = 0, BK_CACHE_F32 = 1, BK_CACHE_Q8 = 2 } bk_cache_type;

// The keys and values of BK_CHUNK_POSITIONS positions for one key-value head.
// keys:   [BK_CHUNK_POSITIONS / BK_KEY_LANES][length][BK_KEY_LANES]
// values: [BK_CHUNK_POSITIONS][length]
// Positions that nobody stored may hold anything; nobody attends to them.
typedef struct {
  bk_cache_type type;
  size_t length;
  void *keys, *values;
  float *key_scales, *value_scales;  // [BK_CHUNK_POSITIONS]; BK_CACHE_Q8 only
} bk_cache_chunk;

// Queries that attend to one chunk: `heads` heads of each of some tokens, which share the key-value
// head. Head h of token t begins at queries + t * token_stride + h * length, and is row
// t * heads + h of the results.
typedef struct {
  const float *queries;
  size_t token_stride, tokens, heads;
  // [tokens]: token t attends to the first visible[t] positions of the chunk. Not decreasing.
  const uint32_t *visible;
  float scale;
  // Results, [rows], [rows] and [rows, length].
  float *maxima, *sums, *totals;
  // bk_attention_scratch_floats(rows, length) floats.
  float *scratch;
} bk_attention;

typedef enum { BK_GATE_SILU = 0, BK_GATE_SQUARED_RELU = 1 } bk_gate;
enum { BK_GATES = 2 };

// One instruction set's kernels for decoders.
typedef struct {
  // y[i] = x[i] * inverse * weight[i], in that order, with inverse = 1 / sqrt(s / n + epsilon) and
  // s the sum of x[i] * x[i] in 64 running sums, number i % 64, each by fma; then those 32 apart
  // are added, then those 16, eight, four, two and one apart. weight may be NULL for ones. y may
  // be x.
  void (*rms_norm)(const float *x, size_t n, float epsilon, const float *weight, float *y);

  // Rotates the first 2 * half elements of a head by angles 0..<half, and copies the others:
  //   y[i]        = x[a] * cosines[i] - x[b] * sines[i]
  //   y[i + half] = x[b] * cosines[i] + x[a] * sines[i]
  // both products rounded before the sum; a = i and b = i + half or, if `interleaved`, a = 2i and
  // b = 2i + 1. y may be x unless `interleaved`.
  void (*rotate)(const float *x, size_t length, size_t half, const float *cosines,
                 const float *sines, int interleaved, float *y);

  // out[i] = gate(g[i]) * up[i]; gate(v) = v / (1 + exp(-v)) or max(v, 0) * max(v, 0). out may be
  // g.
  void (*gate[BK_GATES])(const float *g, const float *up, size_t n, float *out);

  // x[i] += y[i]
  void (*add)(float *x, const float *y, size_t n);

  // out[i] = exp(x[i] - shift), by the exponential that decoder.h states; returns their sum in 16
  // running sums, number i % 16, of which those eight apart are added, then four, two and one
  // apart. out may be x, or NULL.
  float (*exponentials)(const float *x, size_t n, float shift, float *out);

  // max x[i], +0 if it is a zero; -INFINITY for n = 0; NaN if any is.
  float (*maximum)(const float *x, size_t n);

  // Stores the key and the value of a position of a chunk, rounded half to even. BK_CACHE_F16:
  // infinite from 65520 on. BK_CACHE_Q8: byte = clamp(round(x / scale), -127, 127), or 0 where the
  // scale is 0 (as for max|x| < 2^-143) or NaN, as it is if any x is NaN or infinite.
  void (*store)(const bk_cache_chunk *chunk, size_t position, const float *key,
                const float *value);

  // For each row and the positions p that it sees:
  //   score[p]  = (sum over d, in its order from 0, by fma, of query[d] * key[p][d])
  //               (* key_scales[p]) * scale
  //   maxima    = max score[p];  weight[p] = exp(score[p] - maxima)
  //   sums      = sum of weight[p], in 16 running sums, number p % 16, added as in exponentials
  //   totals[d] = sum over p, in its order from 0, by fma,
  //               of weight[p] (* value_scales[p]) * value[p][d]
  // A row that sees nothing gets -INFINITY, 0 and zeros. NaN in a query, a key or a value reaches
  // the rows that see it and no others. Fastest where the arrays of a chunk begin with cache lines.
  void (*attend)(const bk_cache_chunk *chunk, const bk_attention *rows);
} bk_decoder_kernels;

size_t bk_attention_scratch_floats(size_t rows, size_t length);

// Adds the result of a later chunk to that of the earlier ones, for each row: with
// m = max(maxima, later_maxima), a = exp(maxima - m) and b = exp(later_maxima - m):
//   sums = sums * a + later_sums * b,  totals[d] = totals[d] * a + later_totals[d] * b,
// products rounded before the sum. Where one of them saw nothing, the other one is the result.
void bk_attention_merge(size_t rows, size_t length, const float *later_maxima,
                        const float *later_sums, const float *later_totals, float *maxima,
                        float *sums, float *totals);

// totals[d] / sums, for each row; NaN for one that saw nothing.
void bk_attention_finish(size_t rows, size_t length, const float *sums, const float *totals,
                         float *out);

#endif
