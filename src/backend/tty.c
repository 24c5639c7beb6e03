/* SPDX-License-Identifier: BSD-2-Clause */
/* Character back end of a serial port; the contract is in tty.h. */
/*
 * Theory of operation
 *
 * Input belongs to the event loop's thread alone. A readable descriptor fills
 * a small buffer, which is offered to the port; what the port leaves stays in
 * the buffer and the descriptor is not waited for until tty_resume(). So at
 * most IN_BYTES are read ahead of the guest, and a sender sees a slow guest as
 * a slow line.
 *
 * Output: tty_write() writes at once when nothing is queued, on the caller's
 * thread and without blocking, which is the common case and costs one system
 * call. The rest goes into a ring, which the loop's thread empties when the
 * descriptor is writable. A full ring loses its oldest byte.
 *
 * Other threads cannot change what the loop waits for. They arm `kick`, a
 * timer with no delay, and its callback looks at the state and does what is
 * needed: resume input, wait for output, close a broken client.
 *
 * A stream (stdio, terminal) has its descriptors from the start. A listener
 * (tcp, unix) has them while a client is connected; the ring survives between
 * clients, so one who connects late sees the boot messages.
 *
 * in_fd and out_fd are always different numbers (a socket is duplicated), so
 * each has its own handle in the loop.
 */
#include "backend/tty.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "backend/tty_nmdm.h"
#include "backend/tty_term.h"
#include "backend/unixsock.h"
#include "base/clock.h"
#include "base/log.h"

#define IN_BYTES       256u
#define CLOSE_FLUSH_NS NS_PER_S
/* Perhaps nobody is at the other end, which one does not see. */
#define NMDM_FLUSH_NS (50 * NS_PER_MS)
#define TERMS	      3u

static const char where_hint[] = "stdio, a terminal such as /dev/pts/3, "
				 "tcp=IP:PORT or unix=PATH";

struct tty {
	char *where;
	struct evloop *loop;
	tty_receive_fn *receive;
	void *ctx;
	struct ev_timer *kick;

	/* The loop's thread only. */
	int listen_fd;
	struct ev_fd *listen_ev;
	bool listen_paused;
	char *unix_path; /* created by us: removed at the end */
	struct tty_nmdm *nmdm;
	int in_fd;
	struct ev_fd *in_ev; /* NULL with in_fd: always readable (a file) */
	struct ev_fd *out_ev;
	uint8_t in[IN_BYTES];
	size_t in_at, in_len;
	bool in_paused;

	/* Locking: lock guards what follows; never held across receive(). */
	pthread_mutex_t lock;
	int out_fd; /* -1: nobody there */
	bool out_failed;
	uint8_t *ring;
	size_t ring_at, ring_len;
	bool resumed; /* the port asked for more input */

	int term[TERMS]; /* settings to put back */
	bool owns_stdio;
};

/* ---- output ---- */

static void ring_put(struct tty *tty, const uint8_t *data, size_t len)
{
	size_t end, first;

	if (len > TTY_BACKLOG) {
		data += len - TTY_BACKLOG;
		len = TTY_BACKLOG;
	}
	if (tty->ring_len + len > TTY_BACKLOG) {
		size_t lost = tty->ring_len + len - TTY_BACKLOG;

		tty->ring_at = (tty->ring_at + lost) % TTY_BACKLOG;
		tty->ring_len -= lost;
	}
	end = (tty->ring_at + tty->ring_len) % TTY_BACKLOG;
	first = MIN(len, TTY_BACKLOG - end);
	memcpy(tty->ring + end, data, first);
	memcpy(tty->ring, data + first, len - first);
	tty->ring_len += len;
}

/* Bytes written, 0 when the peer takes none now; marks a broken peer. */
static size_t out_write(struct tty *tty, const uint8_t *data, size_t len)
{
	ssize_t n;

	if (tty->out_fd < 0 || tty->out_failed)
		return 0;
	do {
		n = write(tty->out_fd, data, len);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return (size_t)n;
	if (errno != EAGAIN) {
		tty->out_failed = true;
		if (tty->listen_fd < 0)
			log_warn("%s: output is lost from now on: %s",
				 tty->where, strerror(errno));
	}
	return 0;
}

/* Writes what the peer takes of the ring; lock held. */
static void out_flush(struct tty *tty)
{
	while (tty->ring_len) {
		size_t len = MIN(tty->ring_len, TTY_BACKLOG - tty->ring_at);
		size_t n = out_write(tty, tty->ring + tty->ring_at, len);

		tty->ring_at = (tty->ring_at + n) % TTY_BACKLOG;
		tty->ring_len -= n;
		if (n < len)
			return;
	}
}

/* A stream whose peer is gone for good keeps nothing. */
static bool is_bucket(const struct tty *tty)
{
	return tty->listen_fd < 0 && (tty->out_fd < 0 || tty->out_failed);
}

void tty_write(struct tty *tty, const uint8_t *data, size_t len)
{
	bool kick;

	pthread_mutex_lock(&tty->lock);
	if (!tty->ring_len) {
		size_t n = out_write(tty, data, len);

		data += n;
		len -= n;
	}
	kick = tty->out_failed;
	if (len && !is_bucket(tty)) {
		/* Queued bytes behind others already have a wait going. */
		kick |= tty->out_fd >= 0 && !tty->ring_len;
		ring_put(tty, data, len);
	}
	pthread_mutex_unlock(&tty->lock);
	if (kick)
		ev_timer_arm(tty->kick, 0);
}

static void out_ready(void *ctx, unsigned events UNUSED)
{
	struct tty *tty = ctx;
	bool more, failed;

	pthread_mutex_lock(&tty->lock);
	out_flush(tty);
	failed = tty->out_failed;
	more = tty->ring_len && !failed;
	pthread_mutex_unlock(&tty->lock);
	if (!more)
		ev_fd_set(tty->out_ev, 0);
	if (failed)
		ev_timer_arm(tty->kick, 0);
}

/* ---- peers ---- */

static void in_close(struct tty *tty)
{
	ev_fd_destroy(tty->in_ev);
	tty->in_ev = NULL;
	if (tty->in_fd >= 0)
		close(tty->in_fd);
	tty->in_fd = -1;
	tty->in_paused = false;
}

static void out_close(struct tty *tty)
{
	ev_fd_destroy(tty->out_ev);
	tty->out_ev = NULL;
	pthread_mutex_lock(&tty->lock);
	if (tty->out_fd >= 0)
		close(tty->out_fd);
	tty->out_fd = -1;
	tty->out_failed = false;
	if (is_bucket(tty))
		tty->ring_len = 0;
	pthread_mutex_unlock(&tty->lock);
}

/* End of input: a client is gone; a stream may still take output. */
static void in_lost(struct tty *tty, int error)
{
	in_close(tty);
	if (tty->listen_fd >= 0)
		out_close(tty);
	else if (error)
		log_warn("%s: hung up; the port goes on without input: %s",
			 tty->where, strerror(error));
}

static void out_lost(struct tty *tty)
{
	if (tty->listen_fd >= 0)
		in_close(tty);
	out_close(tty);
}

/* ---- input ---- */

/* Reads when the buffer is empty; false when there is nothing to offer. */
static bool in_fill(struct tty *tty)
{
	ssize_t n;

	if (tty->in_at < tty->in_len)
		return true;
	if (tty->in_fd < 0)
		return false;
	n = read(tty->in_fd, tty->in, sizeof(tty->in));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		in_lost(tty, n ? errno : 0);
		return false;
	}
	tty->in_at = 0;
	tty->in_len = (size_t)n;
	return true;
}

static void in_pause(struct tty *tty, bool paused)
{
	if (tty->in_ev && tty->in_paused != paused)
		ev_fd_set(tty->in_ev, paused ? 0 : EV_IN);
	tty->in_paused = paused;
}

static void in_step(struct tty *tty)
{
	if (!in_fill(tty))
		return;
	tty->in_at += tty->receive(tty->ctx, tty->in + tty->in_at,
				   tty->in_len - tty->in_at);
	in_pause(tty, tty->in_at < tty->in_len);
	/* A file is never waited for: go round through the timer. */
	if (!tty->in_paused && tty->in_fd >= 0 && !tty->in_ev)
		ev_timer_arm(tty->kick, 0);
}

static void in_ready(void *ctx, unsigned events UNUSED)
{
	in_step(ctx);
}

void tty_resume(struct tty *tty)
{
	pthread_mutex_lock(&tty->lock);
	tty->resumed = true;
	pthread_mutex_unlock(&tty->lock);
	ev_timer_arm(tty->kick, 0);
}

static void kicked(void *ctx)
{
	struct tty *tty = ctx;
	bool failed, waiting, resumed, is_file;

	pthread_mutex_lock(&tty->lock);
	failed = tty->out_failed;
	waiting = tty->ring_len && tty->out_fd >= 0;
	resumed = tty->resumed;
	tty->resumed = false;
	pthread_mutex_unlock(&tty->lock);
	if (failed)
		out_lost(tty);
	else if (waiting && tty->out_ev)
		ev_fd_set(tty->out_ev, EV_OUT);
	is_file = tty->in_fd >= 0 && !tty->in_ev;
	if ((resumed && tty->in_at < tty->in_len) ||
	    (is_file && !tty->in_paused))
		in_step(tty);
	if (tty->listen_paused) {
		ev_fd_set(tty->listen_ev, EV_IN);
		tty->listen_paused = false;
	}
}

/* ---- connecting ---- */

/* -EPERM means the descriptor is always ready: no handle, no error. */
static int watch(struct tty *tty, int fd, unsigned events, ev_fd_fn *fn,
		 struct ev_fd **ret_ev)
{
	int r = ev_fd_create(tty->loop, fd, events, fn, tty, ret_ev);

	return r == -EPERM ? 0 : r;
}

/* Consumes both descriptors, also on failure. */
static int attach(struct tty *tty, int in_fd, int out_fd)
{
	int r;

	tty->in_fd = in_fd;
	tty->in_at = tty->in_len = 0;
	/* It can be set by bytes of a client that has left. */
	tty->in_paused = false;
	pthread_mutex_lock(&tty->lock);
	tty->out_fd = out_fd;
	out_flush(tty);
	pthread_mutex_unlock(&tty->lock);
	r = watch(tty, in_fd, EV_IN, in_ready, &tty->in_ev);
	if (!r)
		r = watch(tty, out_fd, 0, out_ready, &tty->out_ev);
	if (r) {
		in_close(tty);
		out_close(tty);
		return r;
	}
	ev_timer_arm(tty->kick, 0);
	return 0;
}

/* While input waits for the guest, nobody reads that its sender has left. */
static bool client_left(const struct tty *tty)
{
	struct pollfd pfd = {.fd = tty->in_fd, .events = POLLRDHUP};

	return tty->in_paused && poll(&pfd, 1, 0) > 0;
}

static void client_refuse(int fd)
{
	static const char busy[] = "byway: this port already has a client\r\n";

	/* Who does not read this is let go all the same. */
	(void)!write(fd, busy, sizeof(busy) - 1);
	close(fd);
}

/* A client we have no descriptor for stays ready: look again in a second. */
static void client_later(struct tty *tty, int error)
{
	if (error != EMFILE && error != ENFILE && error != ENOMEM)
		return;
	ev_fd_set(tty->listen_ev, 0);
	tty->listen_paused = true;
	ev_timer_arm(tty->kick, NS_PER_S);
}

static void client_ready(void *ctx, unsigned events UNUSED)
{
	struct tty *tty = ctx;
	int on = 1, fd, out;

	fd = accept4(tty->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		client_later(tty, errno);
		return;
	}
	if (tty->in_fd >= 0 && client_left(tty))
		in_lost(tty, 0);
	if (tty->in_fd >= 0) {
		client_refuse(fd);
		return;
	}
	/* Neither matters to a unix socket, which ignores or refuses them. */
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	out = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (out < 0) {
		log_warn("%s: client let go: %s", tty->where, strerror(errno));
		close(fd);
	} else if (attach(tty, fd, out)) {
		log_warn("%s: client let go: out of memory", tty->where);
	}
}

static int listen_on(struct tty *tty, int fd, struct err *err)
{
	int r;

	if (listen(fd, 4)) {
		r = -errno;
		close(fd);
		return err_sys(err, r, "cannot listen on %s", tty->where);
	}
	tty->listen_fd = fd;
	r = ev_fd_create(tty->loop, fd, EV_IN, client_ready, tty,
			 &tty->listen_ev);
	return r ? err_sys(err, r, "cannot wait on %s", tty->where) : 0;
}

static int tcp_bind(const struct addrinfo *ai, int *ret_fd)
{
	int on = 1, r;
	int fd = socket(ai->ai_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen)) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* `spec` is IP:PORT or [IPv6]:PORT. */
static int open_tcp(struct tty *tty, const char *spec, struct err *err)
{
	const struct addrinfo hints = {
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	    .ai_socktype = SOCK_STREAM,
	};
	CLEANUP_FREE char *copy = strdup(spec);
	struct addrinfo *ai = NULL;
	char *host = copy, *colon;
	int fd = -1, r;

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	colon = strrchr(copy, ':');
	if (colon) {
		*colon = '\0';
		if (host[0] == '[' && colon[-1] == ']') {
			colon[-1] = '\0';
			host++;
		}
	}
	if (!colon || !*host || !colon[1] ||
	    getaddrinfo(host, colon + 1, &hints, &ai))
		return err_set(err, -EINVAL,
			       "tcp=%s: expected tcp=IP:PORT with a numeric "
			       "address, such as tcp=127.0.0.1:5000 or "
			       "tcp=[::1]:5000",
			       spec);
	r = tcp_bind(ai, &fd);
	freeaddrinfo(ai);
	if (r)
		return err_set(err, r, "cannot listen on tcp=%s: %s; %s", spec,
			       strerror(-r),
			       r == -EADDRINUSE
				   ? "choose a free port"
				   : "choose an address of this host");
	return listen_on(tty, fd, err);
}

static int open_unix(struct tty *tty, const char *path, struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	int r = unixsock_bind(path, err, &fd);

	if (r)
		return r;
	tty->unix_path = strdup(path);
	if (!tty->unix_path) {
		unlink(path);
		return err_set(err, -ENOMEM, "out of memory");
	}
	return listen_on(tty, take_fd(fd), err);
}

static const char *device_cure(int error)
{
	if (error == -EACCES || error == -EPERM)
		return "byway needs to read and write it";
	if (error == -EBUSY)
		return "another program holds it";
	return "check the path";
}

/* The open device; fd is consumed. */
static int attach_device(struct tty *tty, int device, const char *path,
			 struct err *err)
{
	CLEANUP_CLOSE int fd = device;
	int out = fcntl(fd, F_DUPFD_CLOEXEC, 0), r;

	if (out < 0)
		return err_sys(err, errno, "cannot duplicate %s", path);
	r = attach(tty, take_fd(fd), out);
	return r ? err_sys(err, r, "cannot wait on %s", path) : 0;
}

static int open_device(struct tty *tty, const char *path, struct err *err)
{
	CLEANUP_CLOSE int fd = -1;
	int r;

	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		return err_set(err, r, "cannot open %s: %s; %s", path,
			       strerror(-r), device_cure(r));
	}
	if (isatty(fd)) {
		r = tty_term_raw(fd, path, err, &tty->term[0]);
		if (r)
			return r;
	}
	return attach_device(tty, take_fd(fd), path, err);
}

static int open_nmdm(struct tty *tty, const char *path, struct err *err)
{
	int fd = -1, r = tty_nmdm_open(path, err, &tty->nmdm, &fd);

	return r ? r : attach_device(tty, fd, path, err);
}

/*
 * A descriptor for fd's object that does not block. O_NONBLOCK belongs to the
 * open file, which our parent shares: terminals and pipes are opened anew, so
 * that a shell is not left with a terminal that does not block. What cannot be
 * opened anew gets the flag, and tty_close() takes it away. Files never block.
 */
static int private_fd(int fd, int flags, int *term, int *ret_fd)
{
	char path[32];
	struct stat st;
	int copy = -1, r;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		copy = open(path, flags | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	}
	if (copy < 0) {
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (copy < 0)
			return -errno;
		r = S_ISREG(st.st_mode) ? 0 : tty_term_nonblock(copy, term);
		if (r) {
			close(copy);
			return r;
		}
	}
	*ret_fd = copy;
	return 0;
}

static int open_stdio(struct tty *tty, struct err *err)
{
	CLEANUP_CLOSE int in = -1;
	CLEANUP_CLOSE int out = -1;
	int r = tty_term_take_stdio();

	if (r)
		return err_set(err, r,
			       "stdio is already used by another port; give "
			       "one of them %s",
			       where_hint);
	tty->owns_stdio = true;
	r = private_fd(STDIN_FILENO, O_RDONLY, &tty->term[1], &in);
	if (r)
		return err_sys(err, r, "cannot use standard input");
	r = private_fd(STDOUT_FILENO, O_WRONLY, &tty->term[2], &out);
	if (r)
		return err_sys(err, r, "cannot use standard output");
	if (isatty(in)) {
		r = tty_term_raw(in, "standard input", err, &tty->term[0]);
		if (r)
			return r;
	}
	r = attach(tty, take_fd(in), take_fd(out));
	return r ? err_sys(err, r, "cannot wait on stdio") : 0;
}

/* A path without prefix: a device when it is one, else a socket. */
static int open_path(struct tty *tty, const char *path, struct err *err)
{
	struct stat st;

	if (tty_nmdm_wanted(path))
		return open_nmdm(tty, path, err);
	if (!strncmp(path, "/dev/", 5) ||
	    (!stat(path, &st) && S_ISCHR(st.st_mode)))
		return open_device(tty, path, err);
	/* A bare word is a typing error rather than a socket's name. */
	if (!strchr(path, '/'))
		return err_set(err, -EINVAL,
			       "'%s' is no place for a port; "
			       "expected %s",
			       path, where_hint);
	return open_unix(tty, path, err);
}

static int open_where(struct tty *tty, const char *where, struct err *err)
{
	if (!strcmp(where, "stdio"))
		return open_stdio(tty, err);
	if (!strncmp(where, "tcp=", 4))
		return open_tcp(tty, where + 4, err);
	if (!strncmp(where, "unix=", 5))
		return open_unix(tty, where + 5, err);
	return open_path(tty, where, err);
}

int tty_open(const char *where, struct evloop *loop, tty_receive_fn *receive,
	     void *ctx, struct err *err, struct tty **ret_tty)
{
	struct tty *tty = calloc(1, sizeof(*tty));
	unsigned i;
	int r;

	if (!tty)
		return err_set(err, -ENOMEM, "out of memory");
	tty->loop = loop;
	tty->receive = receive;
	tty->ctx = ctx;
	tty->listen_fd = tty->in_fd = tty->out_fd = -1;
	for (i = 0; i < TERMS; i++)
		tty->term[i] = TTY_TERM_NONE;
	pthread_mutex_init(&tty->lock, NULL);
	tty->where = strdup(where ? where : "nowhere");
	tty->ring = malloc(TTY_BACKLOG);
	r = tty->where && tty->ring
		? ev_timer_create(loop, kicked, tty, &tty->kick)
		: -ENOMEM;
	if (r)
		err_sys(err, r, "cannot set up the port");
	else if (where)
		r = open_where(tty, where, err);
	if (r) {
		tty_close(tty);
		return r;
	}
	*ret_tty = tty;
	return 0;
}

/* Gives a slow peer a last chance, bounded in time. */
static void final_flush(struct tty *tty)
{
	const struct clock *clock = clock_host();
	uint64_t now = clock->mono_ns(clock);
	uint64_t end = now + (tty->nmdm ? NMDM_FLUSH_NS : CLOSE_FLUSH_NS);

	pthread_mutex_lock(&tty->lock);
	while (tty->ring_len && tty->out_fd >= 0 && !tty->out_failed &&
	       now < end) {
		struct pollfd pfd = {.fd = tty->out_fd, .events = POLLOUT};

		(void)poll(&pfd, 1, (int)((end - now) / NS_PER_MS) + 1);
		out_flush(tty);
		now = clock->mono_ns(clock);
	}
	pthread_mutex_unlock(&tty->lock);
}

void tty_close(struct tty *tty)
{
	unsigned i;

	if (!tty)
		return;
	final_flush(tty);
	in_close(tty);
	out_close(tty);
	ev_fd_destroy(tty->listen_ev);
	if (tty->listen_fd >= 0)
		close(tty->listen_fd);
	if (tty->unix_path)
		unlink(tty->unix_path);
	tty_nmdm_close(tty->nmdm);
	ev_timer_destroy(tty->kick);
	for (i = 0; i < TERMS; i++)
		tty_term_release(tty->term[i]);
	if (tty->owns_stdio)
		tty_term_give_stdio();
	pthread_mutex_destroy(&tty->lock);
	free(tty->unix_path);
	free(tty->ring);
	free(tty->where);
	free(tty);
}
