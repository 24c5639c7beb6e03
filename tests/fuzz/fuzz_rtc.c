/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the real-time clock: any register accesses while time passes, a
 * little or a lot, and the host's wall clock jumps.
 *
 * Checked besides memory: the interrupt line says what register C says; time
 * registers in binary are in range unless the guest wrote them.
 */
#include "dev/rtc.h"
#include "fakes.h"
#include "feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static uint8_t rd(struct fake *fake, uint8_t index)
{
	fake_out8(fake, 0x70, index);
	return fake_in8(fake, 0x71);
}

static void wr(struct fake *fake, uint8_t index, uint8_t value)
{
	fake_out8(fake, 0x70, index);
	fake_out8(fake, 0x71, value);
}

/* Reading C can raise the line before it is cleared: only the end counts. */
static void check_c(struct fake *fake)
{
	bool before = fake->line[RTC_IRQ];
	uint8_t c = rd(fake, 0x0c);

	must(!before || (c & 0x80));
	must(!!(c & 0x80) == !!(c & rd(fake, 0x0b) & 0x70));
	must(!fake->line[RTC_IRQ]);
}

/* A running clock shows a time that exists, whatever was written. */
static void check_time(struct fake *fake)
{
	wr(fake, 0x0a, 0x20);
	wr(fake, 0x0b, 0x06);
	must(rd(fake, 0) < 60 && rd(fake, 2) < 60 && rd(fake, 4) < 24);
	must(rd(fake, 6) >= 1 && rd(fake, 6) <= 7);
	must(rd(fake, 7) >= 1 && rd(fake, 7) <= 31);
	must(rd(fake, 8) >= 1 && rd(fake, 8) <= 12 && rd(fake, 9) < 100);
	must(rd(fake, 0x32) < 100);
}

/* At most a minute at the fastest rate: time is simulated edge by edge. */
static void pass_time(struct fake *fake, struct feed *feed)
{
	uint64_t ns = feed_u32(feed);
	uint8_t scale = feed_u8(feed);

	if (fake_next_timer(fake) > 500 * NS_PER_MS && scale < 64)
		ns *= 1u + scale * 1000u;
	fake_advance(fake, ns);
}

static void run(struct fake *fake, struct feed *feed)
{
	while (feed_more(feed)) {
		uint8_t op = feed_u8(feed);

		switch (op >> 5) {
		case 0:
		case 1:
			(void)rd(fake, op & 0x0f);
			break;
		case 2:
		case 3:
			wr(fake, op & 0x0f, feed_u8(feed));
			break;
		case 4:
			wr(fake, feed_u8(feed), feed_u8(feed));
			break;
		case 5:
			pass_time(fake, feed);
			break;
		case 6:
			check_c(fake);
			break;
		default:
			if (op & 1)
				fake->wall_start += (int32_t)feed_u32(feed);
			else
				check_time(fake);
		}
	}
	check_c(fake);
	check_time(fake);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {.data = data, .len = size};
	struct fake fake;
	struct rtc *rtc;

	fake_init(&fake);
	must(!rtc_create(&fake.env, NULL, &rtc));
	run(&fake, &feed);
	rtc_reset(rtc);
	must(!fake.line[RTC_IRQ]);
	rtc_destroy(rtc);
	fake_fini(&fake);
	return 0;
}
