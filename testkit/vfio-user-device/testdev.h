/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A test device: plays a description (desc.h) as a PCI device, behind the
 * vfio-user protocol (server.c).
 *
 * Call order: create, serve (returns when told to stop, or when the device
 * dies), destroy. A device keeps its state from one client to the next, as
 * hardware does from one guest to the next.
 * Threads: one.
 */
#ifndef TESTKIT_TESTDEV_H
#define TESTKIT_TESTDEV_H

#include <stdio.h>

#include "base/base.h"
#include "base/err.h"
#include "desc.h"

/* ---- registers, at the place that `registers` names; 32 bits each ---- */

#define TESTDEV_MAGIC	    0x00u /* "TDEV" */
#define TESTDEV_RESETS	    0x04u /* since the server's start */
#define TESTDEV_SCRATCH	    0x08u /* 0 after a reset */
#define TESTDEV_DMA_SRC	    0x10u /* 64 bits */
#define TESTDEV_DMA_DST	    0x18u /* 64 bits */
#define TESTDEV_DMA_LEN	    0x20u
#define TESTDEV_DMA_GO	    0x24u /* TESTDEV_GO_*: copies at once */
#define TESTDEV_DMA_STATUS  0x28u /* TESTDEV_DMA_* */
#define TESTDEV_IRQ_RAISE   0x2cu /* written: the vector */
#define TESTDEV_IRQ_ACK	    0x30u /* written: the line goes down */
#define TESTDEV_IRQ_COUNT   0x34u /* raised since the reset */
#define TESTDEV_REGS_SIZE   0x100u
#define TESTDEV_MAGIC_VALUE 0x56454454u

#define TESTDEV_GO_COPY	   1u /* through mapped guest memory */
#define TESTDEV_GO_MESSAGE 2u /* through messages */

#define TESTDEV_DMA_IDLE  0u
#define TESTDEV_DMA_DONE  1u
#define TESTDEV_DMA_ERROR 2u

#define TESTDEV_DMA_MAX 65536u

/* ---- inside ---- */

#define TESTDEV_REGIONS 9u /* as VFIO numbers them */
#define TESTDEV_ROM	6u
#define TESTDEV_CONFIG	7u
#define TESTDEV_CFG	4096u
#define TESTDEV_MAPS	16u
#define TESTDEV_IRQS	5u /* INTx, MSI, MSI-X, error, request */
#define TESTDEV_VECTORS 2048u

enum testdev_irq {
	TESTDEV_INTX,
	TESTDEV_MSI,
	TESTDEV_MSIX,
	TESTDEV_ERROR,
	TESTDEV_REQUEST,
};

struct testdev_map { /* guest memory */
	uint64_t addr, size;
	uint8_t *host; /* NULL: by message only */
};

struct testdev {
	struct desc desc;
	FILE *log; /* NULL: silent */
	uint8_t cfg[TESTDEV_CFG];
	uint8_t writable[TESTDEV_CFG];
	unsigned pm, pcie; /* capability offsets, 0: none */
	uint8_t *bar[DESC_BARS];
	int bar_fd[DESC_BARS]; /* of mapped ones, else -1 */
	uint8_t *rom;
	uint32_t reg[TESTDEV_REGS_SIZE / 4];
	struct testdev_map map[TESTDEV_MAPS];
	int *event[TESTDEV_IRQS]; /* eventfds, -1: none */
	unsigned events[TESTDEV_IRQS];
	bool line, line_masked; /* INTx */
	unsigned resets, dmas;
	uint64_t connected_ns;
	bool fired[DESC_FAULTS];
	/* What faults did to it. */
	bool ones, dead, hung, reset_fails, reset_hangs;
	/* Guest memory by message; set by the server. 0 or -errno. */
	int (*dma_message)(struct testdev *t, bool write, uint64_t addr,
			   void *buf, size_t len);
	void *server;
};

/* `log` is borrowed. */
MUST_CHECK int testdev_create(const struct desc *desc, FILE *log,
			      struct err *err, struct testdev **ret_device);
void testdev_destroy(struct testdev *t); /* NULL allowed */
void testdev_log(struct testdev *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Serves one client after the other on a listening socket until `stop_fd` is
 * readable (0) or the device dies (1).
 */
MUST_CHECK int testdev_serve(struct testdev *t, int listen_fd, int stop_fd);

/* config.c */
void testdev_config_build(struct testdev *t);
/* Back to the values after a reset. */
void testdev_config_reset(struct testdev *t);
void testdev_config_read(const struct testdev *t, unsigned off, void *buf,
			 unsigned len);
void testdev_config_write(struct testdev *t, unsigned off, const void *buf,
			  unsigned len);
bool testdev_decodes(const struct testdev *t, unsigned bar);

/* device.c: accesses of `len` bytes inside a BAR. 0 or -errno. */
uint64_t testdev_region_size(const struct testdev *t, unsigned region);
MUST_CHECK int testdev_read(struct testdev *t, unsigned region, uint64_t off,
			    void *buf, unsigned len);
MUST_CHECK int testdev_write(struct testdev *t, unsigned region, uint64_t off,
			     const void *buf, unsigned len);
/* The reset message: 0, -errno, or 1: no answer. */
MUST_CHECK int testdev_reset_message(struct testdev *t);
void testdev_reset(struct testdev *t, const char *how);
/* A client came or went. */
void testdev_attach(struct testdev *t, bool on);
/* Faults that are due by the clock; ms until the next one, or -1. */
int testdev_clock(struct testdev *t);

/* irq.c */
unsigned testdev_irq_count(const struct testdev *t, unsigned index);
void testdev_irq_raise(struct testdev *t, unsigned vector);
void testdev_irq_signal(struct testdev *t, unsigned index, unsigned vector);
void testdev_irq_ack(struct testdev *t);
void testdev_irq_unmask(struct testdev *t);
void testdev_irq_mask(struct testdev *t);
/* Consumes fd; -1 takes the eventfd away. */
void testdev_irq_event(struct testdev *t, unsigned index, unsigned vector,
		       int fd);
void testdev_irq_off(struct testdev *t, unsigned index);

#endif
