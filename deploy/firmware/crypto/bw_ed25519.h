/*
 * Ed25519, verification only (RFC 8032, section 5.1.7): a node never signs.
 *
 * What is verified is public, so nothing here runs in constant time, and no secret may be given to
 * it. The decision is that of Node's crypto.verify (24.21), bit for bit: the equation without the
 * cofactor, R compared as bytes (so that one that is not in its only form is refused), S below the
 * group's order, neither R nor the key of small order, and otherwise any key that names a point by
 * some y, in whatever form.
 */
#ifndef BW_ED25519_H
#define BW_ED25519_H

#include <stdbool.h>
#include <stdint.h>

#define BW_SIGNATURE_BYTES 64u
#define BW_PUBLIC_KEY_BYTES 32u

/* Whether `signature` is `public_key`'s over the two parts, one after the other. */
bool bw_ed25519_verify(const uint8_t signature[BW_SIGNATURE_BYTES],
                       const uint8_t public_key[BW_PUBLIC_KEY_BYTES], const void *prefix,
                       uint32_t prefix_length, const void *message, uint32_t length);

#endif
