/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of the vfio-user protocol, version 0.1: a PCI device served by
 * another process over a unix stream socket. Source: the vfio-user protocol
 * specification (docs/vfio-user.rst of libvfio-user). Everything is in the
 * host's byte order; descriptors travel as SCM_RIGHTS with the first byte of
 * their message.
 *
 * What a command carries after its header is the structure of <linux/vfio.h>
 * where there is one (device, region and interrupt info, interrupt set): its
 * sizes are repeated here for who cannot include that header.
 */
#ifndef SPEC_VFIO_USER_H
#define SPEC_VFIO_USER_H

#include <assert.h>
#include <stdint.h>

#define VFIO_USER_MAJOR 0u
#define VFIO_USER_MINOR 1u

enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP = 2,
	VFIO_USER_DMA_UNMAP = 3,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DMA_READ = 11,  /* server to client */
	VFIO_USER_DMA_WRITE = 12, /* server to client */
	VFIO_USER_DEVICE_RESET = 13,
	VFIO_USER_REGION_WRITE_MULTI = 15,
};

/* flags of the header */
#define VFIO_USER_TYPE_MASK    0x0fu
#define VFIO_USER_TYPE_COMMAND 0x00u
#define VFIO_USER_TYPE_REPLY   0x01u
#define VFIO_USER_NO_REPLY     0x10u
#define VFIO_USER_ERROR	       0x20u

struct vfio_user_header {
	uint16_t id; /* the reply repeats it */
	uint16_t command;
	uint32_t size; /* of the message, this header included */
	uint32_t flags;
	uint32_t error; /* errno, in a reply with VFIO_USER_ERROR */
};
static_assert(sizeof(struct vfio_user_header) == 16, "vfio-user header");

/* Followed by JSON with a terminating NUL. */
struct vfio_user_version {
	uint16_t major, minor;
};
static_assert(sizeof(struct vfio_user_version) == 4, "vfio-user version");

/* What holds for a peer that says nothing. */
#define VFIO_USER_DEFAULT_MAX_FDS  1u
#define VFIO_USER_DEFAULT_MAX_DATA 1048576u

#define VFIO_USER_DMA_READABLE	0x1u
#define VFIO_USER_DMA_WRITEABLE 0x2u

struct vfio_user_dma_map { /* with one descriptor: mappable */
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset; /* in the descriptor's file */
	uint64_t addr;
	uint64_t size;
};
static_assert(sizeof(struct vfio_user_dma_map) == 32, "vfio-user map");

struct vfio_user_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t addr;
	uint64_t size;
};
static_assert(sizeof(struct vfio_user_dma_unmap) == 24, "vfio-user unmap");

/* REGION_READ and REGION_WRITE; data follows a write and a read's reply. */
struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
};
static_assert(sizeof(struct vfio_user_region_access) == 16,
	      "vfio-user region access");

/* DMA_READ and DMA_WRITE; data follows a write and a read's reply. */
struct vfio_user_dma_access {
	uint64_t addr;
	uint64_t count;
};
static_assert(sizeof(struct vfio_user_dma_access) == 16,
	      "vfio-user DMA access");

/* Sizes of the structures of <linux/vfio.h>. */
#define VFIO_USER_DEVICE_INFO_SIZE 16u
#define VFIO_USER_REGION_INFO_SIZE 32u
#define VFIO_USER_IRQ_INFO_SIZE	   16u
#define VFIO_USER_IRQ_SET_SIZE	   20u

#endif
