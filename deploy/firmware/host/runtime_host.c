/*
 * Runs containers through the runtime on the host, and writes down everything that it says.
 *
 *   'p' u32 count, count * 8192 bytes      windows of which students read as much as they want
 *   'm' u8 shift, u32 length, bytes        a container, so many bytes behind a multiple of four
 *        answers u8 code, and if that is BW_OK: u32 ram bytes, u8 exits, then for every window for
 *        each exit u16 features, the features, u8 classes and the logits as u16, and u16 codes, one
 *        a byte, after the exits; they must not change what these have said
 */
#include "../runtime/bw.h"
#include "host_io.h"

enum { WINDOW_BYTES = 8192 };

static uint8_t *pool;
static uint32_t windows;

static void put_exit(bw_exit exit, uint32_t classes) {
  put(exit.feature_count, 2);
  put_bytes(exit.features, exit.feature_count);
  put(classes, 1);
  for (uint32_t i = 0; i < classes; i++) put((uint16_t)exit.logits[i], 2);
}

/* Blocks of exactly the bytes that are allowed, so that a sanitizer sees one too far. */
static void *exactly(uint32_t bytes) {
  void *block = malloc(bytes);
  if (block == 0) exit(3);
  return block;
}

/* What the exits have said stays as it is. */
static void put_codes(bw_run *run, const int8_t *window, const bw_exit *last) {
  const bw_model *model = run->model;
  int16_t *said = (int16_t *)exactly(2u * model->classes);
  for (uint32_t i = 0; i < model->classes; i++) said[i] = last->logits[i];
  const uint8_t *codes = model->encoder == 0 ? 0 : bw_encode(run, window);
  put(model->encoder == 0 ? 0 : model->codes, 2);
  if (codes != 0) put_bytes(codes, model->codes);
  for (uint32_t i = 0; i < model->classes; i++) {
    if (said[i] != last->logits[i]) exit(5);
  }
  free(said);
}

static void run_windows(bw_run *run) {
  const bw_model *model = run->model;
  const uint32_t bytes = (uint32_t)model->window_samples * model->channels;
  int8_t *window = (int8_t *)exactly(bytes);
  for (uint32_t w = 0; w < windows; w++) {
    for (uint32_t i = 0; i < bytes; i++) window[i] = (int8_t)pool[w * WINDOW_BYTES + i];
    bw_begin(run, window);
    bw_exit last = {0, 0, 0};
    while (bw_exits_left(run) > 0) {
      last = bw_next_exit(run);
      put_exit(last, model->classes);
    }
    put_codes(run, window, &last);
  }
  free(window);
}

static bw_code run_container(const uint8_t *container, uint32_t length) {
  bw_model model;
  bw_run run;
  bw_code code = bw_load(&model, container, length);
  put((uint32_t)code, 1);
  if (code != BW_OK) return code;
  const uint32_t ram_bytes = bw_ram_bytes(&model);
  void *ram = exactly(ram_bytes);
  for (uint32_t i = 0; i < ram_bytes; i++) ((uint8_t *)ram)[i] = 0xa5;
  put(ram_bytes, 4);
  put(model.exits, 1);
  if (bw_open(&run, &model, ram, ram_bytes - 1) != BW_NO_RAM) exit(4);
  if (bw_open(&run, &model, ram, ram_bytes) != BW_OK) exit(4);
  run_windows(&run);
  free(ram);
  return code;
}

int main(int count, char **arguments) {
  if (!host_open(count, arguments)) return 2;
  for (int operation = host_next(); operation != EOF; operation = host_next()) {
    if (operation == 'p') {
      free(pool);
      windows = get(4);
      pool = get_bytes(windows * WINDOW_BYTES);
    } else if (operation == 'm') {
      const uint32_t shift = get(1);
      const uint32_t length = get(4);
      uint8_t *bytes = get_bytes(length);
      uint8_t *block = (uint8_t *)exactly(length + shift);
      for (uint32_t i = 0; i < length; i++) block[shift + i] = bytes[i];
      run_container(block + shift, length);
      free(block);
      free(bytes);
    } else {
      return 2;
    }
  }
  free(pool);
  return host_close();
}
