/* The GRU's two tables, 257 nodes each; docs/FORMATS.md says of what, and how to read between. */
#ifndef BW_GATE_TABLES_H
#define BW_GATE_TABLES_H

#include <stdint.h>

extern const int16_t bw_sigmoid_q15[257];
extern const int16_t bw_tanh_q15[257];

#endif
