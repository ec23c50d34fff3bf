/*
 * The hardware layer on an STM32L4 with ST's HAL: a UART to the gateway, and the end of the flash.
 *
 * Written from ST's documentation (UM1884). It has not been compiled with ST's headers and has not run
 * on a board. Clocks, pins and `huart2` are what STM32CubeMX generates; the UART's interrupt is on.
 * The linker script must keep the program out of BELLWETHER_STORE_ADDRESS and what follows.
 */
#include <string.h>

#include "bw_hal.h"
#include "stm32l4xx_hal.h"

/* The last 128 KB of an STM32L476's 1 MB, all of it in bank 2. */
#ifndef BELLWETHER_STORE_ADDRESS
#define BELLWETHER_STORE_ADDRESS 0x080E0000u
#define BELLWETHER_STORE_BYTES 0x20000u
#endif
#define SECOND_BANK 0x08080000u

#define ARRIVED_BYTES 2048u /* a power of two; a chunk of a release is 1 KB */
#define TRANSMIT_MS 1000u   /* for 512 bytes, at 115,200 baud 45 ms */

extern UART_HandleTypeDef huart2;

const bw_flash bw_hal_flash = {
    (const uint8_t *)BELLWETHER_STORE_ADDRESS, BELLWETHER_STORE_BYTES, FLASH_PAGE_SIZE};

static uint8_t arrived[ARRIVED_BYTES];
static volatile uint32_t written, taken; /* counts of bytes; the difference is what waits */
static uint8_t next;
static volatile bool deaf; /* nothing is being received, and nobody will tell */

/* The HAL of before 2021 refuses this from an interrupt while a transmission holds its lock. Whoever
 * receives next tries again. */
static void listen(void) { deaf = HAL_UART_Receive_IT(&huart2, &next, 1) != HAL_OK; }

/* Call once after MX_USART2_UART_Init. */
void bw_port_start(void) { listen(); }

/* In the interrupt: bytes that find no room are lost, and MQTT's framing then ends the connection. */
void HAL_UART_RxCpltCallback(UART_HandleTypeDef *huart) {
  if (huart != &huart2) return;
  if (written - taken < ARRIVED_BYTES) arrived[written++ % ARRIVED_BYTES] = next;
  listen();
}

/* An overrun ends the reception; it begins anew. */
void HAL_UART_ErrorCallback(UART_HandleTypeDef *huart) {
  if (huart == &huart2) listen();
}

bool bw_hal_transmit(const uint8_t *bytes, uint32_t length) {
  while (length > 0) {
    const uint16_t count = length < 512u ? (uint16_t)length : 512u;
    if (HAL_UART_Transmit(&huart2, (uint8_t *)bytes, count, TRANSMIT_MS) != HAL_OK) return false;
    bytes += count;
    length -= count;
  }
  return true;
}

uint32_t bw_hal_receive(uint8_t *bytes, uint32_t capacity) {
  uint32_t count = 0;
  if (deaf) listen();
  while (count < capacity && taken != written) bytes[count++] = arrived[taken++ % ARRIVED_BYTES];
  return count;
}

/* HAL_GetTick wraps after 49 days: a wrap is seen because the node asks every few seconds. */
uint64_t bw_hal_clock(void) {
  static uint32_t before;
  static uint64_t wraps;
  const uint32_t now = HAL_GetTick();
  if (now < before) wraps += (uint64_t)1 << 32;
  before = now;
  return wraps + now;
}

/* The tick wakes the processor every millisecond. For years on a battery replace this by stop mode
 * with a low-power timer, and let the clock count what was slept. */
void bw_hal_sleep(uint32_t milliseconds) {
  const uint32_t start = HAL_GetTick();
  while (taken == written && !deaf && HAL_GetTick() - start < milliseconds) __WFI();
}

static HAL_StatusTypeDef erase(uint32_t address, uint32_t length) {
  FLASH_EraseInitTypeDef pages;
  uint32_t failed_page;
  const uint32_t at = BELLWETHER_STORE_ADDRESS + address;
  memset(&pages, 0, sizeof pages);
  pages.TypeErase = FLASH_TYPEERASE_PAGES;
  pages.Banks = at < SECOND_BANK ? FLASH_BANK_1 : FLASH_BANK_2;
  pages.Page = (at - (at < SECOND_BANK ? FLASH_BASE : SECOND_BANK)) / FLASH_PAGE_SIZE;
  pages.NbPages = length / FLASH_PAGE_SIZE;
  return HAL_FLASHEx_Erase(&pages, &failed_page);
}

/* Double words, the unit of the flash's error correction: BW_FLASH_UNIT is two of them. */
static HAL_StatusTypeDef program(uint32_t address, const uint8_t *data, uint32_t length) {
  HAL_StatusTypeDef status = HAL_OK;
  for (uint32_t at = 0; at < length && status == HAL_OK; at += 8) {
    uint64_t word;
    memcpy(&word, data + at, 8);
    const uint32_t to = BELLWETHER_STORE_ADDRESS + address + at;
    status = HAL_FLASH_Program(FLASH_TYPEPROGRAM_DOUBLEWORD, to, word);
  }
  return status;
}

bool bw_hal_flash_write(uint32_t address, const void *data, uint32_t length) {
  if (address > BELLWETHER_STORE_BYTES || length > BELLWETHER_STORE_BYTES - address) return false;
  if (length % (data == NULL ? FLASH_PAGE_SIZE : BW_FLASH_UNIT) != 0) return false;
  if (HAL_FLASH_Unlock() != HAL_OK) return false;
  __HAL_FLASH_CLEAR_FLAG(FLASH_FLAG_ALL_ERRORS);
  const HAL_StatusTypeDef status =
      data == NULL ? erase(address, length) : program(address, (const uint8_t *)data, length);
  (void)HAL_FLASH_Lock();
  return status == HAL_OK;
}
