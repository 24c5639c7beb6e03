/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the keyboard controller: any port accesses mixed with keys and
 * movements.
 *
 * Checked besides memory: never both interrupts at once, none without a byte
 * that waits; a guest that keeps reading gets to the end.
 */
#include "dev/i8042.h"
#include "dev/ps2.h"
#include "fakes.h"
#include "feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_lines(struct fake *fake)
{
	uint8_t status = fake_in8(fake, 0x64);
	bool kbd = fake->line[1], aux = fake->line[12];

	must(!(kbd && aux));
	must(!kbd || (status & 0x21) == 0x01);
	must(!aux || (status & 0x21) == 0x21);
}

/* 32 answers and two full queues of packets still to report. */
static void drain(struct fake *fake)
{
	unsigned i;

	for (i = 0; i < 2000 && (fake_in8(fake, 0x64) & 1); i++) {
		(void)fake_in8(fake, 0x60);
		check_lines(fake);
	}
	must(!(fake_in8(fake, 0x64) & 1));
}

static void run(struct fake *fake, struct i8042 *kbc, struct feed *feed)
{
	while (feed_more(feed)) {
		uint8_t op = feed_u8(feed);

		switch (op % 8) {
		case 0:
			(void)fake_in8(fake, 0x60);
			break;
		case 1:
		case 2:
			fake_out8(fake, 0x60, feed_u8(feed));
			break;
		case 3:
			fake_out8(fake, 0x64, feed_u8(feed));
			break;
		case 4: /* to the mouse */
			fake_out8(fake, 0x64, 0xd4);
			fake_out8(fake, 0x60, feed_u8(feed));
			break;
		case 5:
			i8042_key(kbc, feed_u8(feed), op & 8);
			break;
		case 6:
			i8042_mouse(kbc, (int)feed_u32(feed),
				    (int8_t)feed_u8(feed),
				    (int8_t)feed_u8(feed), feed_u8(feed));
			break;
		default:
			if (op == 0xff)
				i8042_reset(kbc);
			else if (op > 0xe0)
				drain(fake);
		}
		check_lines(fake);
	}
	drain(fake);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {.data = data, .len = size};
	struct i8042 *kbc;
	struct fake fake;

	fake_init(&fake);
	must(!i8042_create(&fake.env, NULL, &kbc));
	run(&fake, kbc, &feed);
	i8042_destroy(kbc);
	must(!fake.line[1] && !fake.line[12]);
	fake_fini(&fake);
	return 0;
}
