// The peak of vpdpbusd. To be included after gemm_tile.h.
TARGET static uint64_t dot_product(size_t rounds, int32_t *sink) {
  // Two products per cycle at a latency of five cycles need ten sums; twice as many, where they fit
  // the registers, do not wait for one another. They begin differently, so that none is a copy of
  // another.
  enum { SUMS = REGISTERS == 32 ? 20 : 10 };
  VECTOR sum[SUMS], code[2], x[2];
  UNROLL for (int l = 0; l < SUMS; l++) {
    int32_t first = *sink + l;
    sum[l] = broadcast((const int8_t *)&first);
  }
  for (int l = 0; l < 2; l++) {
    uint8_t bytes[64];
    int32_t four = *sink + l;
    memset(bytes, l + 1, sizeof bytes);
    code[l] = load_vector(bytes);
    x[l] = broadcast((const int8_t *)&four);
  }
  for (size_t i = 0; i < rounds; i++) {
    UNROLL for (int l = 0; l < SUMS; l++)
      sum[l] = dot(sum[l], code[l % 2], x[l / 2 % 2]);
    // The compiler must not move the products out of the loop.
    __asm__ volatile("" : "+v"(code[0]), "+v"(code[1]), "+v"(x[0]), "+v"(x[1]));
  }
  int32_t lanes[16] = {0};
  UNROLL for (int l = 0; l < SUMS; l++) add_sums(lanes, sum[l]);
  *sink += lanes[0] + lanes[7];
  return SUMS * sizeof(VECTOR) * (uint64_t)rounds;
}
