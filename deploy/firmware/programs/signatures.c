/*
 * Verifies signatures on a board, and writes 1 or 0 for each: what differs between processors is how
 * they multiply.
 */

#include "board.h"
#include "bw_ed25519.h"
#include "signature_cases.h"

int main(void) {
  for (uint32_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
    const signature_case *it = &CASES[i];
    bool good = bw_ed25519_verify(it->signature, it->key, "", 0, it->message, it->message_bytes);
    board_write(good ? "1" : "0");
  }
  return 0;
}
