/*
 * A target for libFuzzer: any bytes as a container, and what is accepted runs a window.
 *
 * Built by test/firmware-fuzz.test.ts with clang's sanitizers. The announced length is set right
 * first, so that the fuzzer does not spend its time on finding that; 'the length is wrong' has a
 * test of its own.
 */
#include <stdlib.h>

#include "../runtime/bw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exactly as many bytes as allowed, so that one more is seen. */
static uint8_t *block_of(size_t bytes) {
  uint8_t *block = (uint8_t *)malloc(bytes > 0 ? bytes : 1);
  if (block == 0) abort();
  return block;
}

static void run(const bw_model *model) {
  const uint32_t window_bytes = (uint32_t)model->window_samples * model->channels;
  uint8_t *ram = block_of(bw_ram_bytes(model));
  uint8_t *window = block_of(window_bytes);
  for (uint32_t i = 0; i < window_bytes; i++) window[i] = (uint8_t)(i * 2654435761u >> 24);
  bw_run student;
  if (bw_open(&student, model, ram, bw_ram_bytes(model)) != BW_OK) abort();
  bw_begin(&student, (const int8_t *)window);
  uint32_t sum = 0;
  while (bw_exits_left(&student) > 0) {
    bw_exit exit = bw_next_exit(&student);
    for (uint32_t i = 0; i < model->classes; i++) sum += (uint32_t)exit.logits[i];
    for (uint32_t i = 0; i < exit.feature_count; i++) sum += (uint32_t)exit.features[i];
  }
  const uint8_t *codes = model->encoder == 0 ? 0 : bw_encode(&student, (const int8_t *)window);
  for (uint32_t i = 0; codes != 0 && i < model->codes; i++) sum += codes[i];
  volatile uint32_t said = sum;
  (void)said;
  free(window);
  free(ram);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t *bytes = block_of(size);
  for (size_t i = 0; i < size; i++) bytes[i] = data[i];
  for (uint32_t i = 0; i < 4 && size >= 12; i++) bytes[8 + i] = (uint8_t)(size >> (8 * i));
  bw_model model;
  if (bw_load(&model, bytes, (uint32_t)size) == BW_OK) run(&model);
  free(bytes);
  return 0;
}
