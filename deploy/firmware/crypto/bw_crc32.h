/* CRC-32 (IEEE 802.3, reflected, as in zlib): tells torn and decayed flash from whole. */
#ifndef BW_CRC32_H
#define BW_CRC32_H

#include <stdint.h>

/* The CRC of `length` bytes after others whose CRC was `crc`; 0 before the first. */
uint32_t bw_crc32(uint32_t crc, const void *data, uint32_t length);

#endif
