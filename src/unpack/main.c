/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * byway-unpack KERNEL OUT: unpacks a bzImage once, so that guests need not do
 * it at each of their boots, and writes it as kfile.h says.
 *
 * A program of its own because a kernel file may be hostile and decoders have
 * bugs: the hypervisor links none. Both files are opened here; a child then
 * locks itself in (sandbox.h) and does everything that looks at contents. The
 * parent gives the result its name only when the child succeeded, so OUT is
 * complete or not there.
 *
 * Exit status: 0 written; 1 not, one sentence on stderr says why; 2 usage.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/log.h"
#include "unpack/bzimage.h"
#include "unpack/payload.h"
#include "unpack/sandbox.h"
#include "unpack/vmlinux.h"

static int read_payload(int fd, const struct bzimage *image, struct err *err,
			uint8_t **ret_data)
{
	uint8_t *data;
	int r;

	if (!image->payload_bytes)
		return err_set(err, -ENOTSUP,
			       "its header names no packed kernel");
	data = malloc(image->payload_bytes); /* 32 bits of it at most */
	if (!data)
		return err_set(err, -ENOMEM, "out of memory");
	r = file_read_at(fd, data, image->payload_bytes, image->payload_at);
	if (r) {
		free(data);
		return err_sys(err, r, "cannot read");
	}
	*ret_data = data;
	return 0;
}

static int unpack(int in_fd, const struct bzimage *image, int out_fd,
		  const struct kfile_key *key, struct err *err)
{
	CLEANUP_FREE uint8_t *packed = NULL;
	struct vmlinux kernel;
	uint8_t *data = NULL;
	size_t len = 0;
	int r = read_payload(in_fd, image, err, &packed);

	if (!r)
		r = payload_unpack(packed, image->payload_bytes, err, &data,
				   &len);
	if (!r)
		r = vmlinux_parse(data, len, err, &kernel);
	if (!r)
		r = vmlinux_write(&kernel, key, out_fd, err);
	payload_free(data, len);
	return r;
}

static NORETURN void child_main(const char *path, int in_fd,
				const struct bzimage *image, int out_fd)
{
	struct kfile_key key;
	struct err err = {0};
	int r = kfile_key_of(in_fd, &key);

	if (r)
		err_sys(&err, r, "cannot read");
	else
		r = sandbox_enter(&err);
	if (!r)
		r = unpack(in_fd, image, out_fd, &key, &err);
	if (r)
		log_error("%s: %s", path, err.msg);
	_exit(r ? 1 : 0);
}

static int wait_child(pid_t pid, const char *path)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno == EINTR)
			continue;
		log_error("%s: wait: %s", path, strerror(errno));
		return -1;
	}
	if (WIFSIGNALED(status))
		log_error("%s: unpacking it ended with signal %d (%s)", path,
			  WTERMSIG(status), strsignal(WTERMSIG(status)));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* Makes the file durable before its name says that it is whole. */
static int publish(int fd, const char *temp, const char *out)
{
	if (!fsync(fd) && !rename(temp, out))
		return 0;
	log_error("%s: cannot write: %s", out, strerror(errno));
	return -1;
}

static int run(const char *path, const char *out, const char *temp)
{
	CLEANUP_CLOSE int in_fd = -1;
	CLEANUP_CLOSE int out_fd = -1;
	struct bzimage image;
	struct err err = {0};
	pid_t pid;
	int r = -1;

	if (bzimage_open(path, &err, &in_fd, &image)) {
		log_error("%s", err.msg);
		return 1;
	}
	out_fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out_fd < 0) {
		log_error("%s: cannot create: %s", temp, strerror(errno));
		return 1;
	}
	pid = fork();
	if (pid == 0)
		child_main(path, in_fd, &image, out_fd);
	if (pid < 0)
		log_error("cannot fork: %s", strerror(errno));
	else
		r = wait_child(pid, path);
	if (!r)
		r = publish(out_fd, temp, out);
	if (r)
		unlink(temp);
	return r ? 1 : 0;
}

int main(int argc, char **argv)
{
	CLEANUP_FREE char *temp = NULL;

	log_init("byway-unpack", LOG_INFO);
	if (argc != 3 || argv[1][0] == '-') {
		fprintf(stderr,
			"usage: byway-unpack KERNEL OUT\n"
			"Unpacks a Linux bzImage into OUT, in the form byway"
			" loads.\n");
		return 2;
	}
	if (asprintf(&temp, "%s.tmp-%d", argv[2], (int)getpid()) < 0) {
		log_error("out of memory");
		return 1;
	}
	return run(argv[1], argv[2], temp);
}
