/*
 * What memcached's binary protocol looks like on the wire.  The format, and names and numbers, are those of memcached's
 * docs/protocol-binary and protocol_binary.h; GETE and GETEQ come from the first Rend.  Numbers are big-endian.
 *
 *	0      1        2          4           5          6       8            12      16   24
 *	magic  opcode   key's len  extras' len data type  status  body's len   opaque  cas  extras key value
 *	                                                          └────────────── counts ── all of ────────┘
 */
#ifndef PROTO_BIN_WIRE_H
#define PROTO_BIN_WIRE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BIN_HEADER     24
#define BIN_EXTRAS_MAX 20
#define BIN_REQUEST    0x80
#define BIN_RESPONSE   0x81

enum bin_at {
	BIN_AT_OPCODE = 1,
	BIN_AT_KEYLEN = 2,
	BIN_AT_EXTLEN = 4,
	BIN_AT_STATUS = 6,
	BIN_AT_BODYLEN = 8,
	BIN_AT_OPAQUE = 12,
	BIN_AT_CAS = 16,
};

enum bin_opcode {
	BIN_GET = 0x00,
	BIN_SET = 0x01,
	BIN_ADD = 0x02,
	BIN_REPLACE = 0x03,
	BIN_DELETE = 0x04,
	BIN_INCREMENT = 0x05,
	BIN_DECREMENT = 0x06,
	BIN_QUIT = 0x07,
	BIN_FLUSH = 0x08,
	BIN_GETQ = 0x09,
	BIN_NOOP = 0x0a,
	BIN_VERSION = 0x0b,
	BIN_GETK = 0x0c,
	BIN_GETKQ = 0x0d,
	BIN_APPEND = 0x0e,
	BIN_PREPEND = 0x0f,
	BIN_STAT = 0x10,
	BIN_SETQ = 0x11,
	BIN_ADDQ = 0x12,
	BIN_REPLACEQ = 0x13,
	BIN_DELETEQ = 0x14,
	BIN_INCREMENTQ = 0x15,
	BIN_DECREMENTQ = 0x16,
	BIN_QUITQ = 0x17,
	BIN_FLUSHQ = 0x18,
	BIN_APPENDQ = 0x19,
	BIN_PREPENDQ = 0x1a,
	BIN_VERBOSITY = 0x1b,
	BIN_TOUCH = 0x1c,
	BIN_GAT = 0x1d,
	BIN_GATQ = 0x1e,
	BIN_GATK = 0x23,
	BIN_GATKQ = 0x24,
	BIN_GETE = 0x40,
	BIN_GETEQ = 0x41,
};

enum bin_status {
	BIN_OK = 0x00,
	BIN_NOT_FOUND = 0x01,
	BIN_EXISTS = 0x02,
	BIN_TOO_LARGE = 0x03,
	BIN_INVALID = 0x04,
	BIN_NOT_STORED = 0x05,
	BIN_NOT_A_NUMBER = 0x06,
	BIN_AUTH = 0x20,
	BIN_UNKNOWN = 0x81,
	BIN_NO_MEMORY = 0x82,
	BIN_NOT_SUPPORTED = 0x83,
	BIN_INTERNAL = 0x84,
	BIN_BUSY = 0x85,
	BIN_TEMPORARY = 0x86,
};

static inline uint16_t
bin_u16(const char *p)
{
	uint16_t n;

	memcpy(&n, p, sizeof(n));
	return be16toh(n);
}

static inline uint32_t
bin_u32(const char *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return be32toh(n);
}

static inline uint64_t
bin_u64(const char *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof(n));
	return be64toh(n);
}

static inline void
bin_put_u16(char *p, uint16_t n)
{
	n = htobe16(n);
	memcpy(p, &n, sizeof(n));
}

static inline void
bin_put_u32(char *p, uint32_t n)
{
	n = htobe32(n);
	memcpy(p, &n, sizeof(n));
}

static inline void
bin_put_u64(char *p, uint64_t n)
{
	n = htobe64(n);
	memcpy(p, &n, sizeof(n));
}

#endif
