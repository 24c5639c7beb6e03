/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network back end over a tap interface of the host.
 *
 * The descriptor always carries the 12-byte virtio header; a NIC that did not
 * ask for it never sees it. At most one frame is read ahead of the guest: it
 * stays in `buf` while the guest has no room, the others wait in the kernel.
 *
 * Locking: `enabled` and `vnet_hdr` are atomic words set from any thread;
 * everything else belongs to the event loop's thread, which others wake
 * through `kick_fd`.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "backend/net_internal.h"
#include "base/log.h"

/*
 * A turn, of which the guest hears at its end, is as long as either allows.
 * Full frames of the usual size reach both at about the same time; segments
 * that the host did not cut are up to 64 KiB each, and a guest on another
 * processor could have begun with the first of them.
 */
#define FRAMES_A_TURN 64u
#define BYTES_A_TURN  (128u << 10)
/* A tap holds 1000 unless told otherwise: more keep coming in just then. */
#define FRAMES_DROPPED_MAX 4096u

_Static_assert(sizeof(struct virtio_net_hdr_v1) == NET_HDR_BYTES,
	       "header layout");

struct tap {
	struct net net; /* first */
	char name[IFNAMSIZ];
	int fd, kick_fd;
	struct ev_fd *ready, *kick;
	bool enabled, vnet_hdr;
	bool broken; /* and said so */
	size_t
	    waiting; /* bytes of the frame in buf the guest had no room for */
	uint8_t *buf;
};

/* False: the guest has no room, the frame stays in buf. */
static bool deliver(struct tap *tap, size_t len)
{
	size_t skip = __atomic_load_n(&tap->vnet_hdr, __ATOMIC_ACQUIRE)
			  ? 0
			  : NET_HDR_BYTES;
	struct iovec iov;

	if (len <= NET_HDR_BYTES)
		return true;
	iov = (struct iovec){tap->buf + skip, len - skip};
	return net_deliver(&tap->net, &iov, 1);
}

static void tap_broken(struct tap *tap, int code)
{
	/* Once: a guest has it looked at as often as it likes. */
	if (!tap->broken)
		log_error("%s: cannot receive: %s; the guest's link is dead",
			  tap->name, strerror(code));
	tap->broken = true;
	ev_fd_set(tap->ready, 0);
}

static void read_frames(struct tap *tap)
{
	size_t bytes = 0;
	unsigned frames;
	ssize_t n;

	for (frames = 0; frames < FRAMES_A_TURN && bytes < BYTES_A_TURN;
	     frames++) {
		if (!__atomic_load_n(&tap->enabled, __ATOMIC_ACQUIRE))
			break;
		n = read(tap->fd, tap->buf, NET_FRAME_MAX + NET_HDR_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			tap_broken(tap, n < 0 ? errno : ENODEV);
			return;
		}
		if (!deliver(tap, (size_t)n)) {
			tap->waiting = (size_t)n;
			ev_fd_set(tap->ready, 0);
			return;
		}
		bytes += (size_t)n;
	}
}

static void tap_readable(void *ctx, unsigned events UNUSED)
{
	struct tap *tap = ctx;

	read_frames(tap);
	net_turn_end(&tap->net);
}

static void tap_kicked(void *ctx, unsigned events UNUSED)
{
	struct tap *tap = ctx;
	eventfd_t count;

	(void)!eventfd_read(tap->kick_fd, &count);
	if (!__atomic_load_n(&tap->enabled, __ATOMIC_ACQUIRE)) {
		tap->waiting = 0;
		ev_fd_set(tap->ready, 0);
		return;
	}
	if (tap->waiting && !deliver(tap, tap->waiting))
		return;
	tap->waiting = 0;
	ev_fd_set(tap->ready, EV_IN);
	/* Others wait behind it: they belong to the same turn. */
	read_frames(tap);
	net_turn_end(&tap->net);
}

static void tap_resume(struct net *net)
{
	struct tap *tap = (struct tap *)net;

	(void)!eventfd_write(tap->kick_fd, 1);
}

static void tap_enable(struct net *net, bool on)
{
	struct tap *tap = (struct tap *)net;

	__atomic_store_n(&tap->enabled, on, __ATOMIC_RELEASE);
	tap_resume(net);
}

static void tap_send(struct net *net, const struct iovec *iov, unsigned iovcnt)
{
	static const struct virtio_net_hdr_v1 plain;
	struct tap *tap = (struct tap *)net;
	struct iovec all[NET_IOV_MAX + 1];

	/* What the kernel does not take now is lost, as on a busy wire. */
	if (__atomic_load_n(&tap->vnet_hdr, __ATOMIC_ACQUIRE)) {
		(void)!writev(tap->fd, iov, (int)iovcnt);
		return;
	}
	all[0] = (struct iovec){(void *)(uintptr_t)&plain, sizeof(plain)};
	memcpy(&all[1], iov, iovcnt * sizeof(*iov));
	(void)!writev(tap->fd, all, (int)iovcnt + 1);
}

static int tap_set_vnet_hdr(struct net *net, bool on, unsigned tun_f)
{
	struct tap *tap = (struct tap *)net;

	if (ioctl(tap->fd, TUNSETOFFLOAD, (unsigned long)(on ? tun_f : 0)))
		return -errno;
	__atomic_store_n(&tap->vnet_hdr, on, __ATOMIC_RELEASE);
	return 0;
}

/*
 * What waits was made for the offloads of the driver before. A frame that the
 * loop's thread is delivering just now meets a NIC whose queue is lent.
 */
static int tap_lend(struct net *net)
{
	struct tap *tap = (struct tap *)net;
	uint8_t start[64]; /* the rest of a frame goes with it */
	unsigned n;

	tap_enable(net, false);
	for (n = 0; n < FRAMES_DROPPED_MAX; n++)
		if (read(tap->fd, start, sizeof(start)) <= 0)
			break;
	return tap->fd;
}

static void tap_close(struct net *net)
{
	struct tap *tap = (struct tap *)net;

	ev_fd_destroy(tap->ready);
	ev_fd_destroy(tap->kick);
	if (tap->kick_fd >= 0)
		close(tap->kick_fd);
	if (tap->fd >= 0)
		close(tap->fd);
	free(tap->buf);
	free(tap);
}

static const struct net_ops tap_ops = {
    .close = tap_close,
    .enable = tap_enable,
    .resume = tap_resume,
    .send = tap_send,
    .set_vnet_hdr = tap_set_vnet_hdr,
    .lend = tap_lend,
};

int net_tap_wrap(const char *name, int fd, const struct net *like,
		 struct net **ret_net)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	int r;

	if (!tap)
		return -ENOMEM;
	tap->net = *like;
	tap->net.ops = &tap_ops;
	tap->fd = -1;
	snprintf(tap->name, sizeof(tap->name), "%s", name);
	tap->buf = malloc(NET_FRAME_MAX + NET_HDR_BYTES);
	tap->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!tap->buf || tap->kick_fd < 0) {
		r = tap->buf ? -errno : -ENOMEM;
		tap_close(&tap->net);
		return r;
	}
	r = ev_fd_create(like->loop, tap->kick_fd, EV_IN, tap_kicked, tap,
			 &tap->kick);
	if (!r)
		r = ev_fd_create(like->loop, fd, 0, tap_readable, tap,
				 &tap->ready);
	if (r) {
		tap_close(&tap->net);
		return r;
	}
	tap->fd = fd;
	*ret_net = &tap->net;
	return 0;
}

/* ---- opening the real thing ---- */

static int explain_attach(const char *name, int code, struct err *err)
{
	switch (code) {
	case -EPERM:
	case -EACCES:
		return err_set(
		    err, code,
		    "%s: this user may not open it; create it with 'ip tuntap"
		    " add dev %s mode tap user NAME', or run as root",
		    name, name);
	case -EBUSY:
		return err_set(
		    err, code,
		    "%s: in use by another process, such as a running guest",
		    name);
	case -EINVAL:
		return err_set(err, code,
			       "%s: exists but is not a plain tap"
			       " interface",
			       name);
	default:
		return err_sys(err, code, "%s: cannot be opened as a tap",
			       name);
	}
}

static int attach(int fd, const char *name, struct err *err)
{
	int header = NET_HDR_BYTES;
	struct ifreq ifr = {
	    .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
	};

	if (strlen(name) >= IFNAMSIZ)
		return err_set(err, -EINVAL,
			       "%s: longer than an interface name"
			       " can be (%d)",
			       name, IFNAMSIZ - 1);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr))
		return explain_attach(name, -errno, err);
	if (ioctl(fd, TUNSETVNETHDRSZ, &header) ||
	    ioctl(fd, TUNSETOFFLOAD, 0ul))
		return err_sys(err, -errno,
			       "%s: this kernel's taps lack the virtio header",
			       name);
	return 0;
}

/* A tap that is down loses everything, silently: up, or say so. */
static void bring_up(const char *name)
{
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) || (ifr.ifr_flags & IFF_UP))
		return;
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		log_warn("%s is down and cannot be brought up (%s); the guest"
			 " has no network until 'ip link set %s up'",
			 name, strerror(errno), name);
}

int net_tap_open(const char *name, const char *tun_path, const struct net *like,
		 struct err *err, struct net **ret_net)
{
	CLEANUP_CLOSE int fd = open(tun_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENODEV))
		return err_set(err, -errno,
			       "%s: %s is missing; load it with"
			       " 'modprobe tun'",
			       name, tun_path);
	if (fd < 0)
		return err_sys(err, -errno, "%s: cannot open %s", name,
			       tun_path);
	r = attach(fd, name, err);
	if (r)
		return r;
	bring_up(name);
	r = net_tap_wrap(name, fd, like, ret_net);
	if (r)
		return err_sys(err, r, "%s", name);
	(void)take_fd(fd);
	return 0;
}
