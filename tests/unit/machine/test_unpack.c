/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of what byway-unpack does, in this process: the bzImage header, every
 * packing method, the kernel's segments and relocations, the file it writes
 * and how that is checked when it is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "synth.h"
#include "unpack/bzimage.h"
#include "unpack/payload.h"
#include "unpack/vmlinux.h"

/* ---- the bzImage header ---- */

static int parse(const struct synth_bytes *file, struct err *err,
		 struct bzimage *ret_image)
{
	*err = (struct err){0};
	return bzimage_parse(file->data,
			     MIN(file->len, (size_t)BZIMAGE_HEAD_BYTES),
			     file->len, err, ret_image);
}

static void assert_refused(const struct setup_header *hdr, const char *words)
{
	struct synth_bytes payload = {(uint8_t *)"x", 1}, file;
	struct bzimage image;
	struct err err;

	file = synth_bzimage(hdr, &payload);
	assert_true(parse(&file, &err, &image) < 0);
	if (!strstr(err.msg, words))
		fail_msg("'%s' does not say '%s'", err.msg, words);
	synth_free(&file);
}

static void header_says_where_things_are(void **state UNUSED)
{
	struct setup_header hdr = synth_header();
	struct synth_bytes payload = {(uint8_t *)"payload", 7}, file;
	struct bzimage image;
	struct err err;

	file = synth_bzimage(&hdr, &payload);
	assert_int_equal(parse(&file, &err, &image), 0);
	assert_memory_equal(file.data + image.payload_at, "payload", 7);
	assert_int_equal(image.payload_bytes, 7);
	assert_int_equal(image.code_at, 2048);
	assert_int_equal(image.code_bytes, file.len - 2048);
	/* A payload that reaches out of the code is none. */
	((struct setup_header *)(void *)(file.data + 0x1f1))->payload_length =
	    (uint32_t)file.len;
	assert_int_equal(parse(&file, &err, &image), 0);
	assert_int_equal(image.payload_bytes, 0);
	synth_free(&file);
}

/* Fields after the header's own end belong to code, not to the header. */
static void short_headers_have_no_later_fields(void **state UNUSED)
{
	struct setup_header hdr = synth_header();
	struct synth_bytes file;
	struct bzimage image;
	struct err err;

	hdr.jump = (uint16_t)(0xeb | (0x258 - 0x202) << 8);
	file = synth_bzimage(&hdr, NULL);
	assert_int_equal(parse(&file, &err, &image), 0);
	assert_int_equal(image.hdr.cmdline_size, 2047);
	assert_int_equal(image.hdr.pref_address, 0);
	assert_int_equal(image.hdr.init_size, 0);
	synth_free(&file);
}

static void other_kernels_are_refused(void **state UNUSED)
{
	struct setup_header hdr = synth_header();

	hdr.version = 0x020a;
	assert_refused(&hdr, "boot protocol 2.10; byway needs 2.12");
	hdr = synth_header();
	hdr.xloadflags = 0;
	assert_refused(&hdr, "32-bit kernel");
	hdr = synth_header();
	hdr.loadflags = 0;
	assert_refused(&hdr, "zImage");
	hdr = synth_header();
	hdr.header = 0;
	assert_refused(&hdr, "not a Linux kernel");
	hdr = synth_header();
	hdr.boot_flag = 0;
	assert_refused(&hdr, "not a Linux kernel");
	hdr = synth_header();
	hdr.setup_sects = 255;
	assert_refused(&hdr, "truncated");
}

static void other_files_are_named(void **state UNUSED)
{
	struct synth_bytes elf = synth_vmlinux(SYNTH_NO_LISTS);
	struct synth_bytes gzip = synth_pack(SYNTH_GZIP, &elf);
	struct synth_bytes empty = {(uint8_t *)"", 0};
	struct bzimage image;
	struct err err;

	assert_int_equal(parse(&elf, &err, &image), -ENOEXEC);
	assert_non_null(strstr(err.msg, "an ELF file"));
	assert_int_equal(parse(&gzip, &err, &image), -ENOEXEC);
	assert_non_null(strstr(err.msg, "gzip data"));
	assert_int_equal(parse(&empty, &err, &image), -ENOEXEC);
	assert_non_null(strstr(err.msg, "not a Linux kernel"));
	synth_free(&elf);
	synth_free(&gzip);
}

static void every_truncation_is_refused(void **state UNUSED)
{
	struct setup_header hdr = synth_header();
	struct synth_bytes payload = {(uint8_t *)"payload", 7}, file, cut;
	struct bzimage image;
	struct err err;

	file = synth_bzimage(&hdr, &payload);
	for (cut = file; cut.len > 0; cut.len--) {
		int r = parse(&cut, &err, &image);

		/* The header's size counts paragraphs: 15 bytes of play. */
		if (!r)
			assert_true(file.len - cut.len < 16);
		else
			assert_true(err.msg[0] != '\0');
	}
	cut.len = file.len - 16;
	assert_true(parse(&cut, &err, &image) < 0);
	assert_non_null(strstr(err.msg, "truncated"));
	synth_free(&file);
}

/* ---- payloads ---- */

static void all_methods_unpack(void **state UNUSED)
{
	struct synth_bytes plain = synth_vmlinux(SYNTH_THREE_LISTS), packed;
	uint8_t *out;
	size_t len;
	unsigned m;

	for (m = SYNTH_PLAIN; m <= SYNTH_LZ4; m++) {
		packed = synth_pack(m, &plain);
		assert_int_equal(
		    payload_unpack(packed.data, packed.len, NULL, &out, &len),
		    0);
		assert_int_equal(len, plain.len);
		assert_memory_equal(out, plain.data, len);
		payload_free(out, len);
		synth_free(&packed);
	}
	synth_free(&plain);
}

static void assert_damaged(struct synth_bytes *packed)
{
	struct err err = {0};
	uint8_t *out;
	size_t len;

	assert_true(
	    payload_unpack(packed->data, packed->len, &err, &out, &len) < 0);
	assert_non_null(strstr(err.msg, "payload: "));
}

static void damage_is_noticed(void **state UNUSED)
{
	struct synth_bytes plain = synth_vmlinux(SYNTH_THREE_LISTS), packed;
	unsigned m;

	for (m = SYNTH_GZIP; m <= SYNTH_LZ4; m++) {
		packed = synth_pack(m, &plain);
		packed.data[packed.len - 4]++; /* another size */
		assert_damaged(&packed);
		packed.data[packed.len - 4] -= 2;
		assert_damaged(&packed);
		packed.data[packed.len - 4]++;
		packed.len -= 5; /* cut short; the size is now rubbish */
		assert_damaged(&packed);
		synth_free(&packed);
	}
	synth_free(&plain);
}

static void other_methods_are_named(void **state UNUSED)
{
	struct synth_bytes bzip2 = {(uint8_t *)"BZh9xxxxxxxx", 12};
	struct synth_bytes unknown = {(uint8_t *)"abcdefghijkl", 12};
	struct err err = {0};
	uint8_t *out;
	size_t len;

	assert_int_equal(
	    payload_unpack(bzip2.data, bzip2.len, &err, &out, &len), -ENOTSUP);
	assert_non_null(strstr(err.msg, "bzip2"));
	assert_int_equal(
	    payload_unpack(unknown.data, unknown.len, &err, &out, &len),
	    -ENOTSUP);
	assert_non_null(strstr(err.msg, "unknown method"));
}

/* A size that no kernel has must not be allocated and filled. */
static void absurd_size_is_refused(void **state UNUSED)
{
	struct synth_bytes plain = synth_vmlinux(SYNTH_NO_LISTS);
	struct synth_bytes packed = synth_pack(SYNTH_ZSTD, &plain);
	struct err err = {0};
	uint8_t *out;
	size_t len;

	memset(packed.data + packed.len - 4, 0xff, 4);
	assert_int_equal(
	    payload_unpack(packed.data, packed.len, &err, &out, &len), -EFBIG);
	synth_free(&packed);
	synth_free(&plain);
}

/* ---- the kernel in it ---- */

static void kernel_is_understood(void **state UNUSED)
{
	struct synth_bytes elf = synth_vmlinux(SYNTH_THREE_LISTS);
	struct vmlinux kernel;

	assert_int_equal(vmlinux_parse(elf.data, elf.len, NULL, &kernel), 0);
	assert_int_equal(kernel.paddr, SYNTH_PADDR);
	assert_int_equal(kernel.image_bytes, SYNTH_IMAGE_BYTES);
	assert_int_equal(kernel.entry_at, SYNTH_ENTRY);
	assert_int_equal(kernel.segment_count, 3);
	assert_int_equal(kernel.relocs[KFILE_ADD64].count, 1);
	assert_int_equal(kernel.relocs[KFILE_SUB32].count, 1);
	assert_int_equal(kernel.relocs[KFILE_ADD32].count, 1);
	assert_int_equal(vmlinux_reloc_at(&kernel, KFILE_ADD64, 0),
			 SYNTH_ADD64_AT);
	assert_int_equal(vmlinux_reloc_at(&kernel, KFILE_SUB32, 0),
			 SYNTH_SUB32_AT);
	assert_int_equal(vmlinux_reloc_at(&kernel, KFILE_ADD32, 0),
			 SYNTH_ADD32_AT);
	synth_free(&elf);
}

static void assert_lists(enum synth_lists lists, bool add, bool sub)
{
	struct synth_bytes elf = synth_vmlinux(lists);
	struct vmlinux kernel;

	assert_int_equal(vmlinux_parse(elf.data, elf.len, NULL, &kernel), 0);
	assert_int_equal(kernel.relocs[KFILE_ADD64].count, add);
	assert_int_equal(kernel.relocs[KFILE_ADD32].count, add);
	assert_int_equal(kernel.relocs[KFILE_SUB32].count, sub);
	synth_free(&elf);
}

static void lists_of_all_shapes(void **state UNUSED)
{
	assert_lists(SYNTH_TWO_LISTS, true, false);
	assert_lists(SYNTH_NO_LISTS, false, false);
	assert_lists(SYNTH_BAD_TARGET, false, false);
	assert_lists(SYNTH_BAD_SHAPE, false, false);
}

static void assert_bad_kernel(struct synth_bytes *elf)
{
	struct err err = {0};
	struct vmlinux kernel;

	assert_int_equal(vmlinux_parse(elf->data, elf->len, &err, &kernel),
			 -EBADMSG);
	assert_non_null(strstr(err.msg, "payload: "));
}

static void bad_kernels_are_refused(void **state UNUSED)
{
	struct synth_bytes elf = synth_vmlinux(SYNTH_THREE_LISTS);
	Elf64_Ehdr *eh = (void *)elf.data, good_eh = *eh;
	Elf64_Phdr *ph = (void *)(elf.data + sizeof(*eh)), good = ph[1];

	eh->e_machine = EM_AARCH64;
	assert_bad_kernel(&elf);
	*eh = good_eh;
	eh->e_phoff = UINT64_MAX - 8;
	assert_bad_kernel(&elf);
	*eh = good_eh;
	eh->e_entry = SYNTH_PADDR - 1;
	assert_bad_kernel(&elf);
	eh->e_entry = SYNTH_PADDR + 0x203000; /* in memory, not in contents */
	assert_bad_kernel(&elf);
	*eh = good_eh;
	ph[1].p_offset = elf.len;
	assert_bad_kernel(&elf);
	ph[1] = good;
	ph[1].p_filesz = ph[1].p_memsz + 1;
	assert_bad_kernel(&elf);
	ph[1] = good;
	ph[1].p_paddr = SYNTH_PADDR + 0x30000; /* inside of the first */
	assert_bad_kernel(&elf);
	ph[1] = good;
	ph[1].p_memsz = UINT64_MAX;
	assert_bad_kernel(&elf);
	elf.len = 20;
	assert_bad_kernel(&elf);
	synth_free(&elf);
}

/* ---- the file ---- */

static int write_kfile(enum synth_lists lists)
{
	static const struct kfile_key key = {.device = 1, .inode = 2};
	struct synth_bytes elf = synth_vmlinux(lists);
	int fd = memfd_create("kfile", MFD_CLOEXEC);
	struct vmlinux kernel;
	struct err err = {0};

	assert_true(fd >= 0);
	assert_int_equal(vmlinux_parse(elf.data, elf.len, NULL, &kernel), 0);
	if (vmlinux_write(&kernel, &key, fd, &err))
		fail_msg("%s", err.msg);
	synth_free(&elf);
	return fd;
}

static uint64_t file_bytes(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

static void file_holds_the_image(void **state UNUSED)
{
	CLEANUP_CLOSE int fd = write_kfile(SYNTH_THREE_LISTS);
	CLEANUP_FREE uint8_t *have = calloc(1, SYNTH_IMAGE_BYTES);
	CLEANUP_FREE uint8_t *want = synth_image();
	struct kfile_header h;
	uint32_t offset;
	unsigned i;

	assert_int_equal(file_read_at(fd, &h, sizeof(h), 0), 0);
	assert_int_equal(kfile_check(&h, file_bytes(fd), NULL), 0);
	assert_true(kfile_relocatable(&h));
	assert_int_equal(h.entry_at, SYNTH_ENTRY);
	assert_int_equal(h.key.inode, 2);
	/* Text without its run of zeros, data, per-cpu. */
	assert_int_equal(h.extent_count, 4);
	for (i = 0; i < h.extent_count; i++)
		assert_int_equal(file_read_at(fd, have + h.extents[i].image_at,
					      h.extents[i].bytes,
					      h.extents[i].file_at),
				 0);
	assert_memory_equal(have, want, SYNTH_IMAGE_BYTES);
	assert_int_equal(
	    file_read_at(fd, &offset, 4, h.relocs[KFILE_SUB32].file_at), 0);
	assert_int_equal(offset, SYNTH_SUB32_AT);
}

static void assert_bad_header(struct kfile_header h, uint64_t size)
{
	struct err err = {0};

	kfile_seal(&h);
	assert_int_equal(kfile_check(&h, size, &err), -EINVAL);
	assert_true(err.msg[0] != '\0');
}

static void headers_are_not_trusted(void **state UNUSED)
{
	CLEANUP_CLOSE int fd = write_kfile(SYNTH_THREE_LISTS);
	uint64_t size = file_bytes(fd);
	struct kfile_header good, h;

	assert_int_equal(file_read_at(fd, &good, sizeof(good), 0), 0);
	h = good;
	h.paddr++; /* and the hash is wrong now */
	assert_int_equal(kfile_check(&h, size, NULL), -EINVAL);
	h = good;
	h.version++;
	assert_int_equal(kfile_check(&h, size, NULL), -EINVAL);
	assert_bad_header(good, KFILE_PAGE); /* cut after the header */
	assert_bad_header(good, 100);
#define BAD(field, value)                   \
	do {                                \
		h = good;                   \
		h.field = (value);          \
		assert_bad_header(h, size); \
	} while (0)
	BAD(paddr, 0x1000);
	BAD(paddr, UINT64_MAX);
	BAD(image_bytes, UINT64_MAX);
	BAD(image_bytes, 0x1000);
	BAD(entry_at, SYNTH_IMAGE_BYTES);
	BAD(extent_count, 0);
	BAD(extent_count, KFILE_EXTENTS_MAX + 1);
	BAD(extents[1].file_at, 1);
	BAD(extents[1].file_at, 0);
	BAD(extents[1].file_at, UINT64_MAX & ~4095ull);
	BAD(extents[1].bytes, UINT64_MAX);
	BAD(extents[1].bytes, 0);
	BAD(extents[1].image_at, 0);
	BAD(extents[3].image_at, SYNTH_IMAGE_BYTES);
	BAD(relocs[0].count, UINT64_MAX / 4 + 2);
	BAD(relocs[2].file_at, size);
	BAD(relocs[1].file_at, 0);
}

static void keys_tell_files_apart(void **state UNUSED)
{
	CLEANUP_CLOSE int fd = write_kfile(SYNTH_THREE_LISTS);
	struct kfile_key a, b;

	assert_int_equal(kfile_key_of(fd, &a), 0);
	assert_int_equal(kfile_key_of(fd, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(pwrite(fd, "z", 1, 1), 1);
	assert_int_equal(kfile_key_of(fd, &b), 0);
	assert_true(a.hash != b.hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(header_says_where_things_are),
	    cmocka_unit_test(short_headers_have_no_later_fields),
	    cmocka_unit_test(other_kernels_are_refused),
	    cmocka_unit_test(other_files_are_named),
	    cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(all_methods_unpack),
	    cmocka_unit_test(damage_is_noticed),
	    cmocka_unit_test(other_methods_are_named),
	    cmocka_unit_test(absurd_size_is_refused),
	    cmocka_unit_test(kernel_is_understood),
	    cmocka_unit_test(lists_of_all_shapes),
	    cmocka_unit_test(bad_kernels_are_refused),
	    cmocka_unit_test(file_holds_the_image),
	    cmocka_unit_test(headers_are_not_trusted),
	    cmocka_unit_test(keys_tell_files_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
