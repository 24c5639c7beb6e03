/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes fw_cfg: any port accesses, and DMA descriptors with any contents
 * anywhere in and outside of a small memory.
 *
 * Checked besides memory: constant items stay what they are, the writable file
 * is written only inside, and the machine goes on answering.
 */
#include <endian.h>
#include <string.h>

#include "dev/firmware/fwcfg.h"
#include "fakes.h"
#include "feed.h"

#define RAM_BYTES  0x4000u
#define WRITABLE   24u
#define CONST_TEXT "constant contents"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct fake fake;
	struct gmem *gmem;
	struct fwcfg *fw;
	unsigned builds;
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int build(void *ctx, uint8_t *buf, size_t len)
{
	struct world *w = ctx;

	must(len == 40 && buf[0] == 0 && buf[39] == 0);
	memset(buf, 0x55, len);
	return w->builds++ % 4 == 3 ? -EIO : 0;
}

static void written(void *ctx, const uint8_t *data, size_t len)
{
	uint8_t sum = 0;
	size_t i;

	must(ctx != NULL && len == WRITABLE);
	for (i = 0; i < len; i++)
		sum ^= data[i];
	__asm__ volatile("" : : "r"(sum)); /* every byte was read */
}

static void create(struct world *w)
{
	fake_init(&w->fake);
	must(!gmem_create(&w->gmem) &&
	     !gmem_add_ram(w->gmem, gpa(0), RAM_BYTES, NULL));
	w->fake.env.gmem = w->gmem;
	must(!fwcfg_create(&w->fake.env, NULL, &w->fw));
	must(!fwcfg_add_u16(w->fw, FW_CFG_NB_CPUS, 4, NULL));
	must(!fwcfg_add_bytes(w->fw, 0x8003, "arch", 4, NULL));
	must(!fwcfg_add_file(w->fw, "opt/c", CONST_TEXT, strlen(CONST_TEXT),
			     NULL));
	must(!fwcfg_add_file(w->fw, "etc/empty", NULL, 0, NULL));
	must(!fwcfg_add_file_fn(w->fw, "etc/lazy", 40, build, w, NULL));
	must(!fwcfg_add_writable_file(w->fw, "etc/w", WRITABLE, written, w,
				      NULL));
}

/* A descriptor somewhere; its fields mostly near something. */
static void dma(struct world *w, struct feed *feed)
{
	uint16_t at = feed_u16(feed) % (RAM_BYTES + 64);
	uint32_t key = feed_u8(feed) % 0x28;
	uint8_t shape = feed_u8(feed);
	struct fw_cfg_dma d = {
	    .control = htobe32(key << 16 | feed_u8(feed)),
	    .length = htobe32(shape & 1 ? feed_u32(feed) : feed_u8(feed)),
	    .address = htobe64(shape & 2 ? (uint64_t)feed_u32(feed) << 32 |
					       feed_u32(feed)
					 : feed_u16(feed) % (RAM_BYTES + 64)),
	};

	if (shape & 4)
		d.control = htobe32(feed_u32(feed));
	(void)!gmem_write_obj(w->gmem, gpa(at), &d);
	if (shape & 8)
		fake_out32(&w->fake, 0x514, feed_u32(feed));
	fake_out32(&w->fake, 0x518, htobe32(at));
}

static void any_port(struct world *w, struct feed *feed)
{
	uint8_t what = feed_u8(feed);
	uint16_t port = (uint16_t)(0x50e + what % 16);

	switch (what >> 4) {
	case 0:
		fake_out8(&w->fake, port, feed_u8(feed));
		break;
	case 1:
		fake_out16(&w->fake, port, feed_u16(feed));
		break;
	case 2:
		fake_out32(&w->fake, port, feed_u32(feed));
		break;
	case 3:
		(void)fake_in16(&w->fake, port);
		break;
	case 4:
		(void)fake_in32(&w->fake, port);
		break;
	default:
		(void)fake_in8(&w->fake, port);
	}
}

/* Files by name: empty, lazy, w, c: keys 20 to 23. */
static void check_constants(struct world *w)
{
	const char *text = CONST_TEXT;
	size_t i;

	fake_out16(&w->fake, 0x510, FW_CFG_SIGNATURE);
	for (i = 0; i < 4; i++)
		must(fake_in8(&w->fake, 0x511) == "QEMU"[i]);
	must(fake_in8(&w->fake, 0x511) == 0);
	fake_out16(&w->fake, 0x510, FW_CFG_FILE_FIRST + 3);
	for (i = 0; i <= strlen(text); i++)
		must(fake_in8(&w->fake, 0x511) == text[i]);
	fake_out16(&w->fake, 0x510, FW_CFG_NB_CPUS);
	must(fake_in8(&w->fake, 0x511) == 4);
	must(fake_in32(&w->fake, 0x514) == 0x554d4551);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {.data = data, .len = size};
	struct world w = {.builds = 0};

	create(&w);
	while (feed_more(&feed)) {
		uint8_t op = feed_u8(&feed);

		if (op < 0x80)
			dma(&w, &feed);
		else if (op < 0xf0)
			any_port(&w, &feed);
		else if (op < 0xff)
			check_constants(&w);
		else
			fwcfg_reset(w.fw);
	}
	check_constants(&w);
	fwcfg_destroy(w.fw);
	fake_fini(&w.fake);
	gmem_destroy(w.gmem);
	return 0;
}
