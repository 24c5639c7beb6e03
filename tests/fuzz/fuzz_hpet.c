/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the HPET: any accesses while time passes.
 *
 * Checked besides memory: interrupts come no faster than HPET_MIN_NS allows
 * where the guest does not ask for each of them; lines are up only for a
 * status bit; a reset leaves nothing.
 */
#include "dev/hpet.h"
#include "fakes.h"
#include "feed.h"
#include "spec/hpet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void note_legacy(void *ctx, bool on)
{
	bool *legacy = ctx;

	must(*legacy != on);
	*legacy = on;
}

static uint64_t rd(struct fake *fake, uint64_t reg, unsigned size)
{
	uint64_t v;

	must(!aspace_read(fake->env.mmio, HPET_BASE + reg, size, &v));
	return v;
}

static void wr(struct fake *fake, uint64_t reg, unsigned size, uint64_t v)
{
	must(!aspace_write(fake->env.mmio, HPET_BASE + reg, size, v));
}

static unsigned all_rises(const struct fake *fake)
{
	unsigned sum = 0, i;

	for (i = 0; i < IRQ_LINES; i++)
		sum += fake->rises[i];
	return sum;
}

/* At most ten seconds at once; slow where interrupts are fast. */
static void pass_time(struct fake *fake, struct feed *feed)
{
	uint64_t ns = feed_u32(feed) % (10 * NS_PER_MS);
	unsigned before = all_rises(fake);

	if (fake_next_timer(fake) > 100 * NS_PER_MS)
		ns *= 1000;
	if (feed_u8(feed) & 1) {
		fake->clock.mono_ns += ns; /* the host is busy */
		ns = 0;
	}
	fake_advance(fake, ns);
	/* Each timer: one at once, one a minimum period, and its wraps. */
	must(all_rises(fake) - before <=
	     HPET_TIMER_COUNT * (2 + ns / HPET_MIN_NS + ns / NS_PER_S));
}

static void check(struct fake *fake)
{
	uint64_t status = rd(fake, HPET_STATUS, 8);
	unsigned up = 0, i;

	for (i = 0; i < IRQ_LINES; i++)
		up += fake->line[i];
	must(up <= (unsigned)__builtin_popcountll(status));
	must(!(status >> HPET_TIMER_COUNT));
}

static void run(struct fake *fake, struct feed *feed)
{
	static const uint16_t regs[] = {HPET_CAPABILITIES,
					HPET_CONFIG,
					HPET_STATUS,
					HPET_COUNTER,
					0x100,
					0x108,
					0x120,
					0x128,
					0x140,
					0x148,
					0x110,
					0x160,
					0x3f8};

	while (feed_more(feed)) {
		uint8_t op = feed_u8(feed);
		uint64_t reg = regs[(op & 0x0f) % ARRAY_LEN(regs)];
		uint64_t v;

		switch (op >> 5) {
		case 0:
			(void)rd(fake, reg, op & 0x10 ? 8 : 4);
			break;
		case 1:
			wr(fake, reg, 8, feed_u16(feed));
			break;
		case 2:
			v = feed_u32(feed);
			wr(fake, reg, 8, v << 32 | feed_u32(feed));
			break;
		case 3:
			wr(fake, reg + (op & 0x10 ? 4 : 0), 4, feed_u32(feed));
			break;
		case 4:
			v = feed_u16(feed) % (HPET_BYTES - 8);
			wr(fake, v, 1u << (op & 3), feed_u32(feed));
			break;
		case 5:
			/* Soon, by the counter. */
			v = rd(fake, HPET_COUNTER, 8) + feed_u16(feed);
			wr(fake, reg, 8, v);
			break;
		case 6:
			pass_time(fake, feed);
			break;
		default:
			check(fake);
			break;
		}
	}
	check(fake);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {.data = data, .len = size};
	bool legacy = false;
	struct hpet *hpet;
	struct fake fake;
	unsigned i;

	fake_init(&fake);
	must(!hpet_create(&fake.env, note_legacy, &legacy, NULL, &hpet));
	run(&fake, &feed);
	hpet_reset(hpet);
	must(!legacy && fake_next_timer(&fake) == FAKE_NO_TIMER);
	for (i = 0; i < IRQ_LINES; i++)
		must(!fake.line[i]);
	hpet_destroy(hpet);
	fake_fini(&fake);
	return 0;
}
