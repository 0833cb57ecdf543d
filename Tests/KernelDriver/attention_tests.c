// Attention to cached keys and values. Each set must equal the scalar one bit for bit; the scalar
// one must be close to plain loops over doubles.
#include "decoder_checks.h"
#include <stdio.h>
#include <stdlib.h>

// Which positions the tokens see.
typedef enum { ALL, SAME, CAUSAL, RANDOM, NONE_FIRST, PATTERNS } pattern;

typedef struct {
  size_t length, tokens, heads, rows;
  guarded_chunk cache;
  guarded queries, visible, scratch, maxima, sums, totals;
  bk_attention attention;
} attention_case;

static size_t random_length(void) {
  static const size_t lengths[] = {16, 20, 64, 100, 128, 1};
  return random_below(2) ? lengths[random_below(6)] : 1 + random_below(140);
}

static int compare_numbers(const void *a, const void *b) {
  return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

static void choose_visible(uint32_t *visible, size_t tokens, pattern pattern) {
  uint32_t same = (uint32_t)random_below(BK_CHUNK_POSITIONS + 1);
  uint32_t first = (uint32_t)random_below(BK_CHUNK_POSITIONS + 1 - (tokens < 256 ? tokens : 256));
  for (size_t t = 0; t < tokens; t++) {
    uint32_t next = first + (uint32_t)t + 1;
    visible[t] = pattern == ALL      ? BK_CHUNK_POSITIONS
                 : pattern == SAME   ? same
                 : pattern == CAUSAL ? (next < 256 ? next : 256)
                                     : (uint32_t)random_below(BK_CHUNK_POSITIONS + 1);
    if (pattern == NONE_FIRST && t < tokens / 2) visible[t] = 0;
  }
  if (tokens > 0) qsort(visible, tokens, sizeof *visible, compare_numbers);
}

// Positions that no token sees hold NaN.
static attention_case new_case(bk_cache_type type, size_t length, size_t tokens, size_t heads,
                               pattern pattern) {
  guard_side side = random_below(2) ? GUARD_ABOVE : GUARD_BELOW;
  attention_case c = {.length = length, .tokens = tokens, .heads = heads, .rows = tokens * heads};
  c.cache = new_chunk(type, length, side, 0xff);
  size_t stride = heads * length + random_below(3);
  size_t numbers = tokens ? (tokens - 1) * stride + heads * length : 0;
  c.queries = new_floats(numbers, side);
  for (size_t i = 0; i < numbers; i++) ((float *)c.queries.bytes)[i] = 2 * random_float();
  c.visible = new_floats(tokens, side);
  choose_visible(c.visible.bytes, tokens, pattern);
  uint32_t most = tokens ? ((uint32_t *)c.visible.bytes)[tokens - 1] : 0;
  float key[140], value[140];
  for (uint32_t p = 0; p < most; p++) {
    for (size_t d = 0; d < length; d++) key[d] = random_float(), value[d] = random_float();
    bk_scalar.decoder->store(&c.cache.chunk, p, key, value);
  }
  c.scratch = new_floats(bk_attention_scratch_floats(c.rows, length), side);
  c.maxima = new_floats(c.rows, side);
  c.sums = new_floats(c.rows, side);
  c.totals = new_floats(c.rows * length, side);
  c.attention = (bk_attention){c.queries.bytes,
                               stride,
                               tokens,
                               heads,
                               c.visible.bytes,
                               1 / sqrtf((float)length),
                               c.maxima.bytes,
                               c.sums.bytes,
                               c.totals.bytes,
                               c.scratch.bytes};
  return c;
}

static void free_case(attention_case c) {
  free_chunk(c.cache);
  guarded_free(c.queries);
  guarded_free(c.visible);
  guarded_free(c.scratch);
  guarded_free(c.maxima);
  guarded_free(c.sums);
  guarded_free(c.totals);
}

// Results in plain memory.
typedef struct {
  float *maxima, *sums, *totals;
} results;

static results new_results(size_t rows, size_t length) {
  return (results){malloc((rows + 1) * 4), malloc((rows + 1) * 4), malloc((rows * length + 1) * 4)};
}

static void free_results(results r) {
  free(r.maxima);
  free(r.sums);
  free(r.totals);
}

static results scalar_results(const attention_case *c) {
  results r = new_results(c->rows, c->length);
  bk_attention attention = c->attention;
  attention.maxima = r.maxima;
  attention.sums = r.sums;
  attention.totals = r.totals;
  bk_scalar.decoder->attend(&c->cache.chunk, &attention);
  return r;
}

// A row over several chunks, in doubles: weights relative to the largest score.
typedef struct {
  double largest, sum, totals[140], magnitudes[140];
} plain_row;

static void add_plain(plain_row *row, const attention_case *c, size_t token, size_t head,
                      int is_weighing) {
  const bk_attention *a = &c->attention;
  const float *query = a->queries + token * a->token_stride + head * c->length;
  for (size_t p = 0; p < a->visible[token]; p++) {
    double score = 0;
    for (size_t d = 0; d < c->length; d++)
      score += (double)query[d] * key_in(&c->cache.chunk, p, d);
    score *= (double)a->scale;
    if (!is_weighing) {
      if (isnan(score) || score > row->largest) row->largest = score;
      continue;
    }
    double weight = exp(score - row->largest);
    row->sum += weight;
    for (size_t d = 0; d < c->length; d++) {
      double product = weight * value_in(&c->cache.chunk, p, d);
      row->totals[d] += product;
      row->magnitudes[d] += fabs(product);
    }
  }
}

static plain_row plain_of(const attention_case *cases, size_t count, size_t row) {
  plain_row plain = {.largest = -INFINITY};
  for (int is_weighing = 0; is_weighing < 2; is_weighing++)
    for (size_t i = 0; i < count; i++)
      add_plain(&plain, cases + i, row / cases->heads, row % cases->heads, is_weighing);
  return plain;
}

static int is_near(double got, double expected, double bound) {
  return got == expected || fabs(got - expected) <= bound;
}

static void check_row(const attention_case *c, results r, size_t row, const char *what) {
  plain_row plain = plain_of(c, 1, row);
  int holds = is_near(r.maxima[row], plain.largest, 2e-5) &&
              is_near(r.sums[row], plain.sum, 2e-5 * plain.sum);
  for (size_t d = 0; d < c->length; d++)
    holds &= is_near(r.totals[row * c->length + d], plain.totals[d], 2e-5 * plain.magnitudes[d]);
  record(holds, what);
}

static void check_equal(const attention_case *c, results r, const char *what) {
  record(same_floats(c->maxima.bytes, r.maxima, c->rows) &&
             same_floats(c->sums.bytes, r.sums, c->rows) &&
             same_floats(c->totals.bytes, r.totals, c->rows * c->length),
         what);
}

static void test_case(const bk_kernels *kernels, bk_cache_type type, size_t length, size_t tokens,
                      size_t heads, pattern pattern) {
  char what[120];
  snprintf(what, sizeof what, "%s attention: %zu tokens, %zu heads of %zu, type %d, pattern %d",
           kernels->name, tokens, heads, length, type, pattern);
  attention_case c = new_case(type, length, tokens, heads, pattern);
  results r = scalar_results(&c);
  kernels->decoder->attend(&c.cache.chunk, &c.attention);
  check_equal(&c, r, what);
  if (c.rows > 0) check_row(&c, r, random_below(c.rows), what);
  free_results(r);
  free_case(c);
}

// NaN in a key or a query makes the results of the rows that see it NaN, and of no others.
static void test_nan(const bk_kernels *kernels, bk_cache_type type) {
  char what[100];
  for (int is_key = 0; is_key < 2; is_key++) {
    snprintf(what, sizeof what, "%s attention to NaN, type %d", kernels->name, type);
    size_t length = random_length(), heads = 1 + random_below(4), tokens = 20;
    attention_case c = new_case(type, length, tokens, heads, CAUSAL);
    uint32_t first = ((uint32_t *)c.visible.bytes)[0], position = first + 10;
    size_t row = random_below(c.rows);
    float key[140] = {0};
    key[random_below(length)] = NAN;
    if (is_key)
      bk_scalar.decoder->store(&c.cache.chunk, position, key, key);
    else
      ((float *)c.queries.bytes)[row / heads * c.attention.token_stride + row % heads * length] =
          NAN;
    kernels->decoder->attend(&c.cache.chunk, &c.attention);
    int holds = 1;
    for (size_t i = 0; i < c.rows; i++) {
      int expected = is_key ? ((uint32_t *)c.visible.bytes)[i / heads] > position : i == row;
      holds &= (isnan(((float *)c.maxima.bytes)[i]) != 0) == expected;
      holds &= (isnan(((float *)c.sums.bytes)[i]) != 0) == expected;
      for (size_t d = 0; d < length; d++)
        holds &= (isnan(((float *)c.totals.bytes)[i * length + d]) != 0) == expected;
    }
    record(holds, what);
    results r = scalar_results(&c);
    check_equal(&c, r, what);
    free_results(r);
    free_case(c);
  }
}

// Chunks one after the other, of which rows may see nothing.
static void test_merging(const bk_kernels *kernels, bk_cache_type type) {
  enum { CHUNKS = 3 };
  char what[100];
  snprintf(what, sizeof what, "%s merging, type %d", kernels->name, type);
  size_t length = random_length(), tokens = 1 + random_below(4), heads = 1 + random_below(3);
  attention_case c[CHUNKS];
  for (size_t i = 0; i < CHUNKS; i++) {
    c[i] = new_case(type, length, tokens, heads, random_below(2) ? NONE_FIRST : RANDOM);
    // All of them have the first one's queries.
    c[i].attention.queries = c[0].attention.queries;
    c[i].attention.token_stride = c[0].attention.token_stride;
    kernels->decoder->attend(&c[i].cache.chunk, &c[i].attention);
    if (i > 0)
      bk_attention_merge(c[i].rows, length, c[i].maxima.bytes, c[i].sums.bytes, c[i].totals.bytes,
                         c[0].maxima.bytes, c[0].sums.bytes, c[0].totals.bytes);
  }
  guarded out = new_floats(c[0].rows * length, GUARD_ABOVE);
  bk_attention_finish(c[0].rows, length, c[0].sums.bytes, c[0].totals.bytes, out.bytes);
  for (size_t row = 0; row < c[0].rows; row++) {
    plain_row plain = plain_of(c, CHUNKS, row);
    int holds = 1;
    for (size_t d = 0; d < length; d++) {
      double got = (double)((float *)out.bytes)[row * length + d];
      holds &= plain.sum == 0 ? isnan(got)
                              : is_near(got, plain.totals[d] / plain.sum,
                                        2e-5 * plain.magnitudes[d] / plain.sum);
    }
    record(holds, what);
  }
  guarded_free(out);
  for (size_t i = 0; i < CHUNKS; i++) free_case(c[i]);
}

void test_attention(const bk_kernels *kernels, amount amount) {
  int rounds = amount == QUICK ? 2 : 4;
  for (int type = BK_CACHE_F16; type <= BK_CACHE_Q8; type++) {
    for (int round = 0; round < rounds; round++) {
      for (int pattern = ALL; pattern < PATTERNS; pattern++)
        test_case(kernels, type, random_length(), random_below(7), 1 + random_below(16), pattern);
      // Each number of rows of a tile, and several groups of rows.
      for (size_t tokens = 1; tokens <= 13; tokens++)
        test_case(kernels, type, random_length(), tokens, 1, tokens % PATTERNS);
      test_case(kernels, type, round % 2 ? 36 : 8, 40 + random_below(30), 1 + random_below(6),
                CAUSAL);
      test_nan(kernels, type);
      test_merging(kernels, type);
    }
  }
}
