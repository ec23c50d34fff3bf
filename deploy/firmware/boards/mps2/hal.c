/*
 * Arm MPS2 with the AN385 or AN386 image (Arm DAI 0385, 0386), as QEMU models it: UART 0 is the
 * link, UART 1 the sensor bus, the 16 MB of memory at 0x21000000 stand for flash.
 *
 * Whoever waits sleeps: bytes come by interrupt, time by a timer's. That memory is QEMU's
 * `memory-backend`, which may be a file: then it outlives the emulator as flash would.
 */

#include "../node_board.h"

#include "../../node/bw_hal.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* CMSDK APB UART (Arm DDI 0479, section 4.3). */
#define UART_LINK 0x40004000u
#define UART_BUS 0x40005000u
#define UART_DATA(uart) REGISTER((uart) + 0x00u)
#define UART_STATE(uart) REGISTER((uart) + 0x04u)
#define UART_CTRL(uart) REGISTER((uart) + 0x08u)
#define UART_INTCLEAR(uart) REGISTER((uart) + 0x0cu)
#define UART_BAUDDIV(uart) REGISTER((uart) + 0x10u)
enum { TX_FULL = 1, RX_FULL = 2, TX_ENABLE = 1, RX_ENABLE = 2, TX_IRQ = 4, RX_IRQ = 8 };

/* CMSDK APB timers (section 4.2), 25 MHz, counting down: 0 wakes, 1 runs free. */
#define TIMER_WAKE 0x40000000u
#define TIMER_FREE 0x40001000u
#define TIMER_CTRL(timer) REGISTER((timer) + 0x00u)
#define TIMER_VALUE(timer) REGISTER((timer) + 0x04u)
#define TIMER_RELOAD(timer) REGISTER((timer) + 0x08u)
#define TIMER_INTCLEAR(timer) REGISTER((timer) + 0x0cu)
enum { TICKS_MS = 25000, TIMER_ENABLE = 1, TIMER_IRQ = 8, SLEEP_MS_MAX = 60000 };

/* Nested vectored interrupt controller (Armv7-M, B3.4): which interrupts there are on this board. */
#define NVIC_ENABLE REGISTER(0xe000e100u)
enum { IRQ_LINK_RX = 0, IRQ_LINK_TX = 1, IRQ_BUS_RX = 2, IRQ_TIMER = 8 };

#define FLASH_ADDRESS 0x21000000u
enum { FLASH_BYTES = 1024 * 1024, PAGE_BYTES = 4096 };
/* The last page of the memory that code lies in. */
#define PROVISION_ADDRESS 0x000ff000u

const bw_flash bw_hal_flash = {(const uint8_t *)FLASH_ADDRESS, FLASH_BYTES, PAGE_BYTES};
const uint8_t *const node_board_provision = (const uint8_t *)PROVISION_ADDRESS;

/* Bytes that have come and were not taken. A power of two each. When a ring is full its line is not
 * read, and whoever sends waits. */
enum { RING_BYTES = 2048 };
typedef struct ring {
  volatile uint32_t put;
  volatile uint32_t taken;
  uint8_t bytes[RING_BYTES];
} ring;

static ring link_ring;
static ring bus_ring;

static void receive_byte(uint32_t uart, ring *into) {
  UART_INTCLEAR(uart) = 2;
  while (UART_STATE(uart) & RX_FULL) {
    if (into->put - into->taken == RING_BYTES) {
      UART_CTRL(uart) &= ~(uint32_t)RX_IRQ;
      return;
    }
    into->bytes[into->put % RING_BYTES] = (uint8_t)UART_DATA(uart);
    into->put += 1;
  }
}

void irq_0(void);
void irq_1(void);
void irq_2(void);
void irq_8(void);
void irq_0(void) { receive_byte(UART_LINK, &link_ring); }
void irq_1(void) {
  UART_INTCLEAR(UART_LINK) = 1;
  UART_CTRL(UART_LINK) &= ~(uint32_t)TX_IRQ;
}
void irq_2(void) { receive_byte(UART_BUS, &bus_ring); }
void irq_8(void) { TIMER_INTCLEAR(TIMER_WAKE) = 1; }

static void mask(void) { __asm__ volatile("cpsid i" ::: "memory"); }
static void unmask(void) { __asm__ volatile("cpsie i" ::: "memory"); }
/* Wakes for an interrupt also while they are masked, so that none is slept through. */
static void wait_masked(void) { __asm__ volatile("wfi" ::: "memory"); }

static uint32_t take(uint32_t uart, ring *from, uint8_t *bytes, uint32_t capacity) {
  uint32_t count = 0;
  for (; count < capacity && from->taken != from->put; count++) {
    bytes[count] = from->bytes[from->taken % RING_BYTES];
    from->taken += 1;
  }
  mask();
  if (from->put - from->taken < RING_BYTES && !(UART_CTRL(uart) & RX_IRQ)) {
    UART_CTRL(uart) |= RX_IRQ;
    receive_byte(uart, from);
  }
  unmask();
  return count;
}

uint32_t bw_hal_receive(uint8_t *bytes, uint32_t capacity) {
  return take(UART_LINK, &link_ring, bytes, capacity);
}

bool bw_hal_transmit(const uint8_t *bytes, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) {
    mask();
    while (UART_STATE(UART_LINK) & TX_FULL) {
      UART_CTRL(UART_LINK) |= TX_IRQ;
      wait_masked();
      unmask();
      mask();
    }
    unmask();
    UART_DATA(UART_LINK) = bytes[i];
  }
  return true;
}

/* Called at least once in two and a half minutes, which is when the counter has gone round. */
uint64_t bw_hal_clock(void) {
  static uint32_t before;
  static uint64_t ticks;
  uint32_t now = ~TIMER_VALUE(TIMER_FREE);
  ticks += now - before;
  before = now;
  return ticks / TICKS_MS;
}

void bw_hal_sleep(uint32_t milliseconds) {
  if (milliseconds == 0) return;
  if (milliseconds > SLEEP_MS_MAX) milliseconds = SLEEP_MS_MAX;
  mask();
  TIMER_INTCLEAR(TIMER_WAKE) = 1;
  TIMER_VALUE(TIMER_WAKE) = milliseconds * TICKS_MS;
  if (link_ring.put == link_ring.taken && bus_ring.put == bus_ring.taken) wait_masked();
  unmask();
}

bool bw_hal_flash_write(uint32_t address, const void *data, uint32_t length) {
  uint8_t *to = (uint8_t *)(FLASH_ADDRESS + address);
  const uint8_t *from = (const uint8_t *)data;
  if (address > FLASH_BYTES || length > FLASH_BYTES - address) return false;
  uint32_t unit = from == 0 ? PAGE_BYTES : BW_FLASH_UNIT;
  if (address % unit != 0 || length % unit != 0) return false;
  for (uint32_t i = 0; i < length; i++) to[i] = from == 0 ? 0xff : (uint8_t)(to[i] & from[i]);
  return true;
}

uint8_t node_board_samples(bw_samples *samples) {
  static bw_sensor_bus bus;
  uint8_t byte;
  while (take(UART_BUS, &bus_ring, &byte, 1) == 1) {
    if (bw_bus_take(&bus, byte, samples)) return 1;
  }
  return 0;
}

void node_board_start(void) {
  static const uint32_t uarts[2] = {UART_LINK, UART_BUS};
  for (uint32_t i = 0; i < 2; i++) {
    UART_BAUDDIV(uarts[i]) = 217; /* 115,200 bit/s from 25 MHz */
    UART_CTRL(uarts[i]) = TX_ENABLE | RX_ENABLE | RX_IRQ;
  }
  TIMER_RELOAD(TIMER_FREE) = 0xffffffffu;
  TIMER_VALUE(TIMER_FREE) = 0xffffffffu;
  TIMER_CTRL(TIMER_FREE) = TIMER_ENABLE;
  TIMER_RELOAD(TIMER_WAKE) = 0xffffffffu;
  TIMER_CTRL(TIMER_WAKE) = TIMER_ENABLE | TIMER_IRQ;
  NVIC_ENABLE = 1u << IRQ_LINK_RX | 1u << IRQ_LINK_TX | 1u << IRQ_BUS_RX | 1u << IRQ_TIMER;
}
