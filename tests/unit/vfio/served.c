/* SPDX-License-Identifier: BSD-2-Clause */
/* The device of served.h. */
#include "served.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

static void must(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	abort();
}

static void *serve(void *arg)
{
	struct served *s = arg;

	s->result = testdev_serve(s->device, s->listen_fd, s->stop_fd);
	close(s->listen_fd);
	s->listen_fd = -1;
	return NULL;
}

void served_start(struct served *s, const char *dir, const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP_FCLOSE FILE *in = NULL;
	struct err err = {0};
	struct desc desc;
	char file[512];

	*s = (struct served){.folder = "/tmp/byway-served-XXXXXX"};
	must(mkdtemp(s->folder) != NULL, "mkdtemp");
	snprintf(s->path, sizeof(s->path), "%s/sock", s->folder);
	snprintf(file, sizeof(file), "%s/%s.dev", dir, name);
	in = fopen(file, "re");
	must(in != NULL, file);
	if (desc_read(in, file, &err, &desc) ||
	    testdev_create(&desc, NULL, &err, &s->device)) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", s->path);
	s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(bind(s->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
		 listen(s->listen_fd, 1) == 0,
	     "socket");
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	must(pthread_create(&s->thread, NULL, serve, s) == 0, "thread");
}

void served_stop(struct served *s)
{
	const uint64_t one = 1;

	must(write(s->stop_fd, &one, sizeof(one)) == sizeof(one), "eventfd");
	pthread_join(s->thread, NULL);
	close(s->stop_fd);
	testdev_destroy(s->device);
	unlink(s->path);
	rmdir(s->folder);
}

int served_machine(struct world *w, const struct served *s, unsigned reply_ms,
		   unsigned reset_ms, struct err *err)
{
	char opts[128];
	int r;

	world_init_shared(w);
	w->reply_ms = reply_ms;
	w->reset_ms = reset_ms;
	world_start(w);
	snprintf(opts, sizeof(opts), "vfio-user=%s", s->path);
	r = world_passthru(w, SERVED_SLOT, opts, err);
	if (!r)
		world_assign(w);
	return r;
}
