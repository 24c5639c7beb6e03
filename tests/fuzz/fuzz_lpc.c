/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes everything behind the LPC bridge at once, the way a guest reaches it:
 * port accesses of any size and place, config accesses, while bytes, keys,
 * button presses and time come from outside.
 *
 * Checked besides memory: all lines are let go of at the end, no timer and no
 * back end is left behind (fakes.c aborts).
 */
#include "base/log.h"
#include "dev/i8042.h"
#include "dev/lpc.h"
#include "fakes.h"
#include "feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pci_addr addr = {0, 31, 0};

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* Half of the accesses go where something is. */
static uint16_t pick_port(struct feed *feed)
{
	static const uint16_t known[] = {
	    0x60,  0x64,  0x70,	 0x71,	0x80,  0x84,  0x92,  0xb2,
	    0xb3,  0x2f8, 0x2fb, 0x2ff, 0x3f8, 0x3f9, 0x3fa, 0x3fb,
	    0x3fc, 0x400, 0x402, 0x404, 0x405, 0x408, 0x40c, 0xcf9,
	};
	uint8_t n = feed_u8(feed);

	return n & 0x80 ? feed_u16(feed) : known[n % ARRAY_LEN(known)];
}

static void access_port(struct fake *fake, struct feed *feed, bool write)
{
	uint16_t port = pick_port(feed);
	unsigned size = 1u << feed_u8(feed) % 3;
	uint64_t value;

	if (write)
		(void)aspace_write(fake->env.pio, port, size, feed_u32(feed));
	else
		(void)aspace_read(fake->env.pio, port, size, &value);
}

static void receive(struct fake *fake, struct feed *feed)
{
	static const uint8_t bytes[32] = "the quick brown fox jumps over";
	struct tty *tty = fake_tty(fake, feed_u8(feed) & 1);
	size_t len = feed_u8(feed) % sizeof(bytes);

	must(tty->receive(tty->ctx, bytes, len) <= len);
}

static void run(struct fake *fake, struct lpc *lpc, struct feed *feed)
{
	while (feed_more(feed)) {
		uint8_t op = feed_u8(feed);

		switch (op % 10) {
		case 0:
		case 1:
			access_port(fake, feed, false);
			break;
		case 2:
		case 3:
		case 4:
			access_port(fake, feed, true);
			break;
		case 5:
			fake_cfg_write(fake, addr, feed_u8(feed) & 0xfc, 4,
				       feed_u32(feed));
			break;
		case 6:
			receive(fake, feed);
			break;
		case 7:
			fake_advance(fake, feed_u32(feed));
			break;
		case 8:
			i8042_key(lpc_i8042(lpc), feed_u8(feed), op & 1);
			break;
		default:
			(void)!lpc_power_button(lpc);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {.data = data, .len = size};
	struct fake fake;
	unsigned i;

	log_init("fuzz_lpc", LOG_ERROR);
	fake_init(&fake);
	fake_set(&fake, "lpc.com1.path", "stdio");
	fake_set(&fake, "lpc.com2.path", "tcp=127.0.0.1:1");
	must(!lpc_model.create(&fake.env, addr, NULL, NULL));
	run(&fake, lpc_from_dev(pci_host_find(fake.env.pci, addr)), &feed);
	pci_host_destroy(fake.env.pci);
	fake.env.pci = NULL;
	for (i = 0; i < IRQ_LINES; i++)
		must(!fake.line[i]);
	fake_fini(&fake);
	return 0;
}
