/* What an ESP-IDF application calls before it starts a node. Not compiled with ESP-IDF, see the .c. */
#ifndef BW_PORT_ESP_IDF_H
#define BW_PORT_ESP_IDF_H

#include <stdbool.h>

#include "lwip/sockets.h"

/* Reads the partition `bellwether` (partitions.csv) into RAM. False: it is missing or too small. */
bool bw_port_open_store(void);

/* Connects to the broker, giving up an older connection. False: nobody answers. */
bool bw_port_connect(const struct sockaddr_in *address);

/* Whether that connection is still there, as far as is known: ask before each turn of the loop. */
bool bw_port_is_connected(void);

#endif
