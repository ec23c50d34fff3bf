/*
 * The node's program, the same on every board: memory, the loop, and nothing else.
 *
 * How much memory a board spares is decided where it is built (NODE_... below); the firmware's name
 * and the model that it was made with come from there as well.
 */

#include "../node/bw_hal.h"
#include "../node/bw_node.h"
#include "board.h"
#include "node_board.h"

#ifndef NODE_STUDENT_BYTES
#define NODE_STUDENT_BYTES 32768u
#endif
#ifndef NODE_WINDOW_VALUES
#define NODE_WINDOW_VALUES 3072u
#endif
#ifndef NODE_OUTBOX_ENTRIES
#define NODE_OUTBOX_ENTRIES 128u
#endif
#ifndef NODE_OUTBOX_BYTES
#define NODE_OUTBOX_BYTES 16384u
#endif
#ifndef NODE_PACKET_BYTES
/* The longest offer is 68 bytes, some 200, and 8 for each of 512 chunks. */
#define NODE_PACKET_BYTES 4608u
#endif

/* factory.S puts the container between these. */
extern const uint8_t bw_factory[];
extern const uint8_t bw_factory_end[];

/* Exit codes, for whoever runs it under a debugger. */
enum { NOT_PROVISIONED = 64, CANNOT_BOOT = 65 };

static const char FIRMWARE[] = "bellwether-fw 0.1.0";

static uint32_t student[NODE_STUDENT_BYTES / 4];
static int16_t ring[NODE_WINDOW_VALUES];
static int8_t window[NODE_WINDOW_VALUES];
static bw_outbox_entry entries[NODE_OUTBOX_ENTRIES];
static uint8_t outbox[NODE_OUTBOX_BYTES];
static uint8_t packet[NODE_PACKET_BYTES];
static bw_node node;
static bw_provision provision;

/* Milliseconds since 1970, from the debugger's clock: these boards have none that runs on. */
static uint64_t wall_ms(uint64_t uptime_ms) {
  static uint64_t switched_on_ms;
  if (switched_on_ms == 0) switched_on_ms = 1000u * (uint64_t)board_seconds() - uptime_ms;
  return switched_on_ms + uptime_ms;
}

static bw_time now(void) {
  uint64_t uptime_ms = bw_hal_clock();
  bw_time at = {uptime_ms, wall_ms(uptime_ms)};
  return at;
}

static void boot(void) {
  bw_node_memory memory = {
      .student = student,
      .student_bytes = sizeof student,
      .ring = ring,
      .window = window,
      .window_values = NODE_WINDOW_VALUES,
      .entries = entries,
      .entry_count = NODE_OUTBOX_ENTRIES,
      .outbox = outbox,
      .outbox_bytes = sizeof outbox,
      .packet = packet,
      .packet_bytes = sizeof packet,
  };
  uint32_t length = (uint32_t)(bw_factory_end - bw_factory);
  if (!bw_read_provision(&provision, node_board_provision, NODE_PROVISION_BYTES)) {
    board_write("this node was not told who it is\n");
    board_exit(NOT_PROVISIONED);
  }
  node.firmware.text = FIRMWARE;
  node.firmware.length = sizeof FIRMWARE - 1;
  bw_boot_code code = bw_node_boot(&node, &provision, &memory, bw_factory, length, now());
  if (code != BW_BOOTED) {
    board_write(code == BW_NO_FLASH ? "too little flash\n" : "no usable model, or no room\n");
    board_exit(CANNOT_BOOT);
  }
}

static void take_link(void) {
  uint8_t bytes[64];
  for (;;) {
    uint32_t count = bw_hal_receive(bytes, sizeof bytes);
    if (count == 0) return;
    bw_node_receive(&node, bytes, count, now());
  }
}

static void take_sensor(void) {
  static bw_samples samples;
  while (node_board_samples(&samples)) {
    bw_time at = now();
    if (samples.time_ms != 0) at.wall_ms = samples.time_ms;
    bw_node_samples(&node, &samples, at);
    take_link();
  }
}

#ifdef NODE_TELL_STACK
/* For measurements: how much of the stack was ever used, told whenever it grows. */
#define PAINT 0xa5a5a5a5u
extern uint32_t __stack_limit[];
extern uint32_t __stack_top[];

static void paint_stack(void) {
  uint32_t here;
  uintptr_t below = (uintptr_t)&here - 64;
  for (uint32_t *word = __stack_limit; (uintptr_t)word < below; word++) *word = PAINT;
}

static void tell_stack(void) {
  static uint32_t told;
  uint32_t *word = __stack_limit;
  while (*word == PAINT) word++;
  uint32_t used = (uint32_t)(__stack_top - word) * 4;
  if (used == told) return;
  told = used;
  board_write("stack ");
  board_write_number(used);
  board_write("\n");
}
#else
static void paint_stack(void) {}
static void tell_stack(void) {}
#endif

int main(void) {
  paint_stack();
  node_board_start();
  boot();
  for (;;) {
    take_link();
    take_sensor();
    bw_node_tick(&node, now());
    tell_stack();
    bw_hal_sleep(bw_node_idle_ms(&node, bw_hal_clock()));
  }
}
