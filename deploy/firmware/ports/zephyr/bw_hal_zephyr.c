/*
 * The hardware layer on Zephyr: a UART to the gateway, and a partition of the internal flash.
 *
 * Written for the nRF52840, from Zephyr's documentation. It has not been compiled with Zephyr's headers
 * and has not run on a board. The application chooses the UART (alias `bellwether-uart`) and makes
 * room for the partition (label `bellwether_partition`): boards/nrf52840dk_nrf52840.overlay does both.
 */
#include <zephyr/device.h>
#include <zephyr/devicetree.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/init.h>
#include <zephyr/kernel.h>
#include <zephyr/storage/flash_map.h>
#include <zephyr/sys/ring_buffer.h>

#include "bw_hal.h"

/* A chunk of a release is 1 KB; the node asks for no more than it can take in. */
#define ARRIVED_BYTES 2048

/* What one erase of the nRF52840's NVMC clears. */
#define PAGE_BYTES 4096u

RING_BUF_DECLARE(arrived, ARRIVED_BYTES);
K_SEM_DEFINE(something_arrived, 0, 1);

static const struct device *const uart = DEVICE_DT_GET(DT_ALIAS(bellwether_uart));

/* The internal flash is mapped: a partition is read where its offset says. */
const bw_flash bw_hal_flash = {
    (const uint8_t *)(CONFIG_FLASH_BASE_ADDRESS + FIXED_PARTITION_OFFSET(bellwether_partition)),
    FIXED_PARTITION_SIZE(bellwether_partition),
    PAGE_BYTES,
};

/* In the interrupt: bytes that find no room are lost, and MQTT's framing then ends the connection. */
static void on_uart(const struct device *device, void *nothing) {
  uint8_t bytes[32];
  (void)nothing;
  while (uart_irq_update(device) > 0 && uart_irq_rx_ready(device) > 0) {
    const int count = uart_fifo_read(device, bytes, (int)sizeof bytes);
    if (count <= 0) break;
    (void)ring_buf_put(&arrived, bytes, (uint32_t)count);
    k_sem_give(&something_arrived);
  }
}

static int start(void) {
  if (!device_is_ready(uart)) return -ENODEV;
  const int failed = uart_irq_callback_user_data_set(uart, on_uart, NULL);
  if (failed != 0) return failed;
  uart_irq_rx_enable(uart);
  return 0;
}

SYS_INIT(start, APPLICATION, CONFIG_APPLICATION_INIT_PRIORITY);

bool bw_hal_transmit(const uint8_t *bytes, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) uart_poll_out(uart, bytes[i]);
  /* A UART does not know whether somebody listens: the node's own time-outs find out. */
  return true;
}

uint32_t bw_hal_receive(uint8_t *bytes, uint32_t capacity) {
  return ring_buf_get(&arrived, bytes, capacity);
}

uint64_t bw_hal_clock(void) { return (uint64_t)k_uptime_get(); }

void bw_hal_sleep(uint32_t milliseconds) {
  /* The kernel sleeps as deeply as the devices in use allow. */
  (void)k_sem_take(&something_arrived, K_MSEC(milliseconds));
}

bool bw_hal_flash_write(uint32_t address, const void *data, uint32_t length) {
  const struct flash_area *area;
  if (flash_area_open(FIXED_PARTITION_ID(bellwether_partition), &area) != 0) return false;
  const int failed = data == NULL ? flash_area_erase(area, (off_t)address, length)
                                  : flash_area_write(area, (off_t)address, data, length);
  flash_area_close(area);
  return failed == 0;
}
