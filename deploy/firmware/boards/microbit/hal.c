/*
 * BBC micro:bit: nRF51822 (nRF51 Series Reference Manual 3.0), as QEMU models it. Its only UART is
 * the link; flash is its own, through the controller.
 *
 * There is no line left for a sensor: NODE_SIGNAL, a stretch of int16 milli-g linked in, is played
 * again and again at the student's rate, NODE_SIGNAL_SPEED times as fast. Whoever waits sleeps.
 */

#include "../node_board.h"

#include "../../node/bw_bytes.h"
#include "../../node/bw_hal.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* UART (section 29). */
#define UART(offset) REGISTER(0x40002000u + (offset))
#define UART_STARTRX UART(0x000u)
#define UART_STARTTX UART(0x008u)
#define UART_RXDRDY UART(0x108u)
#define UART_TXDRDY UART(0x11cu)
#define UART_INTENSET UART(0x304u)
#define UART_INTENCLR UART(0x308u)
#define UART_ENABLE UART(0x500u)
#define UART_RXD UART(0x518u)
#define UART_TXD UART(0x51cu)
enum { INT_RX = 1 << 2, INT_TX = 1 << 7, UART_ON = 4 };

/* TIMER0 (section 18), divided to 31,250 Hz; compare 0 wakes, capture 1 reads. */
#define TIMER(offset) REGISTER(0x40008000u + (offset))
#define TIMER_START TIMER(0x000u)
#define TIMER_CAPTURE1 TIMER(0x044u)
#define TIMER_COMPARE0 TIMER(0x140u)
#define TIMER_INTENSET TIMER(0x304u)
#define TIMER_BITMODE TIMER(0x508u)
#define TIMER_PRESCALER TIMER(0x510u)
#define TIMER_CC0 TIMER(0x540u)
#define TIMER_CC1 TIMER(0x544u)
enum { INT_COMPARE0 = 1 << 16, BITS_32 = 3, DIVIDE_BY_512 = 9, SLEEP_MS_MAX = 60000 };

/* Non-volatile memory controller (section 8). */
#define NVMC(offset) REGISTER(0x4001e000u + (offset))
#define NVMC_READY NVMC(0x400u)
#define NVMC_CONFIG NVMC(0x504u)
#define NVMC_ERASEPAGE NVMC(0x508u)
enum { READ_ONLY = 0, WRITE_ENABLE = 1, ERASE_ENABLE = 2 };

#define NVIC_ENABLE REGISTER(0xe000e100u)
enum { IRQ_UART = 2, IRQ_TIMER = 8 };

#define FLASH_ADDRESS 0x00030000u
enum { FLASH_BYTES = 64 * 1024, PAGE_BYTES = 1024 };
/* The last page before it. */
#define PROVISION_ADDRESS 0x0002fc00u

const bw_flash bw_hal_flash = {(const uint8_t *)FLASH_ADDRESS, FLASH_BYTES, PAGE_BYTES};
const uint8_t *const node_board_provision = (const uint8_t *)PROVISION_ADDRESS;

/* Bytes that have come and were not taken. When it is full the line is not read. */
enum { RING_BYTES = 256 };
static volatile uint32_t put;
static volatile uint32_t taken;
static uint8_t ring[RING_BYTES];

static void mask(void) { __asm__ volatile("cpsid i" ::: "memory"); }
static void unmask(void) { __asm__ volatile("cpsie i" ::: "memory"); }
/* Wakes for an interrupt also while they are masked, so that none is slept through. */
static void wait_masked(void) { __asm__ volatile("wfi" ::: "memory"); }

static void receive_bytes(void) {
  while (UART_RXDRDY != 0) {
    if (put - taken == RING_BYTES) {
      UART_INTENCLR = INT_RX;
      return;
    }
    UART_RXDRDY = 0;
    ring[put % RING_BYTES] = (uint8_t)UART_RXD;
    put += 1;
  }
}

void irq_2(void);
void irq_8(void);
void irq_2(void) {
  UART_INTENCLR = INT_TX;
  receive_bytes();
}
void irq_8(void) { TIMER_COMPARE0 = 0; }

uint32_t bw_hal_receive(uint8_t *bytes, uint32_t capacity) {
  uint32_t count = 0;
  for (; count < capacity && taken != put; count++) {
    bytes[count] = ring[taken % RING_BYTES];
    taken += 1;
  }
  mask();
  receive_bytes();
  if (put - taken < RING_BYTES) UART_INTENSET = INT_RX;
  unmask();
  return count;
}

bool bw_hal_transmit(const uint8_t *bytes, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) {
    UART_TXDRDY = 0;
    UART_TXD = bytes[i];
    mask();
    while (UART_TXDRDY == 0) {
      UART_INTENSET = INT_TX;
      wait_masked();
      unmask();
      mask();
    }
    unmask();
  }
  return true;
}

static uint32_t ticks_now(void) {
  TIMER_CAPTURE1 = 1;
  return TIMER_CC1;
}

/* Called at least once in 38 hours, which is when the counter has gone round. */
uint64_t bw_hal_clock(void) {
  static uint32_t before;
  static uint64_t ticks;
  uint32_t now = ticks_now();
  ticks += now - before;
  before = now;
  return ticks * 4 / 125;
}

static uint32_t signal_due_ms(void);

void bw_hal_sleep(uint32_t milliseconds) {
  if (milliseconds > SLEEP_MS_MAX) milliseconds = SLEEP_MS_MAX;
  uint32_t due_ms = signal_due_ms();
  if (milliseconds > due_ms) milliseconds = due_ms;
  if (milliseconds == 0) return;
  mask();
  TIMER_COMPARE0 = 0;
  TIMER_CC0 = ticks_now() + milliseconds * 125 / 4;
  if (put == taken) wait_masked();
  unmask();
}

static void wait_for_flash(void) {
  while (NVMC_READY == 0) {
    /* At most 22 ms, during which the processor is halted anyway (section 8.1.1). */
  }
}

bool bw_hal_flash_write(uint32_t address, const void *data, uint32_t length) {
  const uint8_t *from = (const uint8_t *)data;
  uint32_t unit = from == 0 ? PAGE_BYTES : BW_FLASH_UNIT;
  if (address > FLASH_BYTES || length > FLASH_BYTES - address) return false;
  if (address % unit != 0 || length % unit != 0) return false;
  NVMC_CONFIG = from == 0 ? ERASE_ENABLE : WRITE_ENABLE;
  wait_for_flash();
  for (uint32_t at = 0; at < length; at += from == 0 ? PAGE_BYTES : 4) {
    uint32_t to = FLASH_ADDRESS + address + at;
    if (from == 0) {
      NVMC_ERASEPAGE = to;
    } else {
      REGISTER(to) = bw_get_u32(from + at);
    }
    wait_for_flash();
  }
  NVMC_CONFIG = READ_ONLY;
  wait_for_flash();
  return true;
}

/* signal.S puts these around it. */
extern const uint8_t bw_signal[];
extern const uint8_t bw_signal_end[];

#define CHANNELS 3u
#define ROWS_MILLIHERTZ ((uint64_t)NODE_SIGNAL_CENTIHERTZ * 10u * NODE_SIGNAL_SPEED)

static uint32_t rows_taken;

/* Until the next row is due. */
static uint32_t signal_due_ms(void) {
  uint64_t due_ms = ((uint64_t)rows_taken + 1) * 1000000u / ROWS_MILLIHERTZ + 1;
  uint64_t now_ms = bw_hal_clock();
  return due_ms > now_ms ? (uint32_t)(due_ms - now_ms) : 0;
}

uint8_t node_board_samples(bw_samples *samples) {
  uint32_t length = (uint32_t)(bw_signal_end - bw_signal) / (2u * CHANNELS);
  uint32_t due = (uint32_t)(bw_hal_clock() * ROWS_MILLIHERTZ / 1000000u);
  if (due == rows_taken || length == 0) return 0;
  samples->start_sample = rows_taken;
  samples->time_ms = 0;
  samples->channels = CHANNELS;
  samples->rows = 0;
  while (rows_taken != due && samples->rows < BW_BUS_ROWS_MAX) {
    const uint8_t *row = bw_signal + 2u * CHANNELS * (rows_taken % length);
    for (uint32_t c = 0; c < CHANNELS; c++) {
      samples->millig[samples->rows * CHANNELS + c] = bw_get_i16(row + 2u * c);
    }
    samples->rows += 1;
    rows_taken += 1;
  }
  return 1;
}

void node_board_start(void) {
  TIMER_BITMODE = BITS_32;
  TIMER_PRESCALER = DIVIDE_BY_512;
  TIMER_INTENSET = INT_COMPARE0;
  TIMER_START = 1;
  UART_ENABLE = UART_ON;
  UART_STARTRX = 1;
  UART_STARTTX = 1;
  UART_INTENSET = INT_RX;
  NVIC_ENABLE = 1u << IRQ_UART | 1u << IRQ_TIMER;
}
