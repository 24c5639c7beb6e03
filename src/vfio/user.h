/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vfio-user client: a PCI device that another process serves.
 *
 * The process behind the socket is given all guest RAM, as a device behind an
 * IOMMU is, and nothing else of the host. It may be wrong, malicious, slow or
 * gone at any time: what it says is checked, it has VFIO_USER_REPLY_MS for
 * each answer (VFIO_USER_RESET_MS for a reset), and the first time it breaks a
 * rule the connection is given up for good. From then on every call fails at
 * once, so that the device reads as ones, and `lost` is called.
 *
 * To the rest of this folder such a device is a descriptor behind a
 * struct vfio_ops (vfio_user_ops()): requests on it become messages. There is
 * no container and no group; guest RAM is mapped by vfio_user_map().
 *
 * Call order: connect, map, calls through the ops, close.
 * Threads: calls from any; connect and close on the event loop's thread, where
 * `lost` is called too, once, when it runs.
 * Limits: VFIO_USER_REGIONS regions of less than 2^40 bytes.
 * Source: spec/vfio_user.h.
 */
#ifndef VFIO_USER_H
#define VFIO_USER_H

#include "base/base.h"
#include "base/err.h"
#include "base/evloop.h"
#include "gmem/gmem.h"
#include "vfio/vfio_ops.h"

#define VFIO_USER_REPLY_MS 5000u
#define VFIO_USER_RESET_MS 10000u
#define VFIO_USER_MESSAGE_MS                             \
	1000u /* from a message's first byte to its last \
	       */
#define VFIO_USER_PATH_MAX 108u
#define VFIO_USER_WHY_MAX  128u
#define VFIO_USER_REGIONS  9u

struct vfio_user;

struct vfio_user_params {
	const char *path; /* of the socket */
	struct gmem *gmem;
	struct evloop *loop;
	void (*lost)(void *ctx);
	void *ctx;
	/* Deadlines in milliseconds; 0: those above. */
	unsigned reply_ms, reset_ms;
};

/* Connects and agrees on a version. */
MUST_CHECK int vfio_user_connect(const struct vfio_user_params *params,
				 struct err *err, struct vfio_user **ret_user);
/* Takes guest RAM from the server, if it still answers; NULL allowed. */
void vfio_user_close(struct vfio_user *user);

/* Gives the server all guest RAM (shared: gmem_share()). */
MUST_CHECK int vfio_user_map(struct vfio_user *user, struct err *err);
/* Is the server to have DMA by message? At first it is. */
void vfio_user_allow_dma(struct vfio_user *user, bool allow);

/* Descriptor and operations that stand for the device. */
int vfio_user_fd(const struct vfio_user *user);
const struct vfio_ops *vfio_user_ops(const struct vfio_user *user);

/*
 * Is the connection given up? Then `why` continues a sentence about the
 * server: "closed the connection".
 */
bool vfio_user_lost(struct vfio_user *user, char why[VFIO_USER_WHY_MAX]);

#endif
