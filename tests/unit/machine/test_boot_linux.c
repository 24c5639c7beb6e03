/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of loading Linux: what is in guest memory and in the registers at the
 * first instruction, the cache of unpacked kernels, and every refusal.
 *
 * With BYWAY_TEST_KERNEL=/boot/vmlinuz-... in the environment the same is done
 * with that kernel, twice, and the times are printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "machine/boot_linux.h"
#include "machine/boot_params.h"
#include "synth.h"

#define LOW_BYTES MIB(32)
#define RSDP_GPA  0xf2400u

struct world {
	char dir[64];
	struct cfg *root;
	struct gmem *gmem;
	struct desc_bus bus;
	struct machine_desc desc;
	struct boot_linux_entry entry;
	struct err err;
};

static void set(struct world *w, const char *path, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static void set(struct world *w, const char *path, const char *fmt, ...)
{
	char value[CFG_VALUE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	assert_int_equal(cfg_set(w->root, path, value, NULL), 0);
}

static void save(struct world *w, const char *name,
		 const struct synth_bytes *bytes)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	synth_save(path, bytes);
}

static void save_kernel(struct world *w, const char *name,
			const struct setup_header *hdr, enum synth_lists lists)
{
	struct synth_bytes elf = synth_vmlinux(lists);
	struct synth_bytes packed = synth_pack(SYNTH_ZSTD, &elf);
	struct synth_bytes image = synth_bzimage(hdr, &packed);

	save(w, name, &image);
	synth_free(&image);
	synth_free(&packed);
	synth_free(&elf);
}

static void fresh_memory(struct world *w, uint64_t low_bytes)
{
	gmem_destroy(w->gmem);
	w->gmem = NULL;
	w->desc.low_bytes = low_bytes;
	assert_int_equal(gmem_create(&w->gmem), 0);
	assert_int_equal(gmem_add_ram(w->gmem, gpa(0), low_bytes, NULL), 0);
}

static int setup(void **state)
{
	struct setup_header hdr = synth_header();
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	snprintf(w->dir, sizeof(w->dir), "/tmp/byway-boot-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->root = cfg_create();
	w->desc = (struct machine_desc){.cpus = 1,
					.sockets = 1,
					.cores = 1,
					.threads = 1,
					.ecam_base = 0xe0000000,
					.buses = &w->bus,
					.bus_count = 1};
	fresh_memory(w, LOW_BYTES);
	save_kernel(w, "vmlinuz", &hdr, SYNTH_THREE_LISTS);
	set(w, "boot.kernel", "%s/vmlinuz", w->dir);
	set(w, "boot.cache", "%s/a/cache", w->dir);
	set(w, "boot.unpack", "%s", UNPACK_PROGRAM);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
	assert_int_equal(system(command), 0);
	gmem_destroy(w->gmem);
	cfg_destroy(w->root);
	free(w);
	return 0;
}

static int boot(struct world *w)
{
	const struct boot_linux_params params = {.root = w->root,
						 .gmem = w->gmem,
						 .desc = &w->desc,
						 .rsdp = gpa(RSDP_GPA)};

	w->err = (struct err){0};
	return boot_linux(&params, &w->err, &w->entry);
}

static void boot_ok(struct world *w)
{
	if (boot(w))
		fail_msg("%s", w->err.msg);
}

static void boot_fails(struct world *w, const char *words)
{
	assert_true(boot(w) < 0);
	if (!strstr(w->err.msg, words))
		fail_msg("'%s' does not say '%s'", w->err.msg, words);
}

static struct boot_params zero_page(struct world *w)
{
	struct boot_params params;

	assert_int_equal(gmem_read_obj(w->gmem, gpa(w->entry.rsi), &params), 0);
	return params;
}

static uint64_t load64(struct world *w, uint64_t at)
{
	uint64_t v;

	assert_int_equal(gmem_read_obj(w->gmem, gpa(at), &v), 0);
	return v;
}

/* Walks the page tables as the processor would. */
static uint64_t translate(struct world *w, uint64_t address)
{
	uint64_t entry = w->entry.cr3 | 1;
	unsigned shift;

	for (shift = 39; shift >= 12; shift -= 9) {
		entry = load64(w, (entry & ~0xfffull) +
				      8 * (address >> shift & 511));
		assert_true(entry & 1);
		if (entry & 0x80 || shift == 12)
			return (entry & ~((1ull << shift) - 1)) +
			       (address & ((1ull << shift) - 1));
	}
	fail();
	return 0;
}

/* ---- what the guest finds ---- */

static void processor_state(void **state)
{
	struct world *w = *state;
	uint64_t code, data;

	set(w, "boot.cache", "no");
	boot_ok(w);
	assert_false(w->entry.unpacked);
	assert_int_equal(w->entry.rip, SYNTH_PADDR + 0x200);
	assert_int_equal(w->entry.cs, 0x10);
	assert_int_equal(w->entry.ds, 0x18);
	assert_int_equal(w->entry.gdt_limit, 31);
	code = load64(w, w->entry.gdt_base + 0x10);
	data = load64(w, w->entry.gdt_base + 0x18);
	assert_true(code >> 53 & 1);		   /* 64-bit */
	assert_int_equal(code >> 40 & 0xff, 0x9b); /* code, ring 0 */
	assert_int_equal(data >> 40 & 0xff, 0x93); /* data, writable */
	assert_true(translate(w, 0) == 0);
	assert_true(translate(w, 0x12345678) == 0x12345678);
	assert_true(translate(w, 0xffffffff) == 0xffffffff);
	assert_true(w->entry.rsp % 16 == 0 && w->entry.rsp != 0);
}

static void zero_page_contents(void **state)
{
	struct world *w = *state;
	struct synth_bytes initrd = {(uint8_t *)"initrd!", 7};
	struct boot_params p;
	char text[16];

	save(w, "initrd", &initrd);
	set(w, "boot.initrd", "%s/initrd", w->dir);
	set(w, "boot.cmdline", "console=ttyS0");
	set(w, "boot.cache", "no");
	boot_ok(w);
	p = zero_page(w);
	assert_int_equal(p.sentinel, 0);
	assert_int_equal(p.hdr.header, 0x53726448);
	assert_int_equal(p.hdr.type_of_loader, 0xff);
	assert_int_equal(p.hdr.loadflags, LOADED_HIGH);
	assert_true(p.acpi_rsdp_addr == RSDP_GPA);
	assert_int_equal(gmem_read_obj(w->gmem, gpa(p.hdr.cmd_line_ptr), &text),
			 0);
	assert_string_equal(text, "console=ttyS0");
	assert_int_equal(p.hdr.ramdisk_size, 7);
	assert_int_equal(p.hdr.ramdisk_image, LOW_BYTES - 4096);
	assert_int_equal(
	    gmem_read_obj(w->gmem, gpa(p.hdr.ramdisk_image), &text), 0);
	assert_string_equal(text, "initrd!");
	assert_int_equal(p.e820_entries, 4);
	assert_int_equal(p.e820_table[0].size, 0xa0000);
	assert_int_equal(p.e820_table[2].addr, 0x100000);
	assert_int_equal(p.e820_table[2].size, LOW_BYTES - 0x100000);
}

static void initrd_stays_below_the_kernels_limit(void **state)
{
	struct world *w = *state;
	struct synth_bytes initrd = {(uint8_t *)"initrd!", 7};
	struct setup_header hdr = synth_header();

	hdr.initrd_addr_max = 0x17fffff;
	save_kernel(w, "vmlinuz", &hdr, SYNTH_THREE_LISTS);
	save(w, "initrd", &initrd);
	set(w, "boot.initrd", "%s/initrd", w->dir);
	set(w, "boot.cache", "no");
	boot_ok(w);
	assert_int_equal(zero_page(w).hdr.ramdisk_image, 0x17ff000);
}

static void immovable_kernels_go_to_1_mib(void **state)
{
	struct world *w = *state;
	struct setup_header hdr = synth_header();

	hdr.relocatable_kernel = 0;
	hdr.pref_address = 0x100000;
	save_kernel(w, "vmlinuz", &hdr, SYNTH_THREE_LISTS);
	set(w, "boot.cache", "no");
	boot_ok(w);
	assert_int_equal(w->entry.rip, 0x100200);
}

/* ---- unpacked ---- */

static void assert_image(struct world *w, bool lists_have_sub)
{
	CLEANUP_FREE uint8_t *want = synth_image();
	CLEANUP_FREE uint8_t *have = malloc(SYNTH_IMAGE_BYTES);
	uint64_t moved = w->entry.kaslr_bytes, word64;
	uint32_t word32;

	memcpy(&word64, want + SYNTH_ADD64_AT, 8);
	word64 += moved;
	memcpy(want + SYNTH_ADD64_AT, &word64, 8);
	memcpy(&word32, want + SYNTH_ADD32_AT, 4);
	word32 += (uint32_t)moved;
	memcpy(want + SYNTH_ADD32_AT, &word32, 4);
	memcpy(&word32, want + SYNTH_SUB32_AT, 4);
	if (lists_have_sub)
		word32 -= (uint32_t)moved;
	memcpy(want + SYNTH_SUB32_AT, &word32, 4);
	assert_int_equal(
	    gmem_read(w->gmem, gpa(SYNTH_PADDR), have, SYNTH_IMAGE_BYTES), 0);
	assert_memory_equal(have, want, SYNTH_IMAGE_BYTES);
}

static void unpacked_kernel_is_moved(void **state)
{
	struct world *w = *state;
	uint64_t seen = 0;
	unsigned i;

	for (i = 0; i < 8; i++) {
		fresh_memory(w, LOW_BYTES);
		boot_ok(w);
		assert_true(w->entry.unpacked);
		assert_int_equal(w->entry.rip, SYNTH_PADDR + SYNTH_ENTRY);
		assert_int_equal(zero_page(w).hdr.loadflags,
				 LOADED_HIGH | KASLR_FLAG);
		assert_int_equal(w->entry.kaslr_bytes % MIB(2), 0);
		assert_true(w->entry.kaslr_bytes + SYNTH_PADDR + 0x400000 <=
			    GIB(1));
		assert_image(w, true);
		seen |= w->entry.kaslr_bytes;
	}
	assert_true(seen != 0); /* eight times 0 of 500: not by chance */
}

static void newer_lists_have_no_subtractions(void **state)
{
	struct world *w = *state;
	struct setup_header hdr = synth_header();

	save_kernel(w, "vmlinuz", &hdr, SYNTH_TWO_LISTS);
	boot_ok(w);
	assert_true(w->entry.unpacked);
	assert_image(w, false);
}

static void assert_not_moved(struct world *w)
{
	fresh_memory(w, LOW_BYTES);
	boot_ok(w);
	assert_true(w->entry.unpacked);
	assert_int_equal(w->entry.kaslr_bytes, 0);
	assert_int_equal(zero_page(w).hdr.loadflags, LOADED_HIGH);
	assert_image(w, true);
}

static void kernels_that_stay_where_they_are(void **state)
{
	struct world *w = *state;
	struct setup_header hdr = synth_header();

	set(w, "boot.cmdline", "quiet nokaslr x");
	assert_not_moved(w);
	set(w, "boot.cmdline", "nokaslr");
	assert_not_moved(w);
	set(w, "boot.cmdline", "nokaslrx xnokaslr");
	boot_ok(w);
	assert_true(zero_page(w).hdr.loadflags & KASLR_FLAG);
	save_kernel(w, "vmlinuz", &hdr, SYNTH_NO_LISTS);
	assert_not_moved(w);
	save_kernel(w, "vmlinuz", &hdr, SYNTH_BAD_TARGET);
	assert_not_moved(w);
	hdr.kernel_alignment = 0x1000;
	save_kernel(w, "vmlinuz", &hdr, SYNTH_THREE_LISTS);
	assert_not_moved(w);
}

/* ---- the cache ---- */

static unsigned cache_entries(struct world *w)
{
	char path[128];
	struct dirent *d;
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/a/cache", w->dir);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((d = readdir(dir)))
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* The only entry's path. */
static void cache_path(struct world *w, char *path, size_t size)
{
	char command[128];
	FILE *pipe;

	snprintf(command, sizeof(command), "echo %s/a/cache/*", w->dir);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	assert_non_null(fgets(path, (int)size, pipe));
	pclose(pipe);
	path[strcspn(path, "\n")] = '\0';
}

static void second_boot_uses_the_cache(void **state)
{
	struct world *w = *state;

	boot_ok(w);
	assert_int_equal(cache_entries(w), 1);
	set(w, "boot.unpack", "/nonexistent");
	fresh_memory(w, LOW_BYTES);
	boot_ok(w);
	assert_true(w->entry.unpacked);
	assert_image(w, true);
}

static void changed_kernel_replaces_its_entry(void **state)
{
	struct world *w = *state;
	struct setup_header hdr = synth_header();
	char before[256], after[256];

	boot_ok(w);
	cache_path(w, before, sizeof(before));
	save_kernel(w, "vmlinuz", &hdr, SYNTH_TWO_LISTS);
	fresh_memory(w, LOW_BYTES);
	boot_ok(w);
	assert_image(w, false);
	assert_int_equal(cache_entries(w), 1);
	cache_path(w, after, sizeof(after));
	assert_string_not_equal(before, after);
}

static void cache_is_bounded(void **state)
{
	struct world *w = *state;
	struct setup_header hdr = synth_header();
	char name[16];
	unsigned i;

	for (i = 0; i < 11; i++) {
		snprintf(name, sizeof(name), "kernel%u", i);
		save_kernel(w, name, &hdr, SYNTH_NO_LISTS);
		set(w, "boot.kernel", "%s/%s", w->dir, name);
		boot_ok(w);
		assert_true(w->entry.unpacked);
		assert_true(cache_entries(w) <= 8);
	}
	assert_int_equal(cache_entries(w), 8);
	/* The newest are still there: no program is needed for them. */
	set(w, "boot.unpack", "/nonexistent");
	for (i = 3; i < 11; i++) {
		set(w, "boot.kernel", "%s/kernel%u", w->dir, i);
		boot_ok(w);
		assert_true(w->entry.unpacked);
	}
	set(w, "boot.kernel", "%s/kernel2", w->dir);
	boot_ok(w);
	assert_false(w->entry.unpacked);
}

static void damaged_entry_is_made_again(void **state)
{
	struct world *w = *state;
	char path[256];
	FILE *file;

	boot_ok(w);
	cache_path(w, path, sizeof(path));
	file = fopen(path, "r+e");
	assert_non_null(file);
	fseek(file, 60, SEEK_SET);
	fputs("damage", file);
	fclose(file);
	fresh_memory(w, LOW_BYTES);
	boot_ok(w);
	assert_true(w->entry.unpacked);
	assert_image(w, true);
	assert_int_equal(truncate(path, 5000), 0);
	fresh_memory(w, LOW_BYTES);
	boot_ok(w);
	assert_true(w->entry.unpacked);
	assert_image(w, true);
}

static void assert_boots_packed(struct world *w)
{
	fresh_memory(w, LOW_BYTES);
	boot_ok(w);
	assert_false(w->entry.unpacked);
	assert_int_equal(w->entry.rip, SYNTH_PADDR + 0x200);
}

static void without_a_cache_the_guest_unpacks(void **state)
{
	struct world *w = *state;
	struct setup_header hdr = synth_header();
	struct synth_bytes junk = {(uint8_t *)"not packed by anything", 22};
	struct synth_bytes image;
	char path[128];

	set(w, "boot.unpack", "/nonexistent");
	assert_boots_packed(w);
	set(w, "boot.unpack", "/bin/false");
	assert_boots_packed(w);
	set(w, "boot.unpack", "/bin/true"); /* says yes, makes nothing */
	assert_boots_packed(w);
	set(w, "boot.unpack", "%s", UNPACK_PROGRAM);
	set(w, "boot.cache", "/proc/nowhere");
	assert_boots_packed(w);
	set(w, "boot.cache", "%s/a/cache", w->dir);
	snprintf(path, sizeof(path), "%s/a/cache", w->dir);
	assert_int_equal(chmod(path, 0777), 0); /* anybody could plant one */
	assert_boots_packed(w);
	assert_int_equal(chmod(path, 0700), 0);
	image = synth_bzimage(&hdr, &junk);
	save(w, "vmlinuz", &image);
	synth_free(&image);
	assert_boots_packed(w);
	assert_int_equal(cache_entries(w), 0);
}

static void kernel_without_payload_needs_no_cache(void **state)
{
	struct world *w = *state;
	struct setup_header hdr = synth_header();
	struct synth_bytes image = synth_bzimage(&hdr, NULL);
	struct stat st;
	char path[128];

	save(w, "vmlinuz", &image);
	synth_free(&image);
	boot_ok(w);
	assert_false(w->entry.unpacked);
	snprintf(path, sizeof(path), "%s/a", w->dir);
	assert_int_equal(stat(path, &st), -1);
}

/* ---- refusals ---- */

static void bad_kernels_are_named(void **state)
{
	struct world *w = *state;
	struct synth_bytes text = {(uint8_t *)"hello\n", 6};
	char path[128];

	set(w, "boot.kernel", "/nonexistent/vmlinuz");
	boot_fails(w,
		   "boot.kernel: /nonexistent/vmlinuz: cannot open: No such");
	set(w, "boot.kernel", "%s", w->dir);
	boot_fails(w, "not a regular file");
	save(w, "text", &text);
	set(w, "boot.kernel", "%s/text", w->dir);
	boot_fails(w, "not a Linux kernel");
	snprintf(path, sizeof(path), "%s/vmlinuz", w->dir);
	assert_int_equal(truncate(path, 2560), 0);
	set(w, "boot.kernel", "%s", path);
	boot_fails(w, "truncated: 2560 bytes");
}

static void too_little_memory_is_explained(void **state)
{
	struct world *w = *state;
	struct setup_header hdr = synth_header();

	fresh_memory(w, MIB(18));
	boot_fails(w, "needs 20 MiB of memory to start, the guest has 18 MiB");
	set(w, "boot.cache", "no");
	boot_fails(w, "needs 20 MiB");
	fresh_memory(w, LOW_BYTES);
	hdr.pref_address = UINT64_MAX - 4096;
	save_kernel(w, "vmlinuz", &hdr, SYNTH_NO_LISTS);
	boot_fails(w, "memory to start");
	hdr = synth_header();
	hdr.init_size = UINT32_MAX;
	save_kernel(w, "vmlinuz", &hdr, SYNTH_NO_LISTS);
	boot_fails(w, "needs 4112 MiB");
}

static void bad_initrds_are_named(void **state)
{
	struct world *w = *state;
	struct synth_bytes empty = {(uint8_t *)"", 0};
	char path[128];

	set(w, "boot.initrd", "/nonexistent/initrd");
	boot_fails(w, "boot.initrd=/nonexistent/initrd: cannot open: No such");
	save(w, "initrd", &empty);
	snprintf(path, sizeof(path), "%s/initrd", w->dir);
	set(w, "boot.initrd", "%s", path);
	boot_fails(w, "an empty file");
	assert_int_equal(truncate(path, MIB(13)), 0);
	boot_fails(w, "13 MiB do not fit between the kernel's end at 20 MiB"
		      " and the limit of 32 MiB");
	assert_int_equal(truncate(path, GIB(100)), 0);
	boot_fails(w, "do not fit");
	assert_int_equal(truncate(path, MIB(12)), 0);
	boot_ok(w);
}

static void long_command_line_is_refused(void **state)
{
	struct world *w = *state;
	char text[2049];

	memset(text, 'x', sizeof(text));
	text[2048] = '\0';
	set(w, "boot.cmdline", "%s", text);
	boot_fails(w, "boot.cmdline: 2048 characters, but this kernel takes at"
		      " most 2047");
	text[2047] = '\0';
	set(w, "boot.cmdline", "%s", text);
	boot_ok(w);
}

/* ---- a real one ---- */

static double boot_ms(struct world *w)
{
	struct timespec a, b;

	fresh_memory(w, MIB(512));
	clock_gettime(CLOCK_MONOTONIC, &a);
	boot_ok(w);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a.tv_sec) * 1e3 +
	       (double)(b.tv_nsec - a.tv_nsec) / 1e6;
}

static void real_kernel(void **state)
{
	const char *path = getenv("BYWAY_TEST_KERNEL");
	struct world *w = *state;
	double first, second;

	if (!path) {
		fprintf(stderr, "skipped: BYWAY_TEST_KERNEL is not set\n");
		skip();
	}
	set(w, "boot.kernel", "%s", path);
	first = boot_ms(w);
	assert_true(w->entry.unpacked);
	set(w, "boot.unpack", "/nonexistent");
	second = boot_ms(w);
	assert_true(w->entry.unpacked);
	printf("unpacked and loaded in %.1f ms, again from the cache in %.1f"
	       " ms, moved by 0x%llx\n",
	       first, second, (unsigned long long)w->entry.kaslr_bytes);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(processor_state),
	    TEST(zero_page_contents),
	    TEST(initrd_stays_below_the_kernels_limit),
	    TEST(immovable_kernels_go_to_1_mib),
	    TEST(unpacked_kernel_is_moved),
	    TEST(newer_lists_have_no_subtractions),
	    TEST(kernels_that_stay_where_they_are),
	    TEST(second_boot_uses_the_cache),
	    TEST(changed_kernel_replaces_its_entry),
	    TEST(cache_is_bounded),
	    TEST(damaged_entry_is_made_again),
	    TEST(without_a_cache_the_guest_unpacks),
	    TEST(kernel_without_payload_needs_no_cache),
	    TEST(bad_kernels_are_named),
	    TEST(too_little_memory_is_explained),
	    TEST(bad_initrds_are_named),
	    TEST(long_command_line_is_refused),
	    TEST(real_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
