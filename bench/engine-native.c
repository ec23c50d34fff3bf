/*
 * The C runtime on this machine, timed by turns with the engines of bench/engine.ts.
 *
 *   engine-native CONTAINER WINDOWS COUNT
 *
 * reads a model container and COUNT windows, or with GENERATED defined runs the student that was
 * compiled in, as `student.h`, and leaves the container alone. It prints one line with a hash of the
 * logits per exit (FNV-1a over int16 little-endian, window after window). Then each line of standard
 * input is a number of windows to run through all exits, and is answered by the processor's nanoseconds
 * that they took. It is a benchmark's program: it trusts its files, and the runtime checks the container.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bw.h"

enum { EXITS_MOST = 16 };

#ifdef GENERATED
#include "student.h"

static student_ram ram;

static int open_student(const void *container, uint32_t length) {
  return container != NULL && length > 0 && student_self_test(&ram);
}
static uint32_t exits(void) { return STUDENT_EXITS; }
static uint32_t classes(void) { return STUDENT_CLASSES; }
static void begin(const int8_t *window) { student_begin(&ram, window); }
static bw_exit next_exit(void) { return student_next_exit(&ram); }
#else
static bw_model model;
static bw_run run;

static int open_student(const void *container, uint32_t length) {
  if (bw_load(&model, container, length) != BW_OK) return 0;
  void *ram = malloc(bw_ram_bytes(&model));
  return ram != NULL && bw_open(&run, &model, ram, bw_ram_bytes(&model)) == BW_OK;
}
static uint32_t exits(void) { return model.exits; }
static uint32_t classes(void) { return model.classes; }
static void begin(const int8_t *window) { bw_begin(&run, window); }
static bw_exit next_exit(void) { return bw_next_exit(&run); }
#endif

static void *read_file(const char *name, uint32_t *length) {
  FILE *file = fopen(name, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) return NULL;
  long bytes = ftell(file);
  rewind(file);
  void *all = bytes > 0 ? malloc((size_t)bytes) : NULL;
  if (all != NULL && fread(all, 1, (size_t)bytes, file) != (size_t)bytes) all = NULL;
  fclose(file);
  *length = (uint32_t)bytes;
  return all;
}

static uint32_t hashed(uint32_t hash, const int16_t *logits, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    hash = (hash ^ ((uint32_t)logits[i] & 0xff)) * 0x01000193u;
    hash = (hash ^ (((uint32_t)logits[i] >> 8) & 0xff)) * 0x01000193u;
  }
  return hash;
}

static void print_hashes(const int8_t *windows, uint32_t count, uint32_t bytes) {
  uint32_t hashes[EXITS_MOST];
  for (uint32_t exit = 0; exit < EXITS_MOST; exit++) hashes[exit] = 0x811c9dc5u;
  for (uint32_t w = 0; w < count; w++) {
    begin(windows + w * bytes);
    for (uint32_t exit = 0; exit < exits() && exit < EXITS_MOST; exit++) {
      hashes[exit] = hashed(hashes[exit], next_exit().logits, classes());
    }
  }
  for (uint32_t exit = 0; exit < exits() && exit < EXITS_MOST; exit++) {
    printf("%lu ", (unsigned long)hashes[exit]);
  }
  printf("\n");
  fflush(stdout);
}

/* Of the processor, not of the clock on the wall. */
static double nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

int main(int count_of_words, char **words) {
  if (count_of_words != 4) return 2;
  uint32_t length = 0, windows_length = 0;
  const void *container = read_file(words[1], &length);
  const int8_t *windows = read_file(words[2], &windows_length);
  const uint32_t count = (uint32_t)atoi(words[3]);
  if (container == NULL || windows == NULL || count == 0) return 3;
  if (!open_student(container, length)) return 4;
  const uint32_t bytes = windows_length / count;
  print_hashes(windows, count, bytes);
  long wanted = 0;
  while (scanf("%ld", &wanted) == 1) {
    const double start = nanoseconds();
    for (long i = 0; i < wanted; i++) {
      begin(windows + ((uint32_t)i % count) * bytes);
      for (uint32_t exit = 0; exit < exits(); exit++) (void)next_exit();
    }
    printf("%.0f\n", nanoseconds() - start);
    fflush(stdout);
  }
  return 0;
}
