/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes virtio-console with a hostile driver. The ttys are a part of this
 * file: they read every byte they are given, and offer some when the script
 * says so.
 */
#include <string.h>

#include "backend/tty.h"
#include "base/log.h"
#include "dev/virtio_models.h"
#include "virtio_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tty {
	tty_receive_fn *receive;
	void *ctx;
};

static struct tty ttys[2];
static unsigned opened;

int tty_open(const char *where UNUSED, struct evloop *loop UNUSED,
	     tty_receive_fn *receive, void *ctx, struct err *err UNUSED,
	     struct tty **ret_tty)
{
	*ret_tty = &ttys[opened++];
	**ret_tty = (struct tty){receive, ctx};
	return 0;
}

void tty_close(struct tty *tty UNUSED)
{
	opened--;
}

void tty_write(struct tty *tty UNUSED, const uint8_t *data, size_t len)
{
	const volatile uint8_t *p = data;

	if (len)
		(void)(p[0] + p[len - 1]);
}

void tty_resume(struct tty *tty UNUSED)
{
}

void tty_restore_all(void)
{
}

static void offer(void *ctx UNUSED, uint8_t arg)
{
	const struct tty *tty = &ttys[arg & 1];
	uint8_t bytes[256];
	size_t len = arg;

	memset(bytes, arg, sizeof(bytes));
	if (tty->receive(tty->ctx, bytes, len) > len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {
	    .in = {data, size},
	    .queues = 6,
	    .backend = offer,
	};
	struct cfg *node;
	struct world w;
	struct err err;

	log_init("fuzz", LOG_ERROR);
	world_create(&w);
	node = world_node(&w, "");
	if (virtio_console_model.parse(node, "a=/a,b=/b", &err) ||
	    virtio_console_model.create(&w.env, SCRIPT_ADDR, node, &err))
		abort();
	world_start(&w);
	script_run(&w, &script);
	world_destroy(&w);
	if (opened)
		abort();
	return 0;
}
