/*
 * What a board of the node brings beyond bw_hal.h: a sensor, and where it was told who it is.
 */
#ifndef NODE_BOARD_H
#define NODE_BOARD_H

#include <stdint.h>

#include "../node/bw_sensor_bus.h"

/* Clocks, serial lines and interrupts. Before anything of bw_hal.h. */
void node_board_start(void);

/* The next samples that have come. 0: none. */
uint8_t node_board_samples(bw_samples *samples);

/* The provisioning block, and how far it may reach. */
extern const uint8_t *const node_board_provision;
#define NODE_PROVISION_BYTES 1024u

#endif
