/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a TPM and its command queue; the contract is in tpm.h. */
/*
 * Theory of operation
 *
 * The kinds differ in how a descriptor comes about that takes commands and
 * gives responses; from then on they are the same: a command is written, then
 * its response is read, whose header says how long it is. The worker waits for
 * the response and for an eventfd, so that a cancel or the end of the guest
 * reaches it there. Whatever goes wrong leaves the two sides in disagreement
 * about what comes next on the descriptor, so it is closed: dead.
 */
#include <endian.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "backend/tpm/tpm_internal.h"
#include "base/log.h"
#include "base/thread.h"
#include "spec/tpm.h"

#define WORKER_STACK_BYTES (64u << 10)

static const struct tpm_timeouts usual_timeouts = {
    .control_ms = 5000,
    .probe_ms = 10000,
    .command_ms = TPM_COMMAND_S * 1000,
};

/* ---- one command ---- */

static void bury(struct tpm *tpm)
{
	tpm->dead = true;
	if (tpm->data >= 0)
		close(tpm->data);
	if (tpm->control >= 0)
		close(tpm->control);
	tpm->data = tpm->control = -1;
}

/* The worker was woken: 0, or -ECANCELED when the guest ends. */
static int woken(struct tpm *tpm)
{
	bool closing, cancelling;
	eventfd_t count;

	(void)eventfd_read(tpm->wake, &count);
	pthread_mutex_lock(&tpm->lock);
	closing = tpm->closing;
	cancelling = tpm->cancelling;
	tpm->cancelling = false;
	pthread_mutex_unlock(&tpm->lock);
	if (closing)
		return -ECANCELED;
	if (cancelling && tpm->kind->cancel)
		tpm->kind->cancel(tpm);
	return 0;
}

/* What the header says is between the header's size and `max`. */
static int response_size(const uint8_t *bytes, size_t max, size_t *ret_size)
{
	struct tpm_header header;
	size_t size;

	memcpy(&header, bytes, sizeof(header));
	size = be32toh(header.size);
	if (size < sizeof(header) || size > max)
		return -EPROTO;
	*ret_size = size;
	return 0;
}

/* Bytes of the response, or negative errno: then the TPM is unusable. */
static int exchange(struct tpm *tpm, const struct tpm_req *req,
		    uint64_t deadline)
{
	size_t have = 0, want = sizeof(struct tpm_header);
	bool sized = false;
	ssize_t n;
	int r;

	r = tpm_write_all(tpm->data, req->command, req->command_len, deadline);
	while (!r && have < want) {
		r = tpm_wait(tpm->data, POLLIN, tpm->wake, deadline);
		if (r == 2) {
			r = woken(tpm);
			continue;
		}
		if (r < 0)
			break;
		r = 0;
		/* Room for more than wanted: a device gives it at once. */
		n = read(tpm->data, req->response + have,
			 req->response_max - have);
		if (n <= 0 && !(n < 0 && (errno == EINTR || errno == EAGAIN)))
			return n ? -errno : -ECONNRESET;
		have += n > 0 ? (size_t)n : 0;
		if (!sized && have >= want) {
			r = response_size(req->response, req->response_max,
					  &want);
			sized = true;
		}
	}
	if (!r && have > want)
		r = -EPROTO;
	return r ? r : (int)want;
}

static int execute(struct tpm *tpm, const struct tpm_req *req)
{
	int r;

	if (tpm->dead)
		return -EIO;
	r = exchange(tpm, req, tpm_deadline(tpm->timeouts.command_ms));
	if (r >= 0)
		return r;
	bury(tpm);
	if (r != -ECANCELED)
		log_error("tpm: %s: no answer any more (%s); the guest's TPM"
			  " fails until the guest is started anew",
			  tpm->path, strerror(-r));
	return r;
}

/* ---- queue ---- */

static void *worker_main(void *ctx)
{
	struct tpm *tpm = ctx;
	struct tpm_req *req;
	int result;

	pthread_setname_np(pthread_self(), "tpm");
	pthread_mutex_lock(&tpm->lock);
	while (!tpm->closing) {
		req = tpm->req;
		if (!req) {
			pthread_cond_wait(&tpm->work, &tpm->lock);
			continue;
		}
		tpm->running = true;
		pthread_mutex_unlock(&tpm->lock);
		result = execute(tpm, req);
		pthread_mutex_lock(&tpm->lock);
		/* done() may well bring the next one. */
		tpm->req = NULL;
		pthread_mutex_unlock(&tpm->lock);
		req->done(req, result);
		pthread_mutex_lock(&tpm->lock);
		tpm->running = false;
		pthread_cond_broadcast(&tpm->idle);
	}
	pthread_mutex_unlock(&tpm->lock);
	return NULL;
}

static int worker_start(struct tpm *tpm)
{
	int r =
	    thread_start(WORKER_STACK_BYTES, worker_main, tpm, &tpm->worker);

	tpm->started = r == 0;
	return r;
}

int tpm_submit(struct tpm *tpm, struct tpm_req *req)
{
	int r = 0;

	pthread_mutex_lock(&tpm->lock);
	if (tpm->req || tpm->closing)
		r = -EBUSY;
	else if (!tpm->started)
		r = worker_start(tpm);
	if (!r) {
		tpm->req = req;
		tpm->cancelling = false;
		pthread_cond_signal(&tpm->work);
	}
	pthread_mutex_unlock(&tpm->lock);
	return r;
}

void tpm_cancel(struct tpm *tpm)
{
	pthread_mutex_lock(&tpm->lock);
	if (tpm->req) {
		tpm->cancelling = true;
		(void)eventfd_write(tpm->wake, 1);
	}
	pthread_mutex_unlock(&tpm->lock);
}

void tpm_reset(struct tpm *tpm)
{
	struct err err;

	tpm_cancel(tpm);
	pthread_mutex_lock(&tpm->lock);
	while (tpm->req || tpm->running)
		pthread_cond_wait(&tpm->idle, &tpm->lock);
	pthread_mutex_unlock(&tpm->lock);
	if (tpm->dead || !tpm->kind->restart)
		return;
	if (!tpm->kind->restart(tpm, &err))
		return;
	bury(tpm);
	log_error("%s; the guest's TPM fails until the guest is started anew",
		  err.msg);
}

/* ---- opening ---- */

int tpm_parse(struct cfg *node, const char *text, struct err *err)
{
	const char *comma = strchr(text, ','), *end;
	char type[16], path[CFG_VALUE_MAX];
	int r;

	end = comma ? strchrnul(comma + 1, ',') : NULL;
	if (!comma || end == comma + 1 || comma == text ||
	    comma - text >= (int)sizeof(type) ||
	    end - comma > (int)sizeof(path))
		return err_set(err, -EINVAL,
			       "tpm,%s: expected tpm,swtpm,SOCKET or"
			       " tpm,passthru,/dev/tpm0",
			       text);
	snprintf(type, sizeof(type), "%.*s", (int)(comma - text), text);
	snprintf(path, sizeof(path), "%.*s", (int)(end - comma - 1), comma + 1);
	r = cfg_set(node, "type", type, err);
	if (!r)
		r = cfg_set(node, "path", path, err);
	return r || !*end ? r : cfg_set_list(node, end + 1, err);
}

static int choose_kind(const char *type, struct err *err,
		       const struct tpm_kind **ret_kind)
{
	static const struct tpm_kind *const kinds[] = {&tpm_swtpm,
						       &tpm_passthru};
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i]->name, type)) {
			*ret_kind = kinds[i];
			return 0;
		}
	return err_set(err, -EINVAL,
		       "tpm: type \"%s\" is not known; there are swtpm and"
		       " passthru",
		       type);
}

/* type, path and version of the node. */
static int read_options(struct cfg *node, struct err *err, struct tpm *tpm)
{
	static const char *const known[] = {"type", "path", "version", NULL};
	char type[CFG_VALUE_MAX], path[CFG_VALUE_MAX], version[16];
	int r = cfg_check_known(node, known, err);

	if (r)
		return r;
	if (!cfg_raw(node, "type") || !cfg_raw(node, "path"))
		return err_set(err, -EINVAL,
			       "tpm: expected tpm,swtpm,SOCKET or"
			       " tpm,passthru,/dev/tpm0");
	r = cfg_get(node, "type", type, sizeof(type), err);
	if (r > 0)
		r = cfg_get(node, "path", path, sizeof(path), err);
	if (r > 0)
		r = choose_kind(type, err, &tpm->kind);
	if (!r)
		r = cfg_get(node, "version", version, sizeof(version), err);
	if (r < 0)
		return r;
	if (r && strcmp(version, "2.0") && strcmp(version, "2"))
		return err_set(err, -EINVAL,
			       "tpm: version=%s: there is only 2.0", version);
	tpm->path = strdup(path);
	return tpm->path ? 0 : err_set(err, -ENOMEM, "tpm: out of memory");
}

/* A TPM 1.2 does not know the tag and says so with one of its own. */
static int check_version(struct tpm *tpm, struct err *err)
{
	const struct {
		struct tpm_header header;
		uint32_t capability, property, count;
	} __attribute__((packed)) command = {
	    .header = {.tag = htobe16(TPM_ST_NO_SESSIONS),
		       .size = htobe32(sizeof(command)),
		       .code = htobe32(TPM_CC_GET_CAPABILITY)},
	    .capability = htobe32(TPM_CAP_TPM_PROPERTIES),
	    .property = htobe32(TPM_PT_FAMILY_INDICATOR),
	    .count = htobe32(1),
	};
	uint8_t response[256];
	const struct tpm_req req = {
	    .command = (const uint8_t *)&command,
	    .command_len = sizeof(command),
	    .response = response,
	    .response_max = sizeof(response),
	};
	int r = exchange(tpm, &req, tpm_deadline(tpm->timeouts.probe_ms));

	if (r < 0)
		return err_sys(err, r, "tpm: %s: does not answer as a TPM",
			       tpm->path);
	if (response[0] == TPM_ST_RSP_COMMAND >> 8 &&
	    response[1] == (TPM_ST_RSP_COMMAND & 0xff))
		return err_set(err, -ENODEV, "tpm: %s: a TPM 1.2; %s",
			       tpm->path, tpm->kind->wrong_version);
	return 0;
}

static int open_all(struct cfg *node, struct err *err, struct tpm *tpm)
{
	int r = read_options(node, err, tpm);

	if (r)
		return r;
	tpm->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (tpm->wake < 0)
		return err_sys(err, -errno, "tpm: eventfd");
	r = tpm->kind->open(tpm, err);
	if (!r && tpm->kind->restart)
		r = tpm->kind->restart(tpm, err);
	return r ? r : check_version(tpm, err);
}

int tpm_open_timed(struct cfg *node, size_t buffer_bytes,
		   const struct tpm_timeouts *timeouts, struct err *err,
		   struct tpm **ret_tpm)
{
	struct tpm *tpm = calloc(1, sizeof(*tpm));
	int r;

	if (!tpm)
		return err_set(err, -ENOMEM, "tpm: out of memory");
	tpm->data = tpm->control = tpm->wake = -1;
	tpm->buffer_bytes = buffer_bytes;
	tpm->timeouts = *timeouts;
	pthread_mutex_init(&tpm->lock, NULL);
	pthread_cond_init(&tpm->work, NULL);
	pthread_cond_init(&tpm->idle, NULL);
	r = open_all(node, err, tpm);
	if (r)
		tpm_close(tpm);
	else
		*ret_tpm = tpm;
	return r;
}

int tpm_open(struct cfg *node, size_t buffer_bytes, struct err *err,
	     struct tpm **ret_tpm)
{
	return tpm_open_timed(node, buffer_bytes, &usual_timeouts, err,
			      ret_tpm);
}

void tpm_close(struct tpm *tpm)
{
	if (!tpm)
		return;
	pthread_mutex_lock(&tpm->lock);
	tpm->closing = true;
	pthread_cond_signal(&tpm->work);
	pthread_mutex_unlock(&tpm->lock);
	if (tpm->wake >= 0)
		(void)eventfd_write(tpm->wake, 1);
	if (tpm->started)
		pthread_join(tpm->worker, NULL);
	bury(tpm);
	if (tpm->wake >= 0)
		close(tpm->wake);
	pthread_cond_destroy(&tpm->idle);
	pthread_cond_destroy(&tpm->work);
	pthread_mutex_destroy(&tpm->lock);
	free(tpm->path);
	free(tpm);
}
