/**
 * Stubs of three SDKs' headers, by their paths: as much as the ports in `deploy/firmware/ports` name,
 * declared as the SDKs' documentation has it.
 *
 * They are no SDKs. What compiles against them has its own types and spelling right, and nothing more
 * is shown: not that the real headers agree, not that anything links or runs.
 */

/** Zephyr 4: https://docs.zephyrproject.org/latest/doxygen/html/ */
const ZEPHYR = {
  "zephyr/device.h": `#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct device;
bool device_is_ready(const struct device *dev);`,
  "zephyr/devicetree.h": `#pragma once
#include <zephyr/device.h>
extern const struct device stub_uart;
#define DT_ALIAS(alias) stub_uart
#define DEVICE_DT_GET(node) (&node)`,
  "zephyr/drivers/uart.h": `#pragma once
#include <errno.h>
#include <zephyr/device.h>
typedef void (*uart_irq_callback_user_data_t)(const struct device *dev, void *user_data);
int uart_irq_callback_user_data_set(const struct device *dev, uart_irq_callback_user_data_t cb,
                                    void *user_data);
int uart_irq_update(const struct device *dev);
int uart_irq_rx_ready(const struct device *dev);
void uart_irq_rx_enable(const struct device *dev);
int uart_fifo_read(const struct device *dev, uint8_t *rx_data, const int size);
void uart_poll_out(const struct device *dev, unsigned char out_char);`,
  "zephyr/init.h": `#pragma once
#define CONFIG_APPLICATION_INIT_PRIORITY 90
#define SYS_INIT(function, level, priority) int (*const stub_init)(void) = function`,
  "zephyr/kernel.h": `#pragma once
#include <stdint.h>
struct k_sem { unsigned int count; };
typedef struct { int64_t ticks; } k_timeout_t;
k_timeout_t stub_timeout(uint32_t ms);
#define K_MSEC(ms) stub_timeout(ms)
#define K_SEM_DEFINE(name, initial, limit) struct k_sem name = {initial}
void k_sem_give(struct k_sem *sem);
int k_sem_take(struct k_sem *sem, k_timeout_t timeout);
int64_t k_uptime_get(void);`,
  "zephyr/storage/flash_map.h": `#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#define CONFIG_FLASH_BASE_ADDRESS 0x0
#define FIXED_PARTITION_ID(label) 4
#define FIXED_PARTITION_OFFSET(label) 0x82000
#define FIXED_PARTITION_SIZE(label) 0x40000
struct flash_area;
int flash_area_open(uint8_t id, const struct flash_area **fa);
void flash_area_close(const struct flash_area *fa);
int flash_area_write(const struct flash_area *fa, off_t off, const void *src, size_t len);
int flash_area_erase(const struct flash_area *fa, off_t off, size_t len);`,
  "zephyr/sys/ring_buffer.h": `#pragma once
#include <stdint.h>
struct ring_buf { uint8_t *buffer; uint32_t size; };
#define RING_BUF_DECLARE(name, size8) \\
  static uint8_t stub_##name[size8]; static struct ring_buf name = {stub_##name, size8}
uint32_t ring_buf_put(struct ring_buf *buf, const uint8_t *data, uint32_t size);
uint32_t ring_buf_get(struct ring_buf *buf, uint8_t *data, uint32_t size);`,
};

/** ESP-IDF 5: https://docs.espressif.com/projects/esp-idf/en/stable/esp32c3/api-reference/ */
const ESP_IDF = {
  "esp_partition.h": `#pragma once
#include <stddef.h>
#include <stdint.h>
typedef int esp_err_t;
#define ESP_OK 0
typedef enum { ESP_PARTITION_TYPE_APP = 0, ESP_PARTITION_TYPE_DATA = 1 } esp_partition_type_t;
typedef enum { ESP_PARTITION_SUBTYPE_ANY = 0xff } esp_partition_subtype_t;
typedef struct { esp_partition_type_t type; uint32_t address; uint32_t size; } esp_partition_t;
const esp_partition_t *esp_partition_find_first(esp_partition_type_t type,
                                                esp_partition_subtype_t subtype, const char *label);
esp_err_t esp_partition_read(const esp_partition_t *partition, size_t src_offset, void *dst,
                             size_t size);
esp_err_t esp_partition_write(const esp_partition_t *partition, size_t dst_offset,
                              const void *src, size_t size);
esp_err_t esp_partition_erase_range(const esp_partition_t *partition, size_t offset,
                                    size_t size);`,
  "esp_timer.h": "#pragma once\n#include <stdint.h>\nint64_t esp_timer_get_time(void);",
  "freertos/FreeRTOS.h": `#pragma once
#include <stdint.h>
typedef uint32_t TickType_t;
#define pdMS_TO_TICKS(ms) ((TickType_t)((uint64_t)(ms) * 100u / 1000u))`,
  "freertos/task.h":
    '#pragma once\n#include "freertos/FreeRTOS.h"\nvoid vTaskDelay(const TickType_t ticks);',
  // lwIP's sockets are the system's own by design.
  "lwip/sockets.h":
    "#pragma once\n#include <netinet/in.h>\n#include <sys/socket.h>\n#include <sys/time.h>",
};

/** STM32CubeL4: UM1884, Description of STM32L4/L4+ HAL and low-layer drivers. */
const STM32L4 = {
  "stm32l4xx_hal.h": `#pragma once
#include <stdint.h>
typedef enum { HAL_OK = 0, HAL_ERROR = 1, HAL_BUSY = 2, HAL_TIMEOUT = 3 } HAL_StatusTypeDef;
typedef struct { void *Instance; } UART_HandleTypeDef;
typedef struct { uint32_t TypeErase; uint32_t Banks; uint32_t Page; uint32_t NbPages; }
  FLASH_EraseInitTypeDef;
#define FLASH_BASE 0x08000000u
#define FLASH_PAGE_SIZE 0x800u
#define FLASH_BANK_1 1u
#define FLASH_BANK_2 2u
#define FLASH_TYPEERASE_PAGES 0u
#define FLASH_TYPEPROGRAM_DOUBLEWORD 0u
#define FLASH_FLAG_ALL_ERRORS 0xc3fau
void stub_clear_flags(uint32_t flags);
#define __HAL_FLASH_CLEAR_FLAG(flags) stub_clear_flags(flags)
void stub_wait(void);
#define __WFI() stub_wait()
uint32_t HAL_GetTick(void);
HAL_StatusTypeDef HAL_UART_Receive_IT(UART_HandleTypeDef *huart, uint8_t *pData, uint16_t Size);
HAL_StatusTypeDef HAL_UART_Transmit(UART_HandleTypeDef *huart, const uint8_t *pData, uint16_t Size,
                                    uint32_t Timeout);
void HAL_UART_RxCpltCallback(UART_HandleTypeDef *huart);
void HAL_UART_ErrorCallback(UART_HandleTypeDef *huart);
void bw_port_start(void);
HAL_StatusTypeDef HAL_FLASH_Unlock(void);
HAL_StatusTypeDef HAL_FLASH_Lock(void);
HAL_StatusTypeDef HAL_FLASH_Program(uint32_t TypeProgram, uint32_t Address, uint64_t Data);
HAL_StatusTypeDef HAL_FLASHEx_Erase(FLASH_EraseInitTypeDef *pEraseInit, uint32_t *PageError);`,
};

export const PORT_STUBS: Readonly<
  Record<string, { readonly source: string; readonly headers: Readonly<Record<string, string>> }>
> = {
  zephyr: { source: "zephyr/bw_hal_zephyr.c", headers: ZEPHYR },
  "esp-idf": { source: "esp-idf/bw_hal_esp_idf.c", headers: ESP_IDF },
  stm32: { source: "stm32/bw_hal_stm32l4.c", headers: STM32L4 },
};
