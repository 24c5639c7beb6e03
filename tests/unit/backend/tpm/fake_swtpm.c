/* SPDX-License-Identifier: BSD-2-Clause */
/* A fake swtpm; described in fake_swtpm.h. */
#include "fake_swtpm.h"

#include <endian.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "spec/tpm.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- control ---- */

static size_t payload_bytes(unsigned command)
{
	switch (command) {
	case SWTPM_INIT:
	case SWTPM_SET_BUFFERSIZE:
		return 4;
	case SWTPM_SET_LOCALITY:
		return 1;
	default:
		return 0;
	}
}

/* The command, and the descriptor that came with its first byte. */
static ssize_t receive(struct fake_swtpm *fake, uint8_t *bytes, size_t room)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = bytes, .iov_len = room};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fake->control, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	if (head && head->cmsg_type == SCM_RIGHTS) {
		drop(&fake->data);
		memcpy(&fake->data, CMSG_DATA(head), sizeof(fake->data));
	}
	return n;
}

static void respond_control(struct fake_swtpm *fake, unsigned command)
{
	uint32_t words[4] = {0, 0, 0, 0};
	size_t count = 1;
	ssize_t n;

	if (command == SWTPM_GET_CAPABILITY) {
		words[1] = htobe32(fake->abilities);
		count = 2;
	} else if (command == SWTPM_SET_BUFFERSIZE) {
		words[1] = htobe32(MAX(fake->payload, fake->buffer_min));
		words[2] = htobe32(fake->buffer_min);
		words[3] = htobe32(4096);
		count = 4;
	}
	if (command == fake->refuse) {
		words[0] = htobe32(9);
		count = 1;
	}
	n = write(fake->control, words, count * sizeof(words[0]));
	must(n == (ssize_t)(count * sizeof(words[0])));
}

static void finish_blocking(struct fake_swtpm *fake);

static bool serve_control(struct fake_swtpm *fake)
{
	uint8_t bytes[64];
	ssize_t n = receive(fake, bytes, sizeof(bytes));
	uint32_t word;
	unsigned command;

	if (n <= 0)
		return false;
	must(n >= 4);
	memcpy(&word, bytes, 4);
	command = be32toh(word);
	must((size_t)n == 4 + payload_bytes(command));
	pthread_mutex_lock(&fake->lock);
	if (n == 8) {
		memcpy(&word, bytes + 4, 4);
		fake->payload = be32toh(word);
	}
	if (fake->calls < FAKE_CALLS)
		fake->call[fake->calls++] = (uint8_t)command;
	pthread_mutex_unlock(&fake->lock);
	if (command != fake->mute)
		respond_control(fake, command);
	if (command == SWTPM_CANCEL && command != fake->mute) {
		fake->cancelled = !fake->blocking;
		if (fake->blocking)
			finish_blocking(fake);
	}
	return true;
}

/* ---- data ---- */

static void send_bytes(struct fake_swtpm *fake, const uint8_t *bytes,
		       size_t len)
{
	size_t i, step = fake->trickle ? 1 : len;

	for (i = 0; i < len; i += step)
		(void)!send(fake->data, bytes + i, step, MSG_NOSIGNAL);
}

static void respond(struct fake_swtpm *fake, uint32_t code, uint32_t data)
{
	struct {
		struct tpm_header header;
		uint32_t data;
		uint8_t surplus[16];
	} __attribute__((packed)) rsp = {
	    .header = {.tag = htobe16(fake->tag),
		       .size = htobe32(14),
		       .code = htobe32(code)},
	    .data = htobe32(data),
	};
	size_t len = 14;

	if (fake->commands > 1 && fake->claim_size)
		rsp.header.size = htobe32(fake->claim_size);
	if (fake->commands > 1)
		len += MIN(fake->surplus, 16u);
	send_bytes(fake, (const uint8_t *)&rsp, len);
}

static void finish_blocking(struct fake_swtpm *fake)
{
	fake->blocking = fake->cancelled = false;
	respond(fake, 0x909, FAKE_BLOCKING); /* TPM_RC_CANCELED */
}

/* False: hangs up. */
static bool serve_data(struct fake_swtpm *fake)
{
	uint8_t bytes[4096];
	struct tpm_header header;
	ssize_t n = read(fake->data, bytes, sizeof(bytes));
	unsigned commands;
	uint32_t code;

	if (n <= 0) {
		drop(&fake->data);
		return true;
	}
	must(n >= (ssize_t)sizeof(header));
	memcpy(&header, bytes, sizeof(header));
	must(be32toh(header.size) == (size_t)n);
	code = be32toh(header.code);
	pthread_mutex_lock(&fake->lock);
	commands = ++fake->commands;
	pthread_mutex_unlock(&fake->lock);
	if (commands == fake->die_at)
		return false;
	if (commands > 1 && fake->silent)
		return true;
	if (code == FAKE_ECHO)
		send_bytes(fake, bytes, (size_t)n);
	else if (code == FAKE_BLOCKING && fake->cancelled)
		finish_blocking(fake);
	else if (code == FAKE_BLOCKING)
		fake->blocking = true;
	else
		respond(fake, 0, code);
	return true;
}

/* ---- thread ---- */

static void hang_up(struct fake_swtpm *fake)
{
	drop(&fake->control);
	drop(&fake->data);
}

static void take_client(struct fake_swtpm *fake)
{
	fake->control = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);
	must(fake->control >= 0);
	pthread_mutex_lock(&fake->lock);
	fake->clients++;
	pthread_mutex_unlock(&fake->lock);
}

static void *serve(void *ctx)
{
	struct fake_swtpm *fake = ctx;

	for (;;) {
		struct pollfd fds[4] = {
		    {.fd = fake->quit[0], .events = POLLIN},
		    {.fd = fake->control < 0 ? fake->listener : -1,
		     .events = POLLIN},
		    {.fd = fake->control, .events = POLLIN},
		    {.fd = fake->data, .events = POLLIN},
		};

		must(poll(fds, 4, -1) > 0);
		if (fds[0].revents)
			break;
		if (fds[1].revents)
			take_client(fake);
		if (fds[2].revents && !serve_control(fake))
			hang_up(fake);
		if (fds[3].revents && fake->data >= 0 && !serve_data(fake))
			hang_up(fake);
	}
	hang_up(fake);
	drop(&fake->listener);
	return NULL;
}

void fake_swtpm_start(struct fake_swtpm *fake)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	fake->abilities = fake->abilities ? fake->abilities : 0xffff;
	fake->tag = fake->tag ? fake->tag : TPM_ST_NO_SESSIONS;
	fake->control = fake->data = -1;
	fake->calls = fake->commands = fake->clients = 0;
	fake->blocking = fake->cancelled = false;
	pthread_mutex_init(&fake->lock, NULL);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", fake->path);
	unlink(fake->path);
	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(fake->listener >= 0 &&
	     !bind(fake->listener, (struct sockaddr *)&addr, sizeof(addr)) &&
	     !listen(fake->listener, 4) && !pipe2(fake->quit, O_CLOEXEC));
	must(!pthread_create(&fake->thread, NULL, serve, fake));
}

void fake_swtpm_stop(struct fake_swtpm *fake)
{
	must(write(fake->quit[1], "", 1) == 1);
	must(!pthread_join(fake->thread, NULL));
	close(fake->quit[0]);
	close(fake->quit[1]);
	unlink(fake->path);
	pthread_mutex_destroy(&fake->lock);
}

unsigned fake_swtpm_calls(struct fake_swtpm *fake, unsigned command)
{
	unsigned i, n = 0;

	pthread_mutex_lock(&fake->lock);
	for (i = 0; i < fake->calls; i++)
		n += fake->call[i] == command;
	pthread_mutex_unlock(&fake->lock);
	return n;
}
