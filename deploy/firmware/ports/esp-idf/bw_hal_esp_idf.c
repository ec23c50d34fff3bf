/*
 * The hardware layer on ESP-IDF: a TCP connection to the broker, and a data partition.
 *
 * Written for the ESP32-C3, from Espressif's documentation. It has not been compiled with ESP-IDF's
 * headers and has not run on a chip. Wi-Fi is the application's: it calls `bw_port_connect` when it
 * has an address, and again when `bw_port_is_connected` says that the connection is gone.
 */
#include "bw_port_esp_idf.h"

#include <errno.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#include "bw_hal.h"
#include "esp_partition.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "lwip/sockets.h"

#define PAGE_BYTES 4096u
#define STORE_BYTES (64u * 1024u)
/* A broker that has vanished without a word would hold the loop for minutes, and samples be lost. */
#define SEND_SECONDS 5

/* The node reads flash as memory at an address that is known when it is linked, which a mapping made
 * at run time is not: the partition is kept in RAM as well. */
static uint8_t mirror[STORE_BYTES] __attribute__((aligned(16)));
const bw_flash bw_hal_flash = {mirror, STORE_BYTES, PAGE_BYTES};

static const esp_partition_t *store;
static int broker = -1;

bool bw_port_open_store(void) {
  store = esp_partition_find_first(ESP_PARTITION_TYPE_DATA, ESP_PARTITION_SUBTYPE_ANY, "bellwether");
  if (store == NULL || store->size < STORE_BYTES) return false;
  return esp_partition_read(store, 0, mirror, STORE_BYTES) == ESP_OK;
}

static void hang_up(void) {
  if (broker >= 0) (void)close(broker);
  broker = -1;
}

bool bw_port_connect(const struct sockaddr_in *address) {
  const struct timeval most = {SEND_SECONDS, 0};
  hang_up();
  broker = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
  if (broker < 0) return false;
  if (setsockopt(broker, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most) == 0 &&
      connect(broker, (const struct sockaddr *)address, sizeof *address) == 0) {
    return true;
  }
  hang_up();
  return false;
}

bool bw_port_is_connected(void) { return broker >= 0; }

bool bw_hal_transmit(const uint8_t *bytes, uint32_t length) {
  while (length > 0) {
    const ssize_t sent = broker < 0 ? -1 : send(broker, bytes, length, 0);
    if (sent <= 0) {
      /* Half a packet may have gone: nothing that follows it would be understood. */
      hang_up();
      return false;
    }
    bytes += sent;
    length -= (uint32_t)sent;
  }
  return true;
}

uint32_t bw_hal_receive(uint8_t *bytes, uint32_t capacity) {
  if (broker < 0) return 0;
  const ssize_t count = recv(broker, bytes, capacity, MSG_DONTWAIT);
  if (count > 0) return (uint32_t)count;
  if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
    /* The other end has gone: the next transmit says so. */
    hang_up();
  }
  return 0;
}

uint64_t bw_hal_clock(void) { return (uint64_t)esp_timer_get_time() / 1000u; }

void bw_hal_sleep(uint32_t milliseconds) {
  if (broker < 0) {
    vTaskDelay(pdMS_TO_TICKS(milliseconds));
    return;
  }
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(broker, &readable);
  struct timeval most = {(time_t)(milliseconds / 1000u), (suseconds_t)(milliseconds % 1000u) * 1000};
  /* Light sleep meanwhile is the power manager's: CONFIG_PM_ENABLE and esp_pm_configure. */
  (void)select(broker + 1, &readable, NULL, NULL, &most);
}

bool bw_hal_flash_write(uint32_t address, const void *data, uint32_t length) {
  if (store == NULL || address > STORE_BYTES || length > STORE_BYTES - address) return false;
  if (data == NULL) {
    if (esp_partition_erase_range(store, address, length) != ESP_OK) return false;
    memset(mirror + address, 0xff, length);
    return true;
  }
  if (esp_partition_write(store, address, data, length) != ESP_OK) return false;
  /* What can be read back is what the flash holds, not what was meant to be there. */
  return esp_partition_read(store, address, mirror + address, length) == ESP_OK;
}
