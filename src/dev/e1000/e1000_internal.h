/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the e1000 card share.
 *
 * e1000.c       options, PCI function, BARs, reset
 * e1000_regs.c  the table of registers and what writing them does
 * e1000_nvm.c   EEPROM and PHY
 * e1000_irq.c   interrupt causes, delay and throttling
 * e1000_tx.c    transmit ring; e1000_offload.c  one frame to send
 * e1000_rx.c    receive filter and ring
 * e1000_sum.c   ones' complement sums
 *
 * Locking: pci.lock guards everything; each function here is called with it
 * held. Threads: registers on a vCPU's, receive and timers on the event
 * loop's.
 */
#ifndef DEV_E1000_E1000_INTERNAL_H
#define DEV_E1000_E1000_INTERNAL_H

#include "backend/net.h"
#include "bus/model.h"
#include "spec/e1000.h"

#define E1000_REGS_BYTES 0x5c00u /* behind it nothing is implemented */

/* Descriptors handled before the vCPU or the event loop has its turn. */
#define E1000_TX_BUDGET 128u
/* Segments of one frame; TCP's smallest usual MSS makes 122 of 64 KiB. */
#define E1000_SEGMENTS_MAX 1024u
/* Room in front of the frame's pieces: header, two of the front, the tag. */
#define E1000_FRAGS_MAX (NET_IOV_MAX - 4)
#define E1000_BACKS_MAX 256u
#define E1000_BUF_BYTES (NET_FRAME_MAX + 64u)

struct e1000;

/* ---- sums ---- */

/* A ones' complement sum over pieces of memory. */
struct e1000_sum {
	uint64_t total; /* of words in host order */
	bool odd;	/* bytes so far */
};
void e1000_sum_add(struct e1000_sum *sum, const void *data, size_t len);
/* The 16-bit sum as a number, as big-endian words add up; not inverted. */
uint16_t e1000_sum_value(const struct e1000_sum *sum);
/* Adds a number to the sum. */
void e1000_sum_add16(struct e1000_sum *sum, uint16_t value);

static inline uint16_t e1000_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void e1000_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* ---- transmit ---- */

/* What a context descriptor set up. */
struct e1000_context {
	uint8_t ipcss, ipcso, tucss, tucso, hdrlen;
	uint16_t ipcse, tucse, mss;
	bool tcp, ipv4;
};

struct e1000_frag {
	gpa_t at;
	uint32_t len;
};

/* A frame whose descriptors are being collected. */
struct e1000_packet {
	bool open;    /* its first descriptor was seen */
	bool bad;     /* will not be sent */
	bool segment; /* TSE */
	bool ip_sum, l4_sum;
	bool vlan; /* insert `tag` */
	bool fcs;  /* the frame brings its check sequence along */
	uint16_t tag;
	struct e1000_context ctx;
	uint32_t bytes;
	unsigned frags;
	struct e1000_frag frag[E1000_FRAGS_MAX];
	unsigned backs; /* descriptors to be reported done */
	struct {
		uint32_t index, upper;
	} back[E1000_BACKS_MAX];
};

struct e1000_tx {
	struct ev_timer *more; /* the rest, on the event loop */
	uint32_t next;	       /* descriptor to fetch */
	bool done, done_late;  /* TXDW is due, at once or delayed */
	struct e1000_context plain, tso;
	struct e1000_packet packet;
};

/* Sends what waits in the ring, as far as the budget goes. */
void e1000_tx_run(struct e1000 *e);
/* TDH was written, or the card reset: what was collected is forgotten. */
void e1000_tx_forget(struct e1000 *e);
/* Sends a frame; the number of frames it became on the wire, at least 1. */
unsigned e1000_send(struct e1000 *e, struct e1000_packet *p);

/* ---- receive ---- */

extern const struct net_receiver e1000_receiver;
/*
 * One frame without vnet header. `checked`: its TCP/UDP checksum is known to
 * be right. False: no room. The caller ends with e1000_irq_update(), after as
 * many frames as it has.
 */
bool e1000_rx_frame(struct e1000 *e, const uint8_t *frame, size_t len,
		    bool checked);
/* Tells the back end whether frames are wanted. */
void e1000_rx_sync(struct e1000 *e);
/* RDT was written. */
void e1000_rx_refilled(struct e1000 *e);

/* ---- interrupts ---- */

struct e1000_late {
	uint64_t due_ns, limit_ns; /* due 0: nothing waits */
};

struct e1000_irq {
	struct ev_timer *timer;
	uint64_t armed_ns;  /* the timer's deadline, 0: none */
	bool raised;	    /* ever since the reset */
	uint64_t raised_ns; /* the last time: throttling counts from it */
	struct e1000_late tx, rx;
};

/* Sets causes; the line follows with e1000_irq_update(). */
void e1000_cause_add(struct e1000 *e, uint32_t bits);
/* The same for TXDW or RXT0, after what TIDV/TADV or RDTR/RADV say. */
void e1000_cause_late(struct e1000 *e, uint32_t bit);
/* Sets causes, and the line follows. */
void e1000_cause(struct e1000 *e, uint32_t bits);
/* A late RXT0 now (RDTR.FPD). */
void e1000_irq_flush_rx(struct e1000 *e);
/* Makes the interrupt line follow ICR and IMS. */
void e1000_irq_update(struct e1000 *e);
void e1000_irq_reset(struct e1000 *e);
ev_timer_fn e1000_irq_timer;

/* ---- EEPROM and PHY ---- */

/* The Microwire interface: what the EEPROM heard so far. */
struct e1000_wire {
	bool selected, clock, started, out;
	uint8_t bits;  /* of the command, or left of the word */
	uint8_t shift; /* operation and address */
	uint16_t word; /* going out */
	bool reading;
};

void e1000_nvm_init(struct e1000 *e);
void e1000_nvm_reset(struct e1000 *e); /* the interface, not the contents */
uint32_t e1000_eecd_read(struct e1000 *e);
void e1000_eecd_write(struct e1000 *e, uint32_t value);
void e1000_eerd_write(struct e1000 *e, uint32_t value);
void e1000_mdic_write(struct e1000 *e, uint32_t value);
void e1000_phy_reset(struct e1000 *e);

/* ---- registers ---- */

/* Values after reset; pci.lock held, the interrupt line follows. */
void e1000_reset(struct e1000 *e);
uint32_t e1000_reg_read(struct e1000 *e, uint32_t off);
void e1000_reg_write(struct e1000 *e, uint32_t off, uint32_t value);
void e1000_regs_reset(struct e1000 *e);

/* ---- the card ---- */

struct e1000 {
	struct pci_dev pci; /* first */
	struct gmem *gmem;
	const struct clock *clock;
	struct net *net;
	bool headers; /* the back end's frames carry vnet headers */
	uint8_t mac[6];
	uint32_t io_addr; /* IOADDR */
	struct e1000_wire wire;
	uint16_t eeprom[E1000_EEPROM_WORDS];
	uint16_t phy[E1000_PHY_REGS];
	struct e1000_irq irq;
	struct e1000_tx tx;
	bool starved; /* a frame waits for receive descriptors */
	uint32_t reg[E1000_REGS_BYTES / 4];
	uint8_t tx_buf[E1000_BUF_BYTES];
	uint8_t rx_buf[E1000_BUF_BYTES];
};

static inline uint32_t e1000_get(const struct e1000 *e, uint32_t off)
{
	return e->reg[off / 4];
}

static inline void e1000_set(struct e1000 *e, uint32_t off, uint32_t value)
{
	e->reg[off / 4] = value;
}

/* Do frames sent come back as received ones? */
static inline bool e1000_loopback(const struct e1000 *e)
{
	return (e->phy[MII_BMCR] & MII_BMCR_LOOPBACK) ||
	       (e1000_get(e, E1000_RCTL) & E1000_RCTL_LBM);
}

/* Counters stick at their end; the 64-bit ones name their low half. */
void e1000_count(struct e1000 *e, uint32_t off);
void e1000_count_bytes(struct e1000 *e, uint32_t off, uint32_t bytes);
/* By size; `first` is the counter of the smallest. */
void e1000_count_size(struct e1000 *e, uint32_t first, uint32_t bytes);

#endif
