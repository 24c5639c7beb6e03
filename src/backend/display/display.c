/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The display: accepts clients and starts and ends their threads (viewer.c).
 * The contract is in display.h.
 *
 * Everything here runs on the event loop's thread. Viewers' threads speak to
 * it through event_fd, after setting `ready` or `done`.
 */
#include "backend/display/display.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "backend/display/display_internal.h"
#include "base/log.h"
#include "base/thread.h"

#define STACK_BYTES (1u << 20)

/* ---- clients ---- */

static void viewer_end(struct viewer *viewer)
{
	pthread_join(viewer->thread, NULL);
	ev_timer_disarm(viewer->deadline);
	close(viewer->hold_fd);
	viewer->hold_fd = -1;
	viewer->used = false;
}

/* Not through the handshake in time. */
static void deadline_passed(void *ctx)
{
	struct viewer *viewer = ctx;

	if (viewer->used && !__atomic_load_n(&viewer->ready, __ATOMIC_ACQUIRE))
		(void)shutdown(viewer->hold_fd, SHUT_RDWR);
}

/* Consumes fd, also when it fails. */
static int viewer_start(struct viewer *viewer, int fd)
{
	int on = 1, r;

	viewer->hold_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (viewer->hold_fd < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	/* Neither matters to a unix socket, which ignores or refuses them. */
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	viewer->fd = fd;
	viewer->ready = viewer->done = false;
	viewer->authenticated = viewer->refused = viewer->key_ack_due = false;
	viewer->pointed = false;
	viewer->x = viewer->y = viewer->buttons = 0;
	r = thread_start(STACK_BYTES, viewer_main, viewer, &viewer->thread);
	if (r) {
		close(fd);
		close(viewer->hold_fd);
		viewer->hold_fd = -1;
		return r;
	}
	viewer->used = true;
	ev_timer_arm(viewer->deadline, viewer->display->handshake_ns);
	return 0;
}

static struct viewer *free_viewer(struct display *display)
{
	unsigned i;

	for (i = 0; i < DISPLAY_CLIENTS; i++)
		if (!display->viewer[i].used)
			return &display->viewer[i];
	return NULL;
}

static void refuse_client(struct display *display, int fd, const char *why)
{
	close(fd);
	log_guest("vnc %s: client let go: %s", display->where, why);
}

/* A client we have no descriptor for stays ready: look again in a second. */
static void accept_later(struct display *display, int error)
{
	if (error != EMFILE && error != ENFILE && error != ENOMEM &&
	    error != ENOBUFS)
		return;
	ev_fd_set(display->listen_ev, 0);
	ev_timer_arm(display->resume, NS_PER_S);
}

static void accept_again(void *ctx)
{
	struct display *display = ctx;

	ev_fd_set(display->listen_ev, EV_IN);
}

static void client_ready(void *ctx, unsigned events UNUSED)
{
	struct display *display = ctx;
	struct viewer *viewer = free_viewer(display);
	int fd, r;

	fd = accept4(display->listen_fd, NULL, NULL,
		     SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		accept_later(display, errno);
		return;
	}
	if (!viewer) {
		refuse_client(display, fd, "there are too many");
	} else if (fd >= FD_SETSIZE) {
		/* libvncserver uses select(2). */
		refuse_client(display, fd, "too many descriptors are open");
	} else {
		r = viewer_start(viewer, fd);
		if (r)
			log_guest("vnc %s: client let go: %s", display->where,
				  strerror(-r));
	}
}

/* ---- what viewers tell ---- */

static bool any_ready(const struct display *display)
{
	unsigned i;

	for (i = 0; i < DISPLAY_CLIENTS; i++)
		if (display->viewer[i].used &&
		    __atomic_load_n(&display->viewer[i].ready,
				    __ATOMIC_ACQUIRE))
			return true;
	return false;
}

static void viewers_told(void *ctx, unsigned events UNUSED)
{
	struct display *display = ctx;
	display_ready_fn *ready = display->ready;
	eventfd_t count;
	unsigned i;

	(void)!eventfd_read(display->event_fd, &count);
	if (ready && any_ready(display)) {
		display->ready = NULL;
		ready(display->ready_ctx);
	}
	for (i = 0; i < DISPLAY_CLIENTS; i++)
		if (display->viewer[i].used &&
		    __atomic_load_n(&display->viewer[i].done, __ATOMIC_ACQUIRE))
			viewer_end(&display->viewer[i]);
}

void display_on_client(struct display *display, display_ready_fn *fn, void *ctx)
{
	display->ready = fn;
	display->ready_ctx = ctx;
	(void)!eventfd_write(display->event_fd, 1);
}

/* ---- life ---- */

static int copy_params(struct display *display,
		       const struct display_params *params, struct err *err)
{
	const char *password = params->password ? params->password : "";

	if (strlen(password) > DISPLAY_PASSWORD_MAX)
		log_warn("screen: only the first %u characters of the password"
			 " count (VNC's limit)",
			 DISPLAY_PASSWORD_MAX);
	snprintf(display->password, sizeof(display->password), "%.*s",
		 (int)DISPLAY_PASSWORD_MAX, password);
	display->passwords[0] = display->password;
	display->websocket = params->websocket || *password;
	display->handshake_ns =
	    params->handshake_ns ? params->handshake_ns : DISPLAY_HANDSHAKE_NS;
	display->source = params->source;
	display->hub = params->hub;
	display->loop = params->loop;
	display->name = strdup(params->name ? params->name : "");
	return display->name ? 0
			     : err_set(err, -ENOMEM, "screen: out of memory");
}

static int open_events(struct display *display)
{
	int r;

	display->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	display->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (display->event_fd < 0 || display->stop_fd < 0)
		return -errno;
	r = ev_fd_create(display->loop, display->event_fd, EV_IN, viewers_told,
			 display, &display->event_ev);
	if (!r)
		r = ev_timer_create(display->loop, accept_again, display,
				    &display->resume);
	if (!r)
		r = ev_fd_create(display->loop, display->listen_fd, EV_IN,
				 client_ready, display, &display->listen_ev);
	return r;
}

static int make_viewers(struct display *display)
{
	unsigned i;
	int r = 0;

	for (i = 0; !r && i < DISPLAY_CLIENTS; i++) {
		r = viewer_init(&display->viewer[i], display);
		if (!r)
			r = ev_timer_create(display->loop, deadline_passed,
					    &display->viewer[i],
					    &display->viewer[i].deadline);
	}
	return r ? r : viewer_rehearse(&display->viewer[0]);
}

static void warn_public(const struct display *display)
{
	if (display->password[0])
		return;
	if (display_is_public(display))
		log_warn("screen %s: anyone who reaches this address sees and"
			 " controls the guest; set password= or listen on"
			 " 127.0.0.1",
			 display->where);
	else if (display->websocket)
		log_warn("screen %s: any web page open on this host can"
			 " control the guest; set password=",
			 display->where);
}

static int display_open(struct display *display,
			const struct display_params *params, struct err *err)
{
	const char *layout = params->layout ? params->layout : KEYMAP_DEFAULT;
	int r = copy_params(display, params, err);

	if (!r)
		r = keymap_create(layout, err, &display->keymap);
	if (!r)
		r = vnc_lib_load(err, &display->lib);
	if (!r)
		r = display_listen(display, params->where, err);
	if (r)
		return r;
	viewer_extension(display);
	r = make_viewers(display);
	if (!r)
		r = open_events(display);
	if (r)
		return err_sys(err, r, "screen: cannot be set up");
	warn_public(display);
	return 0;
}

int display_create(const struct display_params *params, struct err *err,
		   struct display **ret_display)
{
	struct display *display = calloc(1, sizeof(*display));
	int r;

	if (!display)
		return err_set(err, -ENOMEM, "screen: out of memory");
	display->listen_fd = display->event_fd = display->stop_fd = -1;
	r = display_open(display, params, err);
	if (r) {
		display_destroy(display);
		return r;
	}
	*ret_display = display;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void end_viewers(struct display *display)
{
	unsigned i;

	if (display->stop_fd >= 0)
		(void)!eventfd_write(display->stop_fd, 1);
	/* All first, so that they end at the same time. */
	for (i = 0; i < DISPLAY_CLIENTS; i++)
		if (display->viewer[i].used)
			(void)shutdown(display->viewer[i].hold_fd, SHUT_RDWR);
	for (i = 0; i < DISPLAY_CLIENTS; i++)
		if (display->viewer[i].used)
			viewer_end(&display->viewer[i]);
}

void display_destroy(struct display *display)
{
	unsigned i;

	if (!display)
		return;
	ev_fd_destroy(display->listen_ev);
	close_fd(display->listen_fd);
	if (display->unix_path)
		unlink(display->unix_path);
	end_viewers(display);
	ev_fd_destroy(display->event_ev);
	ev_timer_destroy(display->resume);
	for (i = 0; i < DISPLAY_CLIENTS; i++) {
		ev_timer_destroy(display->viewer[i].deadline);
		viewer_fini(&display->viewer[i]);
	}
	if (display->extension.handleMessage)
		display->lib.remove_extension(&display->extension);
	close_fd(display->event_fd);
	close_fd(display->stop_fd);
	keymap_destroy(display->keymap);
	explicit_bzero(display->password, sizeof(display->password));
	free(display->unix_path);
	free(display->where);
	free(display->name);
	free(display);
}

const char *display_where(const struct display *display)
{
	return display->where;
}
