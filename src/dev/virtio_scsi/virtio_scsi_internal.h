/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the virtio-scsi adapter share.
 *
 * virtio_scsi.c          request queues: chains to commands and back
 * virtio_scsi_tmf.c      control queue: abort and reset
 * virtio_scsi_options.c  configuration and set-up
 *
 * Locking: virtio.pci.lock covers everything here.
 */
#ifndef DEV_VIRTIO_SCSI_VIRTIO_SCSI_INTERNAL_H
#define DEV_VIRTIO_SCSI_VIRTIO_SCSI_INTERNAL_H

#include <linux/virtio_scsi.h>

#include "dev/virtio_scsi/scsi.h"
#include "virtio/virtio.h"

#define VSCSI_CONTROL	 0u
#define VSCSI_EVENT	 1u
#define VSCSI_REQUEST	 2u /* and those behind it */
#define VSCSI_QUEUES_MAX 2u /* request queues; one thread serves them */
#define VSCSI_QUEUE_SIZE 128u
/* Of the ring, header and response take one each. */
#define VSCSI_SEG_MAX (VSCSI_QUEUE_SIZE - 2)
#define VSCSI_TARGETS 32u
#define VSCSI_PIECES  BLOCK_IOV_MAX
/* What a driver may set sense_size and cdb_size to. */
#define VSCSI_SENSE_MAX 252u
#define VSCSI_CDB_MAX	260u

/* TMF response 0 (5.6.6.2), which the kernel's header does not name. */
#define VSCSI_FUNCTION_COMPLETE 0u

struct virtio_scsi;

enum vscsi_fate {
	VSCSI_RUNS,
	VSCSI_ABORTED,
	VSCSI_RESET,
};

struct vscsi_req {
	struct block_req io;
	struct scsi_cmd cmd;
	struct virtio_scsi *vs;
	struct vscsi_req *next_free;
	bool active; /* taken and not answered */
	enum vscsi_fate fate;
	uint8_t target;
	uint64_t tag;	/* the driver's name for it */
	uint64_t order; /* ours: counts up */
	unsigned generation;
	uint16_t queue, head;
	struct ring_span response, in, out;
	struct iovec iov[VSCSI_PIECES + 1];
};

/* A task management function that waits for requests to end. */
struct vscsi_tmf {
	unsigned left; /* requests; 0: not in use */
	bool one;      /* only the request called `tag` */
	uint8_t target;
	uint16_t head;
	uint64_t tag;
	uint64_t before; /* requests taken earlier than this */
	uint8_t *response;
};

struct vscsi_target {
	struct block *block; /* NULL: there is none */
	struct scsi_unit unit;
};

struct virtio_scsi {
	struct virtio virtio; /* first */
	struct virtio_scsi_config config;
	struct vscsi_target target[VSCSI_TARGETS];
	uint64_t order;
	unsigned requests; /* in the pool */
	unsigned fresh;	   /* those from here on were never used */
	struct vscsi_req *free, *reqs;
	unsigned tmfs; /* waiting */
	struct vscsi_tmf tmf[VSCSI_QUEUE_SIZE];
	struct iovec control_iov[VSCSI_PIECES];
};

/* Which unit a LUN field names: the target, or why not (VIRTIO_SCSI_S_*). */
struct vscsi_where {
	uint8_t target;
	bool unit; /* LUN 0: the one there is */
};
int vscsi_where(const struct virtio_scsi *vs, const uint8_t lun[8],
		struct vscsi_where *ret_where);

extern const struct virtio_ops vscsi_ops;

/* Handles chains of the control queue; for virtio_queue_run(). */
virtio_take_fn vscsi_take_control;
/* A request ended: whoever waited for it may be answered. */
void vscsi_tmf_note(struct virtio_scsi *vs, const struct vscsi_req *req);

/* Frees everything; accepts a half-built one. */
void vscsi_destroy(struct virtio *virtio);

#endif
