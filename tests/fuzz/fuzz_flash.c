/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the boot flash: any writes and reads of its range (first byte of the
 * input even), or what a variables file starts with (odd).
 *
 * Checked besides memory: bits are set only by an erase, only in its block, and
 * the array is mapped just when it is what a read shows.
 */
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "dev/firmware/flash_internal.h"
#include "fakes.h"
#include "feed.h"
#include "spec/uefi_fv.h"

#define VARS_BYTES 0x4000u
#define CODE_BYTES 0x1c000u
#define VARS_BASE  (GIB(4) - CODE_BYTES - VARS_BYTES)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct fake fake;
	struct memmap memmap;
	struct flash *flash;
	uint8_t *vars; /* mapped; NULL: not */
	bool code;
	uint8_t before[VARS_BYTES];
};

static char firmware[64];

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int map(void *ctx, gpa_t base, uint64_t size, void *host, unsigned flags,
	       int *ret_handle)
{
	struct world *w = ctx;

	must(flags == MEMMAP_READONLY);
	*ret_handle = base.v == VARS_BASE;
	if (base.v == VARS_BASE) {
		must(!w->vars && size == VARS_BYTES);
		w->vars = host;
	} else {
		must(!w->code && base.v == GIB(4) - CODE_BYTES);
		w->code = true;
	}
	return 0;
}

static void unmap(void *ctx, int handle)
{
	struct world *w = ctx;

	if (handle)
		w->vars = NULL;
	else
		w->code = false;
}

static const struct memmap_ops ops = {.map = map, .unmap = unmap};

static void remove_firmware(void)
{
	unlink(firmware);
}

/* Variables and code in one file; written once. */
int LLVMFuzzerInitialize(int *argc UNUSED, char ***argv UNUSED)
{
	static uint8_t bytes[VARS_BYTES + CODE_BYTES];
	struct fv_header fv = {.file_system = FV_NVDATA_GUID,
			       .fv_length = VARS_BYTES,
			       .signature = {'_', 'F', 'V', 'H'},
			       .header_length = 0x48,
			       .revision = FV_REVISION};
	const struct fv_varstore store = {.guid = FV_VARSTORE_AUTH_GUID,
					  .size = 0x1000,
					  .format = FV_VARSTORE_FORMATTED,
					  .state = FV_VARSTORE_HEALTHY};
	uint16_t sum = 0, word;
	size_t i;
	int fd;

	memset(bytes, 0xff, VARS_BYTES);
	memcpy(bytes, &fv, sizeof(fv));
	memset(bytes + sizeof(fv), 0, 16);
	for (i = 0; i < 0x48; i += 2) {
		memcpy(&word, bytes + i, 2);
		sum = (uint16_t)(sum + word);
	}
	fv.checksum = (uint16_t)-sum;
	memcpy(bytes, &fv, sizeof(fv));
	memcpy(bytes + 0x48, &store, sizeof(store));
	bytes[sizeof(bytes) - 16] = 0xe9;
	snprintf(firmware, sizeof(firmware), "/tmp/byway-fuzz-flash-XXXXXX");
	fd = mkstemp(firmware);
	must(fd >= 0 && write(fd, bytes, sizeof(bytes)) == sizeof(bytes));
	close(fd);
	atexit(remove_firmware);
	log_init("byway", LOG_ERROR);
	return 0;
}

/* Bits that were set since the last time, although nothing erased the block. */
static void check(struct world *w, uint32_t *erased)
{
	unsigned i;

	for (i = 0; i < VARS_BYTES; i++)
		must((*erased & BIT(i / FLASH_BLOCK)) ||
		     !(w->vars[i] & ~w->before[i]));
	memcpy(w->before, w->vars, VARS_BYTES);
	*erased = 0;
}

static void access_flash(struct world *w, struct feed *feed, uint32_t *erased)
{
	static const uint8_t command[8] = {0x10, 0x40, 0x20, 0xd0,
					   0xff, 0x50, 0x70, 0xff};
	uint8_t op = feed_u8(feed);
	unsigned size = 1u << (op >> 6);
	uint64_t at = VARS_BASE + feed_u16(feed) % (VARS_BYTES - size + 1);
	uint64_t value;

	if ((op & 0x3f) < 8) {
		(void)aspace_read(w->fake.env.mmio, at, size, &value);
		return;
	}
	value = op & 0x20 ? command[op & 7] : feed_u8(feed);
	if (op & 0x10)
		value |= (uint64_t)feed_u32(feed) << 8;
	if ((uint8_t)value == 0xd0)
		*erased |= BIT((at - VARS_BASE) / FLASH_BLOCK);
	(void)aspace_write(w->fake.env.mmio, at, size, value);
}

static void run(struct feed *feed)
{
	struct world w = {.vars = NULL};
	const struct flash_params params = {.code = firmware};
	uint32_t erased = 0;

	fake_init(&w.fake);
	w.memmap = (struct memmap){.ops = &ops, .ctx = &w};
	w.fake.env.memmap = &w.memmap;
	must(!flash_create(&w.fake.env, &params, NULL, &w.flash));
	must(w.vars && w.code && flash_base(w.flash) == VARS_BASE);
	memcpy(w.before, w.vars, VARS_BYTES);
	while (feed_more(feed)) {
		access_flash(&w, feed, &erased);
		/* In between, too, but not after each of thousands. */
		if (w.vars && feed->len % 16 == 0)
			check(&w, &erased);
	}
	flash_reset(w.flash);
	must(w.vars != NULL);
	check(&w, &erased);
	flash_destroy(w.flash);
	must(!w.vars && !w.code);
	fake_fini(&w.fake);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {.data = data, .len = size};
	size_t len = 0;
	uint8_t *copy;

	if (!(feed_u8(&feed) & 1)) {
		run(&feed);
		return 0;
	}
	/* Exactly as large as the file would be: ASan sees a step beyond. */
	copy = malloc(feed.len ? feed.len : 1);
	must(copy != NULL);
	memcpy(copy, feed.data, feed.len);
	if (fv_holds_variables(copy, feed.len, &len))
		must(len >= FLASH_BLOCK && len <= feed.len);
	free(copy);
	return 0;
}
