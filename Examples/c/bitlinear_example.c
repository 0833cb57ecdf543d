// A layer's life in C: quantize, train a step, pack, save, open, run.
//
//   Examples/c/run
#include <bitlinear.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IN = 64, OUT = 32, TOKENS = 5 };

// Ends the program with the library's words if a call failed.
static void check(int32_t status, const char *what) {
  if (status == BITLINEAR_OK) return;
  fprintf(stderr, "%s: status %d: %s\n", what, status, bitlinear_last_error());
  exit(1);
}

static void expect(int is_true, const char *what) {
  if (is_true) return;
  fprintf(stderr, "not true: %s\n", what);
  exit(1);
}

// Numbers in -1..<1, the same on every machine.
static float next_number(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return (float)(int32_t)(*state >> 8) / 8388608.0f - 1.0f;
}

static float weight[OUT * IN], x[TOKENS * IN], target[TOKENS * OUT];
static float y[TOKENS * OUT], grad_y[TOKENS * OUT], grad_weight[OUT * IN], packed_y[TOKENS * OUT];

static float loss_and_gradient(void) {
  float loss = 0;
  for (int i = 0; i < TOKENS * OUT; i++) {
    float difference = y[i] - target[i];
    loss += difference * difference / (TOKENS * OUT);
    grad_y[i] = 2 * difference / (TOKENS * OUT);
  }
  return loss;
}

int main(int count, char **arguments) {
  const char *path = count > 1 ? arguments[1] : "layer.safetensors";
  uint32_t state = 1;
  for (int i = 0; i < OUT * IN; i++) weight[i] = 0.125f * next_number(&state);
  for (int i = 0; i < TOKENS * IN; i++) x[i] = next_number(&state);
  for (int i = 0; i < TOKENS * OUT; i++) target[i] = next_number(&state);
  printf("bitlinear %s, %d threads\n", bitlinear_version(), bitlinear_threads());

  int8_t codes[TOKENS * IN];
  float scales[TOKENS];
  check(
      bitlinear_absmax_quantize(x, TOKENS, IN, IN, 8, 1, 0, codes, scales, NULL), "absmax_quantize");
  printf("x[0] = %g is %d / %g\n", x[0], codes[0], scales[0]);
  expect(fabsf(codes[0] / scales[0] - x[0]) <= 0.5001f / scales[0], "codes stand for values");

  // Gradient descent on the latent weights.
  bitlinear_recipe recipe;
  check(bitlinear_recipe_named("b158", &recipe), "recipe_named");
  bitlinear_layer layer = {
      .in_features = IN, .out_features = OUT, .groups = 2, .weight = weight, .weight_stride = IN};
  float first = 0, last = 0;
  for (int step = 0; step < 200; step++) {
    check(bitlinear_forward(&recipe, &layer, x, TOKENS, IN, y, OUT), "forward");
    last = loss_and_gradient();
    if (step == 0) first = last;
    bitlinear_gradients gradients = {.weight = grad_weight};
    check(
        bitlinear_backward(
            &recipe, &layer, x, TOKENS, IN, grad_y, OUT, &gradients, NULL, NULL),
        "backward");
    for (int i = 0; i < OUT * IN; i++) weight[i] -= 0.5f * grad_weight[i];
  }
  printf("loss %.4f before, %.4f after 200 steps\n", first, last);
  expect(last < 0.5f * first, "the loss falls");

  // The packed layer gives the same bits, also from a file.
  check(bitlinear_forward(&recipe, &layer, x, TOKENS, IN, y, OUT), "forward");
  bitlinear_packed *packed = NULL;
  check(bitlinear_pack(&recipe, &layer, &packed), "pack");
  bitlinear_named_layer named = {.name = "layer", .layer = packed};
  check(bitlinear_save(path, &named, 1, NULL, 0, "{\"made by\": \"an example\"}"), "save");
  bitlinear_packed_free(packed);

  bitlinear_file *file = NULL;
  check(bitlinear_open(path, &file), "open");
  const char *name = NULL;
  check(bitlinear_file_layer(file, 0, &name, &packed), "file_layer");
  bitlinear_packed_info info;
  check(bitlinear_packed_describe(packed, &info), "packed_describe");
  printf(
      "%s: %d x %d in %d bytes, %s\n", name, (int)info.out_features, (int)info.in_features,
      (int)info.byte_count, bitlinear_file_metadata(file));
  bitlinear_close(file);
  check(bitlinear_packed_forward(packed, x, TOKENS, IN, packed_y, OUT), "packed_forward");
  expect(memcmp(y, packed_y, sizeof y) == 0, "packed and latent layers give the same bits");
  bitlinear_packed_free(packed);

  // A layer over codes in memory of the caller's own, which are packed into it and never copied.
  int64_t bytes =
      bitlinear_codes_bytes(recipe.weights, OUT, IN, bitlinear_native_layout(recipe.weights));
  expect(bytes > 0, "a matrix of codes takes memory");
  uint8_t *own_codes = malloc((size_t)bytes);
  expect(own_codes != NULL, "there is memory for codes");
  float own_scales[2];
  check(bitlinear_pack_codes(&recipe, &layer, own_codes, own_scales), "pack_codes");
  check(
      bitlinear_packed_borrow(&info, own_codes, own_scales, NULL, NULL, NULL, &packed),
      "packed_borrow");
  check(bitlinear_packed_forward(packed, x, TOKENS, IN, packed_y, OUT), "packed_forward");
  expect(memcmp(y, packed_y, sizeof y) == 0, "borrowed codes give the same bits");
  bitlinear_packed_free(packed);
  free(own_codes);

  // A wrong argument is told, and nothing breaks.
  layer.groups = 3;
  int32_t status = bitlinear_forward(&recipe, &layer, x, TOKENS, IN, y, OUT);
  expect(status == BITLINEAR_MISMATCH, "3 groups do not divide 32 features");
  printf("as it should: %s\n", bitlinear_last_error());
  return 0;
}
