/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An e1000 card in a machine of fakes, a network back end that is the test
 * (net.h's functions are defined in e1000_fixture.c, so the real ones are not
 * linked), and a small driver: rings, descriptors, registers.
 */
#ifndef TESTS_DEV_E1000_FIXTURE_H
#define TESTS_DEV_E1000_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "backend/net.h"
#include "fakes.h"
#include "spec/e1000.h"

#define ADDR	((struct pci_addr){0, 4, 0})
#define GSI	pci_swizzle_gsi(4, 1)
#define RAM	MIB(4)
#define TX_RING 0x10000u
#define RX_RING 0x20000u
#define RX_BUF	0x100000u /* 16 KiB each */
#define TX_BUF	0x300000u
#define RINGS	16u /* descriptors */
#define SENT	1200u

/* Commands of descriptors, in their place. */
#define CMD(x) ((uint32_t)(x) << E1000_TXD_CMD_SHIFT)

struct frame {
	uint8_t *data;
	size_t len;
};

struct net {
	const struct net_receiver *to;
	void *ctx;
	bool can_headers, headers, enabled;
	unsigned resumes, sent;
	struct frame frame[SENT];
	/* Called inside net_send() when set. */
	void (*on_send)(void *arg);
	void *arg;
};

/* The one open back end. */
extern struct net *the_net;

struct card {
	struct fake fake;
	struct gmem *gmem;
	uint64_t mem, flash;
	uint16_t io;
	uint32_t tx_next, rx_next, rx_taken;
};

/* "backend=tap0" has headers, nothing else does. */
struct card *card_build(const char *options);
int card_teardown(void **state);
/* 16 descriptors each way, receive buffers of 2048 bytes offered. */
void card_up(struct card *c);

uint32_t reg_get(struct card *c, uint32_t off);
void reg_put(struct card *c, uint32_t off, uint32_t v);
void mem_put(struct card *c, uint64_t at, const void *src, size_t len);
void mem_get(struct card *c, uint64_t at, void *dst, size_t len);

/* ---- transmit ---- */

/* Writes one descriptor; nothing is sent before tx_go(). */
void tx_desc(struct card *c, uint64_t addr, uint32_t lower, uint32_t upper);
void tx_go(struct card *c);
/* A frame in one legacy descriptor, with RS, sent. */
void tx_plain(struct card *c, const void *data, size_t len);
/* Status byte of the descriptor. */
uint8_t tx_status(struct card *c, uint32_t index);
/* The n-th frame sent, behind its vnet header when there is one. */
const uint8_t *sent(unsigned n, size_t *ret_len);

/* ---- receive ---- */

/* A turn of one frame. */
bool wire(struct card *c, const void *data, size_t len);
/* A frame in a turn that goes on, until turn_end(). */
bool wire_on(struct card *c, const void *data, size_t len);
void turn_end(struct card *c);
/* As wire(), with these flags in the vnet header of a tap. */
bool wire_flags(struct card *c, const void *data, size_t len, uint8_t flags);
/* The next descriptor, done by the card; its buffer. */
struct e1000_rx_desc rx_next(struct card *c, uint8_t *buf, size_t size);
bool rx_none(struct card *c);
/* Gives n descriptors back. */
void rx_refill(struct card *c, unsigned n);

/* ---- frames ---- */

/* An Ethernet header from 58:9c:fc:aa:bb:cc to `dest`. */
void put_eth(uint8_t *p, const uint8_t dest[6], uint16_t type);
extern const uint8_t mac_own[6], mac_other[6], mac_all[6];
/* Ones' complement sum as RFC 1071 has it, byte by byte; not inverted. */
uint16_t slow_sum(const uint8_t *p, size_t len, uint32_t start);
/*
 * Checks IPv4 or IPv6 with TCP or UDP at p: lengths and both sums. The frame
 * ends with the packet.
 */
bool l4_right(const uint8_t *ip, size_t len);
/* IPv4 or IPv6 with TCP at p, all sums right; bytes used. */
size_t put_tcp(uint8_t *p, bool v4, const void *payload, size_t len);

#endif
