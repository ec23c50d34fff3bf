/*
 * The whole node as a program of the host, over flash whose power can be cut; driven by
 * test/firmware-node-host.test.ts.
 *
 *   'N' u32 page, u32 length                              flash like new
 *   'B' u16 length, block, u32 length, factory, u48 now   switched on -> u8 provisioned, u8 code
 *   'X' u32 operation, u8 torn                            the power will be cut there
 *   'F' u48 now, u16 length, bytes                        from the broker
 *   'S' u48 now, u48 wall clock, u16 length, bytes        from the sensor
 *   'K' u48 now                                           time passes
 *   'C' u8 percent                                        what the battery holds
 *   'W' u8 length                                         of the firmware's name, the same
 *   'O' u32 bytes                                         of the outbox, from the next start on
 *   'J' u8 journal, u16 length, bytes                     a record written -> u8
 *   'j' u8 journal                                        opened -> u32 version, u16 length, bytes
 *
 * After B, F, S, K: u8 1 where the power was cut, u32 length and bytes that were sent, u32 windows,
 * u32 frames that could not be read.
 */
#include "../node/bw_hal.h"
#include "../node/bw_node.h"
#include "host_io.h"
#include "update_flash.h"
#include <string.h>

enum { SENT_ROOM = 1 << 20, STUDENT_BYTES = 32768, VALUES = 3072, ENTRIES = 64, BYTES = 8192 };

static uint8_t sent[SENT_ROOM];
static uint32_t sent_length;
static bw_node node;
static bw_provision provision;
static bw_sensor_bus bus;
static uint8_t *block;
static uint8_t *factory;
static uint32_t factory_length;
static uint8_t is_on;

static uint32_t student[STUDENT_BYTES / 4];
static int16_t ring[VALUES];
static int8_t window[VALUES];
static bw_outbox_entry entries[ENTRIES];
static uint8_t outbox[BYTES];
static uint8_t packet[4608];
static uint32_t outbox_bytes = BYTES;
static const char NAME[] = "host 0123456789 0123456789 0123456789";
static uint8_t name_length = 4;

bool bw_hal_transmit(const uint8_t *bytes, uint32_t length) {
  if (length > SENT_ROOM - sent_length) exit(3);
  memcpy(sent + sent_length, bytes, length);
  sent_length += length;
  return true;
}

static bw_time at(uint64_t now) {
  bw_time time = {now, 1760000000000u + now};
  return time;
}

/* What is left of a program whose power was cut lies in flash alone. */
static void put_after(uint8_t cut) {
  if (cut) is_on = 0;
  put(cut, 1);
  put(sent_length, 4);
  put_bytes(sent, sent_length);
  put(is_on ? node.next_window : 0, 4);
  put(is_on ? node.bad_frames : 0, 4);
  sent_length = 0;
}

/* Does it, unless the power is cut before it is done: then 1. */
static uint8_t attempt(void (*act)(void)) {
  if (setjmp(power_cut) != 0) return 1;
  act();
  return 0;
}

/* What the present operation was given. */
static uint64_t now_ms;
static uint64_t wall_ms;
static uint32_t given_length;
static uint8_t *given;
static bw_boot_code code;

static void switch_on(void) {
  bw_node_memory memory = {student, sizeof student, ring,   window, VALUES, entries,
                           ENTRIES, outbox,         outbox_bytes, packet, sizeof packet};
  code = bw_node_boot(&node, &provision, &memory, factory, factory_length, at(now_ms));
  is_on = code == BW_BOOTED;
}

static uint64_t get_u48(void) {
  uint64_t low = get(4);
  return low | (uint64_t)get(2) << 32;
}

static void boot(void) {
  uint32_t length = get(2);
  free(block);
  free(factory);
  block = get_bytes(length);
  factory_length = get(4);
  /* Containers lie on a multiple of four, as malloc gives it. */
  factory = get_bytes(factory_length);
  now_ms = get_u48();
  is_on = 0;
  code = BW_BAD_FACTORY;
  memset(&node, 0xa5, sizeof node);
  bw_bus_start(&bus);
  node.firmware.text = NAME;
  node.firmware.length = name_length;
  uint8_t provisioned = bw_read_provision(&provision, block, length);
  uint8_t cut = provisioned ? attempt(switch_on) : 0;
  put(provisioned, 1);
  put(code, 1);
  put_after(cut);
}

static void from_broker(void) {
  if (is_on) bw_node_receive(&node, given, given_length, at(now_ms));
}

static void from_sensor(void) {
  bw_samples samples;
  for (uint32_t i = 0; i < given_length; i++) {
    if (!bw_bus_take(&bus, given[i], &samples)) continue;
    bw_time time = {now_ms, samples.time_ms != 0 ? samples.time_ms : wall_ms};
    if (is_on) bw_node_samples(&node, &samples, time);
  }
}

static void time_passes(void) {
  if (is_on) bw_node_tick(&node, at(now_ms));
}

static void step(int operation) {
  now_ms = get_u48();
  wall_ms = operation == 'S' ? get_u48() : 0;
  given_length = operation == 'K' ? 0 : get(2);
  given = get_bytes(given_length);
  put_after(attempt(operation == 'F'   ? from_broker
                    : operation == 'S' ? from_sensor
                                       : time_passes));
  free(given);
}

static bw_journal journals[2];
static uint32_t which;
static uint8_t written;

static void append(void) { written = bw_journal_write(&journals[which], given, given_length); }

static void write_journal(void) {
  which = get(1);
  given_length = get(2);
  given = get_bytes(given_length);
  put(attempt(append) ? 255 : written, 1);
  free(given);
}

static void open_journal(void) {
  which = get(1);
  bw_journal_open(&journals[which], 2 * which * bw_hal_flash.page_bytes);
  put(journals[which].version, 4);
  put(journals[which].length, 2);
  put_bytes(journals[which].bytes, journals[which].length);
}

int main(int count, char **arguments) {
  if (!host_open(count, arguments)) return 2;
  for (int operation = host_next(); operation != EOF; operation = host_next()) {
    if (operation == 'N') {
      uint32_t page_bytes = get(4);
      flash_format(page_bytes, get(4));
    }
    if (operation == 'X') {
      uint32_t when = get(4);
      flash_cut_at(when, (uint8_t)get(1));
    }
    if (operation == 'B') boot();
    if (operation == 'F' || operation == 'S' || operation == 'K') step(operation);
    if (operation == 'C') bw_node_battery(&node, (uint8_t)get(1));
    if (operation == 'W') name_length = (uint8_t)get(1);
    if (operation == 'O') outbox_bytes = get(4);
    if (operation == 'J') write_journal();
    if (operation == 'j') open_journal();
  }
  free(block);
  free(factory);
  return host_close();
}
