/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the vfio-user client's files share: user.c keeps the connection,
 * user_ops.c translates requests, user_version.c reads what the server can do.
 */
#ifndef VFIO_USER_INTERNAL_H
#define VFIO_USER_INTERNAL_H

#include <pthread.h>

#include "vfio/user.h"
#include "vfio/user_sock.h"

/* Offsets on the descriptor: region index and offset in it, as the kernel's. */
#define USER_REGION_SHIFT 40

/* epoll data of vfio_user.wait_fd */
enum user_wait {
	WAIT_SOCKET,
	WAIT_RESAMPLE,
};

struct user_region {
	uint64_t size;
	uint64_t offset; /* in fd */
	int fd;		 /* -1: cannot be mapped */
};

/* What the server said about itself. */
struct user_version {
	unsigned minor;
	unsigned max_fds;  /* descriptors in one message to it */
	unsigned max_data; /* bytes in one access */
};

struct vfio_user {
	struct vfio_user_params params;
	char path[VFIO_USER_PATH_MAX];
	struct vfio_ops ops;
	/*
	 * Locking: held for a whole exchange, request to reply, and for what
	 * the server asks in between. Taken after a device's lock; nothing is
	 * taken under it.
	 */
	pthread_mutex_t lock;
	int sock;
	uint16_t id; /* of the last request */
	bool dead;
	char why[VFIO_USER_WHY_MAX]; /* when dead */
	struct vfio_user_message in; /* last message received */
	struct user_region region[VFIO_USER_REGIONS];
	struct user_version version;
	unsigned regions, irqs; /* as the server counts them */
	uint32_t intx_flags;	/* VFIO_IRQ_INFO_* */
	int resample_fd;	/* borrowed; -1: not watched */
	bool mapped;
	bool dma_stopped; /* atomic */
	bool told;	  /* loop's thread: `lost` was called */
	int wait_fd;	  /* epoll: socket and resample_fd */
	struct ev_fd *wait_event;
};

/* One request and its reply. */
struct user_call {
	uint16_t command;
	const void *body;
	size_t size;
	const void *data; /* after body */
	size_t data_size;
	const int *fd;
	unsigned fds;
	/* Reply: at least reply_min bytes, of which reply_room are kept. */
	size_t reply_min, reply_room;
	void *reply;
	size_t reply_size; /* out: of the whole reply's body */
	int *ret_fd;	   /* out: first descriptor of the reply, or -1 */
	unsigned wait_ms;  /* 0: the usual */
};

/*
 * 0; the error the server gave; -EIO when the connection is or was lost;
 * -EBADMSG (and lost) for a reply that is too short.
 */
MUST_CHECK int user_call(struct vfio_user *u, struct user_call *call);
/* A request that is not answered. */
void user_tell(struct vfio_user *u, struct user_call *call);
/* Gives the connection up; lock held. -EIO. */
int user_lose(struct vfio_user *u, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same from outside an exchange, for a reply that makes no sense. */
int user_break(struct vfio_user *u, const char *what);

/*
 * vfio_user_connect() with a connected socket (consumed) instead of
 * params->path, which only names it; for tests.
 */
MUST_CHECK int user_adopt(const struct vfio_user_params *params, int sock,
			  struct err *err, struct vfio_user **ret_user);

/* user_ops.c */
extern const struct vfio_ops user_ops;
/* The interrupt of resample_fd was acknowledged; loop's thread. */
void user_resampled(struct vfio_user *u);

/*
 * user_version.c: version reply (structure and JSON) of `size` bytes; -EBADMSG
 * and `why` when it is none.
 */
MUST_CHECK int user_version_parse(const uint8_t *body, size_t size,
				  struct user_version *ret_version,
				  char why[VFIO_USER_WHY_MAX]);
/* What this side says: JSON with its NUL. */
const char *user_version_text(void);

#endif
