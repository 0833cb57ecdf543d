// Results of chunks, which become those of all positions. The same for all sets of kernels.
#include "decoder.h"

size_t bk_attention_scratch_floats(size_t rows, size_t length) {
  size_t most = rows < BK_ATTENTION_ROWS ? rows : BK_ATTENTION_ROWS;
  size_t padded = bk_divide_up(length, BK_FLOAT_LANES) * BK_FLOAT_LANES;
  // Some floats more, so that what is in it may begin with a cache line.
  return BK_FLOAT_LANES + BK_ATTENTION_POSITIONS * padded + most * BK_CHUNK_POSITIONS;
}

void bk_attention_merge(size_t rows, size_t length, const float *later_maxima,
                        const float *later_sums, const float *later_totals, float *maxima,
                        float *sums, float *totals) {
  for (size_t r = 0; r < rows; r++, later_totals += length, totals += length) {
    // A row that sees anything has the weight 1 somewhere, or NaN.
    if (later_sums[r] == 0) continue;
    if (sums[r] == 0) {
      maxima[r] = later_maxima[r];
      sums[r] = later_sums[r];
      memcpy(totals, later_totals, length * sizeof *totals);
      continue;
    }
    float largest = bk_larger(maxima[r], later_maxima[r]);
    float a = bk_exp(maxima[r] - largest), b = bk_exp(later_maxima[r] - largest);
    maxima[r] = largest;
    sums[r] = sums[r] * a + later_sums[r] * b;
    for (size_t d = 0; d < length; d++) totals[d] = totals[d] * a + later_totals[d] * b;
  }
}

void bk_attention_finish(size_t rows, size_t length, const float *sums, const float *totals,
                         float *out) {
  for (size_t r = 0; r < rows; r++)
    for (size_t d = 0; d < length; d++) out[r * length + d] = totals[r * length + d] / sums[r];
}
