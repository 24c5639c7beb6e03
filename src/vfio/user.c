/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection to a vfio-user server; the contract is in user.h.
 *
 * Theory of operation. A call sends a request and reads messages until its
 * reply is there. The server may ask for guest memory at any time, also between
 * a request and its reply, so a call answers such requests while it waits.
 * With no call under way the event loop reads. There is no thread for it: the
 * socket belongs to who holds the lock, and the loop only tries to get it,
 * because whoever holds it will read what has come.
 *
 * A call never waits longer than its deadline, whatever else the server sends
 * in the meantime. A server that misses it is given up, so the next call does
 * not wait at all: a vCPU can lose a few seconds, once.
 *
 *   vCPU thread        device lock, lock: send, receive (serve DMA), reply
 *   event loop         try lock: receive one message, serve it
 *   connection lost    the socket is shut down, which wakes the loop, which
 *                      calls `lost`
 */
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"
#include "vfio/user_internal.h"

#define ERRNO_MAX 4095u

/* ---- losing it ---- */

int user_lose(struct vfio_user *u, const char *fmt, ...)
{
	va_list ap;

	if (u->dead)
		return -EIO;
	va_start(ap, fmt);
	vsnprintf(u->why, sizeof(u->why), fmt, ap);
	va_end(ap);
	u->dead = true;
	/* Wakes the event loop, which tells. */
	shutdown(u->sock, SHUT_RDWR);
	return -EIO;
}

int user_break(struct vfio_user *u, const char *what)
{
	pthread_mutex_lock(&u->lock);
	(void)user_lose(u, "%s", what);
	pthread_mutex_unlock(&u->lock);
	return -EIO;
}

bool vfio_user_lost(struct vfio_user *u, char why[VFIO_USER_WHY_MAX])
{
	bool dead;

	pthread_mutex_lock(&u->lock);
	dead = u->dead;
	memcpy(why, u->why, sizeof(u->why));
	pthread_mutex_unlock(&u->lock);
	return dead;
}

static int lose_by_errno(struct vfio_user *u, int r, unsigned wait_ms)
{
	switch (r) {
	case -EPIPE:
	case -ECONNRESET:
		return user_lose(u, "closed the connection");
	case -ETIMEDOUT:
		return user_lose(u, "did not answer within %u ms", wait_ms);
	case -EBADMSG:
		return user_lose(u, "sent a message of %u bytes",
				 u->in.head.size);
	case -EMFILE:
		return user_lose(u, "sent too many descriptors");
	default:
		return user_lose(u, "cannot be talked to: %s", strerror(-r));
	}
}

/* ---- what the server asks ---- */

static int answer(struct vfio_user *u, int error, size_t size, const void *body,
		  uint64_t deadline_ns)
{
	struct vfio_user_out out = {
	    .head = u->in.head,
	    .body = body,
	    .size = error ? 0 : size,
	};

	if (u->in.head.flags & VFIO_USER_NO_REPLY)
		return 0;
	out.head.flags = VFIO_USER_TYPE_REPLY | (error ? VFIO_USER_ERROR : 0u);
	out.head.error = (uint32_t)-error;
	return vfio_user_send(u->sock, &out, deadline_ns);
}

/* Guest memory is touched through gmem alone, which knows its bounds. */
static int dma_access(struct vfio_user *u, size_t *ret_size)
{
	bool is_read = u->in.head.command == VFIO_USER_DMA_READ;
	struct vfio_user_dma_access access;
	size_t size = sizeof(access);

	if (u->in.size < sizeof(access))
		return -EINVAL;
	memcpy(&access, u->in.body, sizeof(access));
	if (access.count > VFIO_USER_DATA_MAX ||
	    u->in.size != size + (is_read ? 0 : access.count))
		return -EINVAL;
	if (!u->mapped || __atomic_load_n(&u->dma_stopped, __ATOMIC_ACQUIRE))
		return -EPERM;
	*ret_size = size + (is_read ? access.count : 0);
	if (is_read)
		return gmem_read(u->params.gmem, gpa(access.addr),
				 u->in.body + size, access.count);
	return gmem_write(u->params.gmem, gpa(access.addr), u->in.body + size,
			  access.count);
}

static int serve(struct vfio_user *u, uint64_t deadline_ns)
{
	size_t size = 0;
	int r = -ENOTSUP;

	vfio_user_drop_fds(&u->in);
	if (u->in.head.command == VFIO_USER_DMA_READ ||
	    u->in.head.command == VFIO_USER_DMA_WRITE)
		r = dma_access(u, &size);
	if (r)
		log_guest("%s: its server asked for something that it cannot"
			  " have (command %u): %s",
			  u->path, u->in.head.command, strerror(-r));
	return answer(u, r, size, u->in.body, deadline_ns);
}

static bool is_reply(const struct vfio_user *u)
{
	return (u->in.head.flags & VFIO_USER_TYPE_MASK) == VFIO_USER_TYPE_REPLY;
}

/* ---- calls ---- */

static int take_reply(struct vfio_user *u, struct user_call *call)
{
	const struct vfio_user_header *head = &u->in.head;
	uint32_t error = head->error;

	if (head->id != u->id || head->command != call->command)
		return user_lose(u, "answered command %u with %u",
				 call->command, head->command);
	if (head->flags & VFIO_USER_ERROR)
		return error && error <= ERRNO_MAX ? -(int)error : -EIO;
	if (u->in.size < call->reply_min)
		return user_lose(u,
				 "answered command %u with %zu bytes instead"
				 " of %zu",
				 call->command, u->in.size, call->reply_min);
	call->reply_size = u->in.size;
	if (call->reply)
		memcpy(call->reply, u->in.body,
		       MIN(u->in.size, call->reply_room));
	if (call->ret_fd)
		*call->ret_fd = vfio_user_take_fd(&u->in);
	return 0;
}

static int send_request(struct vfio_user *u, const struct user_call *call,
			uint32_t flags, uint64_t deadline_ns)
{
	struct vfio_user_out out = {
	    .head = {.command = call->command, .id = ++u->id, .flags = flags},
	    .body = call->body,
	    .size = call->size,
	    .data = call->data,
	    .data_size = call->data_size,
	    .fd = call->fd,
	    .fds = call->fds,
	};

	return vfio_user_send(u->sock, &out, deadline_ns);
}

static int call_locked(struct vfio_user *u, struct user_call *call)
{
	unsigned wait_ms = call->wait_ms ? call->wait_ms : u->params.reply_ms;
	uint64_t deadline = vfio_user_deadline(wait_ms);
	int r;

	if (u->dead)
		return -EIO;
	r = send_request(u, call, VFIO_USER_TYPE_COMMAND, deadline);
	while (!r) {
		r = vfio_user_receive(u->sock, &u->in, deadline);
		if (!r && is_reply(u)) {
			r = take_reply(u, call);
			vfio_user_drop_fds(&u->in);
			return r;
		}
		if (!r)
			r = serve(u, deadline);
	}
	return lose_by_errno(u, r, wait_ms);
}

int user_call(struct vfio_user *u, struct user_call *call)
{
	int r;

	if (call->ret_fd)
		*call->ret_fd = -1;
	pthread_mutex_lock(&u->lock);
	r = call_locked(u, call);
	pthread_mutex_unlock(&u->lock);
	return r;
}

void user_tell(struct vfio_user *u, struct user_call *call)
{
	int r = 0;

	pthread_mutex_lock(&u->lock);
	if (!u->dead)
		r = send_request(u, call,
				 VFIO_USER_TYPE_COMMAND | VFIO_USER_NO_REPLY,
				 vfio_user_deadline(u->params.reply_ms));
	if (r)
		(void)lose_by_errno(u, r, u->params.reply_ms);
	pthread_mutex_unlock(&u->lock);
}

/* ---- the event loop ---- */

static void read_locked(struct vfio_user *u)
{
	uint64_t deadline = vfio_user_deadline(VFIO_USER_MESSAGE_MS);
	int r;

	r = vfio_user_receive(u->sock, &u->in, deadline);
	if (!r && is_reply(u)) {
		vfio_user_drop_fds(&u->in);
		(void)user_lose(u, "answered what nobody had asked");
	} else if (!r) {
		r = serve(u, deadline);
	}
	if (r)
		(void)lose_by_errno(u, r, VFIO_USER_MESSAGE_MS);
}

static bool socket_has_more(const struct vfio_user *u)
{
	char byte;

	return recv(u->sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	       (errno != EAGAIN && errno != EINTR);
}

static void on_socket(struct vfio_user *u)
{
	bool dead;

	if (pthread_mutex_trylock(&u->lock))
		return;
	/* A call may have read what woke us. */
	if (!u->dead && socket_has_more(u))
		read_locked(u);
	dead = u->dead;
	pthread_mutex_unlock(&u->lock);
	if (!dead || u->told)
		return;
	u->told = true;
	epoll_ctl(u->wait_fd, EPOLL_CTL_DEL, u->sock, NULL);
	if (u->params.lost)
		u->params.lost(u->params.ctx);
}

static void on_event(void *ctx, unsigned events UNUSED)
{
	struct vfio_user *u = ctx;
	struct epoll_event ev[2];
	int i, n = epoll_wait(u->wait_fd, ev, ARRAY_LEN(ev), 0);

	for (i = 0; i < n; i++) {
		if (ev[i].data.u32 == WAIT_RESAMPLE)
			user_resampled(u);
		else
			on_socket(u);
	}
}

/* ---- connecting ---- */

static int connect_error(const char *path, int error, struct err *err)
{
	if (error == ENOENT || error == ECONNREFUSED)
		return err_set(err, -error,
			       "%s: no vfio-user server listens there; start"
			       " it first",
			       path);
	if (error == EAGAIN)
		return err_set(err, -EBUSY,
			       "%s: the server is busy with others; give each"
			       " guest a device of its own",
			       path);
	return err_sys(err, -error, "%s: vfio-user socket", path);
}

static int connect_to(const char *path, struct err *err, int *ret_sock)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP_CLOSE int sock = -1;
	int r;

	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >=
	    (int)sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "%s: a socket's path has at most %zu bytes",
			       path, sizeof(addr.sun_path) - 1);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return err_sys(err, -errno, "%s: socket", path);
	do {
		r = connect(sock, (struct sockaddr *)&addr, sizeof(addr));
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return connect_error(path, errno, err);
	*ret_sock = take_fd(sock);
	return 0;
}

static int agree(struct vfio_user *u, struct err *err)
{
	const struct vfio_user_version ours = {VFIO_USER_MAJOR,
					       VFIO_USER_MINOR};
	uint8_t reply[4096];
	char why[VFIO_USER_WHY_MAX];
	struct user_call call = {
	    .command = VFIO_USER_VERSION,
	    .body = &ours,
	    .size = sizeof(ours),
	    .data = user_version_text(),
	    .data_size = strlen(user_version_text()) + 1,
	    .reply = reply,
	    .reply_min = sizeof(ours),
	    .reply_room = sizeof(reply),
	};
	int r = user_call(u, &call);

	if (r && vfio_user_lost(u, why))
		return err_set(err, r,
			       "%s: the vfio-user server %s; does it serve"
			       " another guest?",
			       u->path, why);
	if (r)
		return err_sys(err, r,
			       "%s: the vfio-user server refuses version"
			       " %u.%u",
			       u->path, VFIO_USER_MAJOR, VFIO_USER_MINOR);
	if (call.reply_size > sizeof(reply))
		return err_set(err, -EBADMSG,
			       "%s: the vfio-user server's version has %zu"
			       " bytes; 4096 are enough for anybody",
			       u->path, call.reply_size);
	r = user_version_parse(reply, call.reply_size, &u->version, why);
	return r ? err_set(err, r, "%s: the vfio-user server %s", u->path, why)
		 : 0;
}

static int watch(struct vfio_user *u, struct err *err)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = WAIT_SOCKET};
	int r;

	u->wait_fd = epoll_create1(EPOLL_CLOEXEC);
	if (u->wait_fd < 0 ||
	    epoll_ctl(u->wait_fd, EPOLL_CTL_ADD, u->sock, &ev) < 0)
		return err_sys(err, -errno, "%s: epoll", u->path);
	r = ev_fd_create(u->params.loop, u->wait_fd, EV_IN, on_event, u,
			 &u->wait_event);
	return r ? err_sys(err, r, "%s: event loop", u->path) : 0;
}

static struct vfio_user *user_alloc(const struct vfio_user_params *params)
{
	struct vfio_user *u = calloc(1, sizeof(*u));
	unsigned i;

	if (!u)
		return NULL;
	u->params = *params;
	if (!u->params.reply_ms)
		u->params.reply_ms = VFIO_USER_REPLY_MS;
	if (!u->params.reset_ms)
		u->params.reset_ms = VFIO_USER_RESET_MS;
	u->ops = user_ops;
	u->ops.ctx = u;
	u->sock = u->wait_fd = u->resample_fd = -1;
	for (i = 0; i < VFIO_USER_REGIONS; i++)
		u->region[i].fd = -1;
	pthread_mutex_init(&u->lock, NULL);
	u->in.body = malloc(VFIO_USER_BODY_MAX);
	if (u->in.body)
		return u;
	vfio_user_close(u);
	return NULL;
}

int user_adopt(const struct vfio_user_params *params, int sock, struct err *err,
	       struct vfio_user **ret_user)
{
	struct vfio_user *u = user_alloc(params);
	int r;

	if (!u) {
		close(sock);
		return err_set(err, -ENOMEM, "%s: out of memory", params->path);
	}
	u->sock = sock;
	snprintf(u->path, sizeof(u->path), "%s", params->path);
	r = agree(u, err);
	if (!r)
		r = watch(u, err);
	if (r) {
		vfio_user_close(u);
		return r;
	}
	*ret_user = u;
	return 0;
}

int vfio_user_connect(const struct vfio_user_params *params, struct err *err,
		      struct vfio_user **ret_user)
{
	int sock = -1, r;

	r = connect_to(params->path, err, &sock);
	return r ? r : user_adopt(params, sock, err, ret_user);
}

/* ---- guest memory ---- */

static int range_map(void *ctx, const struct gmem_shared *range)
{
	struct vfio_user *u = ctx;
	struct vfio_user_dma_map map = {
	    .argsz = sizeof(map),
	    .flags = VFIO_USER_DMA_READABLE | VFIO_USER_DMA_WRITEABLE,
	    .offset = range->offset,
	    .addr = range->base.v,
	    .size = range->size,
	};
	struct user_call call = {
	    .command = VFIO_USER_DMA_MAP,
	    .body = &map,
	    .size = sizeof(map),
	    .fd = &range->fd,
	    .fds = range->fd >= 0,
	};

	return user_call(u, &call);
}

static int range_unmap(void *ctx, const struct gmem_shared *range)
{
	struct vfio_user *u = ctx;
	struct vfio_user_dma_unmap unmap = {
	    .argsz = sizeof(unmap),
	    .addr = range->base.v,
	    .size = range->size,
	};
	struct user_call call = {
	    .command = VFIO_USER_DMA_UNMAP,
	    .body = &unmap,
	    .size = sizeof(unmap),
	};

	return user_call(u, &call);
}

int vfio_user_map(struct vfio_user *u, struct err *err)
{
	char why[VFIO_USER_WHY_MAX];
	int r = gmem_for_each_shared(u->params.gmem, range_map, u);

	if (r && vfio_user_lost(u, why))
		return err_set(err, r, "%s: the vfio-user server %s", u->path,
			       why);
	if (r)
		return err_sys(err, r,
			       "%s: the vfio-user server does not take guest"
			       " memory",
			       u->path);
	pthread_mutex_lock(&u->lock);
	u->mapped = true;
	pthread_mutex_unlock(&u->lock);
	return 0;
}

void vfio_user_allow_dma(struct vfio_user *u, bool allow)
{
	__atomic_store_n(&u->dma_stopped, !allow, __ATOMIC_RELEASE);
}

void vfio_user_close(struct vfio_user *u)
{
	unsigned i;

	if (!u)
		return;
	/* A server that keeps running should not keep the guest's memory. */
	if (u->mapped)
		(void)!gmem_for_each_shared(u->params.gmem, range_unmap, u);
	ev_fd_destroy(u->wait_event);
	if (u->wait_fd >= 0)
		close(u->wait_fd);
	if (u->sock >= 0)
		close(u->sock);
	for (i = 0; i < VFIO_USER_REGIONS; i++)
		if (u->region[i].fd >= 0)
			close(u->region[i].fd);
	pthread_mutex_destroy(&u->lock);
	free(u->in.body);
	free(u);
}

int vfio_user_fd(const struct vfio_user *u)
{
	return u->sock;
}

const struct vfio_ops *vfio_user_ops(const struct vfio_user *u)
{
	return &u->ops;
}
