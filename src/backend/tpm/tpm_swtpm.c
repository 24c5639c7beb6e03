/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * swtpm behind its control socket; see tpm.h. Commands and responses travel
 * over a pair of sockets of our own, one end of which swtpm is given.
 */
#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "backend/tpm/tpm_internal.h"
#include "spec/tpm.h"

#define NEEDED                                                \
	(SWTPM_CAN_INIT | SWTPM_CAN_STOP | SWTPM_CAN_DATAFD | \
	 SWTPM_CAN_SET_BUFFERSIZE | SWTPM_CAN_SET_LOCALITY)
#define PAYLOAD_MAX 16u

/* A control command: its code, then a few big-endian words. */
struct control {
	enum swtpm_command command;
	const void *payload;
	size_t payload_len;
	int pass_fd;  /* -1: none */
	void *answer; /* behind the result; only when that is 0 */
	size_t answer_len;
};

/* The first bytes carry the descriptor, if any. */
static int send_with_fd(struct tpm *tpm, const void *bytes, size_t len, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {.room = ""};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = len};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (sendmsg(tpm->control, &msg, MSG_NOSIGNAL) == (ssize_t)len)
		return 0;
	return errno ? -errno : -EIO;
}

static int control_exchange(struct tpm *tpm, const struct control *call,
			    uint32_t *ret_result)
{
	uint64_t deadline = tpm_deadline(tpm->timeouts.control_ms);
	uint8_t message[4 + PAYLOAD_MAX];
	uint32_t word = htobe32(call->command);
	size_t len = sizeof(word) + call->payload_len;
	int r;

	memcpy(message, &word, sizeof(word));
	if (call->payload_len)
		memcpy(message + sizeof(word), call->payload,
		       call->payload_len);
	r = call->pass_fd >= 0
		? send_with_fd(tpm, message, len, call->pass_fd)
		: tpm_write_all(tpm->control, message, len, deadline);
	if (!r)
		r = tpm_read_all(tpm->control, &word, sizeof(word), deadline);
	if (!r && !word && call->answer_len)
		r = tpm_read_all(tpm->control, call->answer, call->answer_len,
				 deadline);
	if (!r)
		*ret_result = be32toh(word);
	return r;
}

/*
 * 0, negative errno when the channel failed, or -EREMOTEIO when swtpm refused;
 * then *ret_result is its reason. A channel that failed is not used again: a
 * late answer would be taken for the next one. It stays open, since closing it
 * is swtpm's sign to drop the guest.
 */
static int control_call(struct tpm *tpm, const struct control *call,
			uint32_t *ret_result)
{
	int r = tpm->control_lost ? -ENOTCONN
				  : control_exchange(tpm, call, ret_result);

	tpm->control_lost |= r != 0;
	return r ? r : *ret_result ? -EREMOTEIO : 0;
}

static int explain_call(const struct tpm *tpm, const char *what, int code,
			uint32_t result, struct err *err)
{
	if (code == -ETIMEDOUT)
		return err_set(
		    err, code,
		    "tpm: %s: no answer to \"%s\"; is another guest connected,"
		    " or is it not the socket of swtpm's --ctrl option?",
		    tpm->path, what);
	if (code == -EREMOTEIO)
		return err_set(err, code,
			       "tpm: %s: swtpm refused \"%s\" with TPM result"
			       " 0x%x; its own log (--log) says more",
			       tpm->path, what, result);
	return err_sys(err, code, "tpm: %s: swtpm hung up at \"%s\"", tpm->path,
		       what);
}

/* A command that only succeeds or fails. */
static int simple_call(struct tpm *tpm, const char *what,
		       enum swtpm_command command, const void *payload,
		       size_t payload_len, struct err *err)
{
	const struct control call = {.command = command,
				     .payload = payload,
				     .payload_len = payload_len,
				     .pass_fd = -1};
	uint32_t result = 0;
	int r = control_call(tpm, &call, &result);

	return r ? explain_call(tpm, what, r, result, err) : 0;
}

/* ---- opening ---- */

static int explain_connect(const struct tpm *tpm, int code, struct err *err)
{
	if (code == -ENOENT || code == -ECONNREFUSED)
		return err_set(
		    err, code,
		    "tpm: %s: no swtpm listens there; start it first: swtpm"
		    " socket --tpm2 --ctrl type=unixio,path=%s --tpmstate"
		    " dir=DIR",
		    tpm->path, tpm->path);
	if (code == -EAGAIN)
		return err_set(err, code,
			       "tpm: %s: swtpm serves another guest; each needs"
			       " its own",
			       tpm->path);
	return err_sys(err, code, "tpm: %s: cannot be connected to", tpm->path);
}

static int connect_control(struct tpm *tpm, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(tpm->path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "tpm: %s: the path of a socket has at most %zu"
			       " characters",
			       tpm->path, sizeof(addr.sun_path) - 1);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", tpm->path);
	tpm->control =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (tpm->control < 0)
		return err_sys(err, -errno, "tpm: socket");
	if (connect(tpm->control, (struct sockaddr *)&addr, sizeof(addr)))
		return explain_connect(tpm, -errno, err);
	return 0;
}

/* 8 bytes; the upper half takes the place of the result. */
static int check_abilities(struct tpm *tpm, struct err *err)
{
	uint32_t result = 0, can = 0;
	const struct control call = {.command = SWTPM_GET_CAPABILITY,
				     .pass_fd = -1,
				     .answer = &can,
				     .answer_len = sizeof(can)};
	int r = control_call(tpm, &call, &result);

	if (r)
		return explain_call(tpm, "get capability", r, result, err);
	can = be32toh(can);
	if ((can & NEEDED) == NEEDED)
		return 0;
	return err_set(
	    err, -ENOTSUP,
	    "tpm: %s: this swtpm (abilities 0x%x) lacks some of 0x%x;"
	    " 0.7 and later have them",
	    tpm->path, can, NEEDED);
}

static int give_data_socket(struct tpm *tpm, struct err *err)
{
	uint32_t result = 0;
	struct control call = {.command = SWTPM_SET_DATAFD};
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return err_sys(err, -errno, "tpm: socket pair");
	tpm->data = pair[0];
	call.pass_fd = pair[1];
	/* Only our end: swtpm's own must block. */
	r = fcntl(pair[0], F_SETFL, O_NONBLOCK)
		? -errno
		: control_call(tpm, &call, &result);
	close(pair[1]);
	return r ? explain_call(tpm, "set data descriptor", r, result, err) : 0;
}

static int swtpm_open(struct tpm *tpm, struct err *err)
{
	int r = connect_control(tpm, err);

	if (!r)
		r = check_abilities(tpm, err);
	return r ? r : give_data_socket(tpm, err);
}

/* ---- power ---- */

/* Answered with the size in use, its minimum and maximum. */
static int set_buffer(struct tpm *tpm, struct err *err)
{
	const uint32_t want = htobe32((uint32_t)tpm->buffer_bytes);
	uint32_t result = 0, sizes[3];
	const struct control call = {.command = SWTPM_SET_BUFFERSIZE,
				     .payload = &want,
				     .payload_len = sizeof(want),
				     .pass_fd = -1,
				     .answer = sizes,
				     .answer_len = sizeof(sizes)};
	int r = control_call(tpm, &call, &result);

	if (r)
		return explain_call(tpm, "set buffer size", r, result, err);
	if (be32toh(sizes[0]) > tpm->buffer_bytes)
		return err_set(err, -ENOTSUP,
			       "tpm: %s: swtpm's messages of %u bytes do not"
			       " fit into the %zu of the guest's device",
			       tpm->path, be32toh(sizes[0]), tpm->buffer_bytes);
	return 0;
}

static int swtpm_restart(struct tpm *tpm, struct err *err)
{
	const uint32_t init_flags = 0;
	const uint8_t locality = 0;
	int r = simple_call(tpm, "stop", SWTPM_STOP, NULL, 0, err);

	if (!r)
		r = set_buffer(tpm, err);
	if (!r)
		r = simple_call(tpm, "init", SWTPM_INIT, &init_flags,
				sizeof(init_flags), err);
	if (!r)
		r = simple_call(tpm, "set locality", SWTPM_SET_LOCALITY,
				&locality, sizeof(locality), err);
	return r;
}

/* When that fails the command is waited for all the same. */
static void swtpm_cancel(struct tpm *tpm)
{
	(void)!simple_call(tpm, "cancel", SWTPM_CANCEL, NULL, 0, NULL);
}

const struct tpm_kind tpm_swtpm = {
    .name = "swtpm",
    .open = swtpm_open,
    .restart = swtpm_restart,
    .cancel = swtpm_cancel,
    .wrong_version = "start swtpm with --tpm2",
};
