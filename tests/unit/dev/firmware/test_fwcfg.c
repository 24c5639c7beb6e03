/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of fw_cfg with a small driver that does what firmware does: probe,
 * select, read through the data port, read and write by DMA.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <string.h>

#include "dev/firmware/fwcfg.h"
#include "fakes.h"

#define RAM_BYTES  MIB(2)
#define DESCRIPTOR 0x1000u
#define BUFFER	   0x20000u
#define SMALL	   256u

struct board {
	struct fake fake;
	struct gmem *gmem;
	struct fwcfg *fw;
	unsigned builds, writes;
	int build_result;
	uint8_t seen[16]; /* what the last write left */
};

static int setup(void **state)
{
	struct board *b = calloc(1, sizeof(*b));
	struct err err;

	if (!b)
		return -1;
	fake_init(&b->fake);
	if (gmem_create(&b->gmem) ||
	    gmem_add_ram(b->gmem, gpa(0), RAM_BYTES, &err))
		return -1;
	b->fake.env.gmem = b->gmem;
	if (fwcfg_create(&b->fake.env, &err, &b->fw))
		return -1;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct board *b = *state;

	fwcfg_destroy(b->fw);
	fake_fini(&b->fake);
	gmem_destroy(b->gmem);
	free(b);
	return 0;
}

/* ---- driver ---- */

static void port_read(struct board *b, unsigned key, void *buf, size_t len)
{
	uint8_t *out = buf;
	size_t i;

	fake_out16(&b->fake, 0x510, (uint16_t)key);
	for (i = 0; i < len; i++)
		out[i] = fake_in8(&b->fake, 0x511);
}

/* Returns the control word afterwards. */
static uint32_t dma(struct board *b, uint32_t control, uint32_t length,
		    uint64_t address)
{
	struct fw_cfg_dma d = {.control = htobe32(control),
			       .length = htobe32(length),
			       .address = htobe64(address)};

	assert_int_equal(gmem_write_obj(b->gmem, gpa(DESCRIPTOR), &d), 0);
	fake_out32(&b->fake, 0x514, 0);
	fake_out32(&b->fake, 0x518, htobe32(DESCRIPTOR));
	assert_int_equal(gmem_read_obj(b->gmem, gpa(DESCRIPTOR), &d), 0);
	return be32toh(d.control);
}

static uint32_t key_bits(unsigned key)
{
	return key << 16 | FW_CFG_DMA_SELECT;
}

static void dma_read(struct board *b, unsigned key, void *buf, uint32_t len)
{
	assert_int_equal(dma(b, key_bits(key) | FW_CFG_DMA_READ, len, BUFFER),
			 0);
	assert_int_equal(gmem_read(b->gmem, gpa(BUFFER), buf, len), 0);
}

/* The key of a file by the directory; 0 when there is none. */
static unsigned find(struct board *b, const char *name, uint32_t *ret_size)
{
	static struct fw_cfg_file dir[FWCFG_FILES_MAX];
	uint32_t count, i;

	port_read(b, FW_CFG_FILE_DIR, &count, sizeof(count));
	count = be32toh(count);
	assert_in_range(count, 0, FWCFG_FILES_MAX);
	for (i = 0; i < count * sizeof(dir[0]); i++)
		((uint8_t *)dir)[i] = fake_in8(&b->fake, 0x511);
	for (i = 0; i < count; i++) {
		if (strcmp(dir[i].name, name))
			continue;
		*ret_size = be32toh(dir[i].size);
		return be16toh(dir[i].select);
	}
	return 0;
}

/* ---- items ---- */

static void a_driver_finds_the_device(void **state)
{
	struct board *b = *state;
	uint32_t id;
	char text[4];

	port_read(b, FW_CFG_SIGNATURE, text, 4);
	assert_memory_equal(text, "QEMU", 4);
	port_read(b, FW_CFG_ID, &id, 4);
	assert_int_equal(le32toh(id), 3);
	/* Big-endian: its first byte is the lowest port's. */
	assert_int_equal(fake_in32(&b->fake, 0x514), 0x554d4551);
	assert_int_equal(fake_in32(&b->fake, 0x518), 0x47464320);
	assert_int_equal(fake_in8(&b->fake, 0x514), 'Q');
	dma_read(b, FW_CFG_SIGNATURE, text, 4);
	assert_memory_equal(text, "QEMU", 4);
}

static void numbers_are_little_endian(void **state)
{
	static const uint8_t want[14] = {2, 1, 4, 3, 2, 1, 8,
					 7, 6, 5, 4, 3, 2, 1};
	struct board *b = *state;
	uint8_t got[14];

	assert_int_equal(fwcfg_add_u16(b->fw, FW_CFG_NB_CPUS, 0x0102, NULL), 0);
	assert_int_equal(
	    fwcfg_add_u32(b->fw, FW_CFG_INITRD_SIZE, 0x01020304, NULL), 0);
	assert_int_equal(
	    fwcfg_add_u64(b->fw, FW_CFG_RAM_SIZE, 0x0102030405060708, NULL), 0);
	port_read(b, FW_CFG_NB_CPUS, got, 2);
	port_read(b, FW_CFG_INITRD_SIZE, got + 2, 4);
	port_read(b, FW_CFG_RAM_SIZE, got + 6, 8);
	assert_memory_equal(got, want, sizeof(want));
}

static void reading_past_the_end_gives_zeros(void **state)
{
	struct board *b = *state;
	uint8_t got[8];

	memset(got, 0xee, sizeof(got));
	assert_int_equal(
	    fwcfg_add_bytes(b->fw, FW_CFG_UUID, "\xaa\xbb", 2, NULL), 0);
	port_read(b, FW_CFG_UUID, got, 4);
	assert_memory_equal(got, "\xaa\xbb\0\0", 4);
	dma_read(b, FW_CFG_UUID, got, 8);
	assert_memory_equal(got, "\xaa\xbb\0\0\0\0\0\0", 8);
	/* No such item, by both ways. */
	memset(got, 0xee, sizeof(got));
	port_read(b, FW_CFG_NUMA, got, 4);
	assert_memory_equal(got, "\0\0\0\0", 4);
	dma_read(b, 0x3fff, got, 4);
	assert_memory_equal(got, "\0\0\0\0", 4);
}

static void the_write_bit_of_a_key_is_ignored(void **state)
{
	struct board *b = *state;
	char text[4];

	port_read(b, 0x4000 | FW_CFG_SIGNATURE, text, 4);
	assert_memory_equal(text, "QEMU", 4);
	fake_out16(&b->fake, 0x510, 0x4000);
	fake_out8(&b->fake, 0x511, 'X');
	assert_int_equal(fake_in8(&b->fake, 0x511), 'Q');
	port_read(b, FW_CFG_SIGNATURE, text, 4);
	assert_memory_equal(text, "QEMU", 4);
}

static void odd_accesses_do_nothing(void **state)
{
	struct board *b = *state;

	fake_out16(&b->fake, 0x510, FW_CFG_SIGNATURE);
	assert_int_equal(fake_in8(&b->fake, 0x510), 0);
	fake_out8(&b->fake, 0x510, FW_CFG_ID);
	assert_int_equal(fake_in8(&b->fake, 0x511), 'Q');
	fake_out16(&b->fake, 0x516, 0x1234);
	assert_int_equal(fake_in8(&b->fake, 0x511), 'E');
}

static void keys_of_the_architecture_are_apart(void **state)
{
	struct board *b = *state;
	uint8_t got;

	assert_int_equal(fwcfg_add_bytes(b->fw, 0x8003, "e", 1, NULL), 0);
	port_read(b, 0x8003, &got, 1);
	assert_int_equal(got, 'e');
	port_read(b, 0x0003, &got, 1);
	assert_int_equal(got, 0);
	assert_int_equal(fwcfg_add_bytes(b->fw, 0x8020, "e", 1, NULL), -EINVAL);
	port_read(b, 0x8020, &got, 1);
	assert_int_equal(got, 0);
}

static void a_key_is_given_once(void **state)
{
	struct board *b = *state;
	struct err err;

	assert_int_equal(fwcfg_add_u16(b->fw, FW_CFG_NB_CPUS, 1, &err), 0);
	assert_int_equal(fwcfg_add_u16(b->fw, FW_CFG_NB_CPUS, 2, &err),
			 -EEXIST);
	assert_string_equal(err.msg, "fw_cfg: item 0x5: File exists");
	assert_int_equal(fwcfg_add_u32(b->fw, FW_CFG_SIGNATURE, 2, &err),
			 -EEXIST);
	assert_int_equal(fwcfg_add_u32(b->fw, FW_CFG_FILE_DIR, 2, &err),
			 -EEXIST);
	assert_int_equal(fwcfg_add_u32(b->fw, FW_CFG_FILE_FIRST, 2, &err),
			 -EINVAL);
}

/* ---- files ---- */

static void files_are_sorted_and_found(void **state)
{
	static const char *const names[] = {"etc/e820", "bootorder", "opt/z",
					    "etc/acpi/tables", "etc/a"};
	struct board *b = *state;
	uint32_t size = 0;
	char text[64];
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(fwcfg_add_file(b->fw, names[i], names[i],
						strlen(names[i]), NULL),
				 0);
	assert_int_equal(find(b, "bootorder", &size), 0x20);
	assert_int_equal(find(b, "etc/a", &size), 0x21);
	assert_int_equal(find(b, "etc/acpi/tables", &size), 0x22);
	assert_int_equal(find(b, "etc/e820", &size), 0x23);
	assert_int_equal(find(b, "opt/z", &size), 0x24);
	for (i = 0; i < ARRAY_LEN(names); i++) {
		unsigned key = find(b, names[i], &size);

		assert_int_equal(size, strlen(names[i]));
		port_read(b, key, text, size);
		assert_memory_equal(text, names[i], size);
		dma_read(b, key, text, size);
		assert_memory_equal(text, names[i], size);
	}
	assert_int_equal(find(b, "etc", &size), 0);
}

static void an_empty_file_exists(void **state)
{
	struct board *b = *state;
	uint32_t size = 1;

	assert_int_equal(fwcfg_add_file(b->fw, "etc/none", NULL, 0, NULL), 0);
	assert_int_equal(find(b, "etc/none", &size), 0x20);
	assert_int_equal(size, 0);
}

static void bad_names_are_refused(void **state)
{
	static const char longest[] =
	    "opt/45678901234567890123456789012345678901234567890123x";
	struct board *b = *state;
	struct err err;
	uint32_t size;
	char longer[64];

	assert_int_equal(sizeof(longest), 56);
	assert_int_equal(fwcfg_add_file(b->fw, longest, "", 1, &err), 0);
	assert_int_equal(find(b, longest, &size), 0x20);
	snprintf(longer, sizeof(longer), "%sy", longest);
	assert_int_equal(fwcfg_add_file(b->fw, longer, "", 1, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "1 to 55 characters"));
	assert_int_equal(fwcfg_add_file(b->fw, "", "", 1, &err), -EINVAL);
	assert_int_equal(fwcfg_add_file(b->fw, "a b", "", 1, &err), -EINVAL);
	assert_int_equal(fwcfg_add_file(b->fw, "a\n", "", 1, &err), -EINVAL);
	assert_int_equal(fwcfg_add_file(b->fw, longest, "", 1, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "give each only once"));
}

static void there_is_a_limit_of_files(void **state)
{
	struct board *b = *state;
	uint32_t size, count;
	char name[FWCFG_FILES_MAX] = "";
	unsigned i;

	for (i = 0; i < FWCFG_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(fwcfg_add_file(b->fw, name, name, i, NULL), 0);
	}
	assert_int_equal(fwcfg_add_file(b->fw, "one/more", "", 1, NULL),
			 -ENOSPC);
	dma_read(b, FW_CFG_FILE_DIR, &count, 4);
	assert_int_equal(be32toh(count), FWCFG_FILES_MAX);
	assert_true(find(b, "f255", &size) != 0);
	assert_int_equal(size, 255);
}

static int build(void *ctx, uint8_t *buf, size_t len)
{
	struct board *b = ctx;

	assert_int_equal(len, 8);
	assert_memory_equal(buf, "\0\0\0\0\0\0\0\0", 8);
	memset(buf, 'a' + (int)b->builds, 3);
	b->builds++;
	return b->build_result;
}

static void a_lazy_file_is_made_at_each_select(void **state)
{
	struct board *b = *state;
	uint32_t size;
	uint8_t got[8];
	unsigned key;

	assert_int_equal(
	    fwcfg_add_file_fn(b->fw, "etc/lazy", 8, build, b, NULL), 0);
	key = find(b, "etc/lazy", &size);
	assert_int_equal(size, 8);
	assert_int_equal(b->builds, 0);
	port_read(b, key, got, 8);
	assert_memory_equal(got, "aaa\0\0\0\0\0", 8);
	assert_int_equal(b->builds, 1);
	dma_read(b, key, got, 8);
	assert_memory_equal(got, "bbb\0\0\0\0\0", 8);
	/* Reading on without a select is reading on. */
	assert_int_equal(dma(b, key_bits(key), 0, 0), 0);
	assert_int_equal(b->builds, 3);
	assert_int_equal(dma(b, FW_CFG_DMA_READ, 2, BUFFER), 0);
	assert_int_equal(dma(b, FW_CFG_DMA_READ, 2, BUFFER + 2), 0);
	assert_int_equal(b->builds, 3);
	assert_int_equal(gmem_read(b->gmem, gpa(BUFFER), got, 4), 0);
	assert_memory_equal(got, "ccc\0", 4);
	b->build_result = -EIO;
	port_read(b, key, got, 8);
	assert_memory_equal(got, "\0\0\0\0\0\0\0\0", 8);
}

static void written(void *ctx, const uint8_t *data, size_t len)
{
	struct board *b = ctx;

	assert_int_equal(len, 8);
	memcpy(b->seen, data, len);
	b->writes++;
}

static void a_writable_file_is_written_by_dma(void **state)
{
	struct board *b = *state;
	const uint32_t write = FW_CFG_DMA_WRITE;
	uint32_t size;
	uint8_t got[8];
	unsigned key;

	assert_int_equal(fwcfg_add_writable_file(b->fw, "etc/vmgenid_addr", 8,
						 written, b, NULL),
			 0);
	key = find(b, "etc/vmgenid_addr", &size);
	assert_int_equal(size, 8);
	assert_int_equal(gmem_write(b->gmem, gpa(BUFFER), "12345678", 8), 0);
	assert_int_equal(dma(b, key_bits(key) | write, 8, BUFFER), 0);
	assert_int_equal(b->writes, 1);
	assert_memory_equal(b->seen, "12345678", 8);
	/* In pieces: skip two, write three; the offset moves on. */
	assert_int_equal(dma(b, key_bits(key) | FW_CFG_DMA_SKIP, 2, 0), 0);
	assert_int_equal(dma(b, write, 3, BUFFER), 0);
	assert_memory_equal(b->seen, "12123678", 8);
	assert_int_equal(dma(b, write, 3, BUFFER), 0);
	assert_memory_equal(b->seen, "12123123", 8);
	/* Nothing fits any more. */
	assert_int_equal(dma(b, write, 1, BUFFER), 1);
	assert_int_equal(b->writes, 3);
	port_read(b, key, got, 8);
	assert_memory_equal(got, "12123123", 8);
	fwcfg_reset(b->fw);
	port_read(b, key, got, 8);
	assert_memory_equal(got, "\0\0\0\0\0\0\0\0", 8);
}

static void wrong_writes_change_nothing(void **state)
{
	struct board *b = *state;
	const uint32_t write = FW_CFG_DMA_WRITE;
	uint32_t size;
	uint8_t got[8];
	unsigned key, plain;

	assert_int_equal(
	    fwcfg_add_writable_file(b->fw, "etc/w", 8, NULL, NULL, NULL), 0);
	assert_int_equal(fwcfg_add_file(b->fw, "etc/plain", "const", 5, NULL),
			 0);
	key = find(b, "etc/w", &size);
	plain = find(b, "etc/plain", &size);
	assert_int_equal(gmem_write(b->gmem, gpa(BUFFER), "12345678", 8), 0);
	assert_int_equal(dma(b, key_bits(key) | write, 9, BUFFER), 1);
	assert_int_equal(dma(b, key_bits(key) | write, UINT32_MAX, BUFFER), 1);
	assert_int_equal(dma(b, key_bits(key) | write, 8, RAM_BYTES - 7), 1);
	assert_int_equal(dma(b, key_bits(key) | write, 8, UINT64_MAX - 3), 1);
	assert_int_equal(dma(b, key_bits(plain) | write, 5, BUFFER), 1);
	assert_int_equal(dma(b, key_bits(0x3fff) | write, 1, BUFFER), 1);
	port_read(b, key, got, 8);
	assert_memory_equal(got, "\0\0\0\0\0\0\0\0", 8);
	port_read(b, plain, got, 5);
	assert_memory_equal(got, "const", 5);
	assert_int_equal(fwcfg_add_writable_file(b->fw, "etc/big",
						 FWCFG_WRITABLE_MAX + 1, NULL,
						 NULL, NULL),
			 -E2BIG);
}

/* ---- DMA ---- */

static void dma_operations_and_their_order(void **state)
{
	struct board *b = *state;
	uint8_t got[8];

	assert_int_equal(
	    fwcfg_add_bytes(b->fw, FW_CFG_UUID, "0123456789", 10, NULL), 0);
	/* Read wins over write and skip. */
	assert_int_equal(dma(b,
			     key_bits(FW_CFG_UUID) | FW_CFG_DMA_READ |
				 FW_CFG_DMA_WRITE | FW_CFG_DMA_SKIP,
			     2, BUFFER),
			 0);
	assert_int_equal(dma(b, FW_CFG_DMA_SKIP, 3, UINT64_MAX), 0);
	assert_int_equal(dma(b, FW_CFG_DMA_READ, 2, BUFFER + 2), 0);
	assert_int_equal(gmem_read(b->gmem, gpa(BUFFER), got, 4), 0);
	assert_memory_equal(got, "0156", 4);
	/* The data port goes on where DMA stopped. */
	assert_int_equal(fake_in8(&b->fake, 0x511), '7');
	/* A skip ends at the end. */
	assert_int_equal(dma(b, FW_CFG_DMA_SKIP, UINT32_MAX, 0), 0);
	assert_int_equal(dma(b, FW_CFG_DMA_SKIP, UINT32_MAX, 0), 0);
	assert_int_equal(fake_in8(&b->fake, 0x511), 0);
	/* Nothing asked for: nothing done, no error. */
	assert_int_equal(dma(b, 0, 5, BUFFER), 0);
}

static void hostile_lengths_and_addresses(void **state)
{
	struct board *b = *state;
	uint8_t before[SMALL], after[SMALL];

	assert_int_equal(gmem_read_obj(b->gmem, gpa(BUFFER), &before), 0);
	/* Four gigabytes of zeros, and RAM that ends in the middle. */
	assert_int_equal(dma(b, FW_CFG_DMA_READ, UINT32_MAX, BUFFER), 1);
	assert_int_equal(
	    dma(b, FW_CFG_DMA_READ, (uint32_t)FWCFG_PAD_MAX + 8, BUFFER), 1);
	assert_int_equal(
	    dma(b, key_bits(0) | FW_CFG_DMA_READ, 4, RAM_BYTES - 3), 1);
	assert_int_equal(
	    dma(b, key_bits(0) | FW_CFG_DMA_READ, 4, UINT64_MAX - 1), 1);
	assert_int_equal(gmem_read_obj(b->gmem, gpa(BUFFER), &after), 0);
	assert_memory_equal(before, after, sizeof(before));
	/* The failed read has not moved the offset. */
	assert_int_equal(dma(b, FW_CFG_DMA_READ, 1, BUFFER), 0);
	assert_int_equal(gmem_read(b->gmem, gpa(BUFFER), after, 1), 0);
	assert_int_equal(after[0], 'Q');
}

static void a_descriptor_outside_memory_is_dropped(void **state)
{
	struct board *b = *state;
	struct fw_cfg_dma d = {.control = htobe32(FW_CFG_DMA_READ),
			       .length = htobe32(4),
			       .address = htobe64(BUFFER)};

	fake_out16(&b->fake, 0x510, FW_CFG_SIGNATURE);
	fake_out32(&b->fake, 0x518, htobe32((uint32_t)RAM_BYTES - 8));
	/* The upper half counts, and only once. */
	assert_int_equal(gmem_write_obj(b->gmem, gpa(DESCRIPTOR), &d), 0);
	fake_out32(&b->fake, 0x514, htobe32(1));
	fake_out32(&b->fake, 0x518, htobe32(DESCRIPTOR));
	assert_int_equal(gmem_read_obj(b->gmem, gpa(DESCRIPTOR), &d), 0);
	assert_int_equal(be32toh(d.control), FW_CFG_DMA_READ);
	fake_out32(&b->fake, 0x518, htobe32(DESCRIPTOR));
	assert_int_equal(gmem_read_obj(b->gmem, gpa(DESCRIPTOR), &d), 0);
	assert_int_equal(d.control, 0);
	assert_int_equal(fake_in8(&b->fake, 0x511), 0);
}

static void a_descriptor_may_lie_at_any_address(void **state)
{
	struct board *b = *state;
	const uint64_t at = RAM_BYTES - sizeof(struct fw_cfg_dma);
	struct fw_cfg_dma d = {.control =
				   htobe32(key_bits(0) | FW_CFG_DMA_READ),
			       .length = htobe32(4),
			       .address = htobe64(at - 3)};

	/* It overwrites its own length, which has been read already. */
	assert_int_equal(gmem_write_obj(b->gmem, gpa(at - 7), &d), 0);
	fake_out32(&b->fake, 0x518, htobe32((uint32_t)at - 7));
	assert_int_equal(gmem_read_obj(b->gmem, gpa(at - 7), &d), 0);
	assert_int_equal(d.control, 0);
	assert_memory_equal(&d.length, "QEMU", 4);
}

static void reset_selects_the_signature(void **state)
{
	struct board *b = *state;

	fake_out16(&b->fake, 0x510, FW_CFG_FILE_DIR);
	fake_out32(&b->fake, 0x514, htobe32(1));
	fwcfg_reset(b->fw);
	assert_int_equal(fake_in8(&b->fake, 0x511), 'Q');
	assert_int_equal(dma(b, FW_CFG_DMA_SKIP, 1, 0), 0);
	assert_int_equal(fake_in8(&b->fake, 0x511), 'M');
}

static void a_second_device_is_refused(void **state)
{
	struct board *b = *state;
	struct fwcfg *fw = NULL;
	struct err err;

	assert_int_equal(fwcfg_create(&b->fake.env, &err, &fw), -EEXIST);
	assert_null(fw);
	assert_int_equal(fake_in8(&b->fake, 0x511), 'Q');
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_driver_finds_the_device),
	    TEST(numbers_are_little_endian),
	    TEST(reading_past_the_end_gives_zeros),
	    TEST(the_write_bit_of_a_key_is_ignored),
	    TEST(odd_accesses_do_nothing),
	    TEST(keys_of_the_architecture_are_apart),
	    TEST(a_key_is_given_once),
	    TEST(files_are_sorted_and_found),
	    TEST(an_empty_file_exists),
	    TEST(bad_names_are_refused),
	    TEST(there_is_a_limit_of_files),
	    TEST(a_lazy_file_is_made_at_each_select),
	    TEST(a_writable_file_is_written_by_dma),
	    TEST(wrong_writes_change_nothing),
	    TEST(dma_operations_and_their_order),
	    TEST(hostile_lengths_and_addresses),
	    TEST(a_descriptor_outside_memory_is_dropped),
	    TEST(a_descriptor_may_lie_at_any_address),
	    TEST(reset_selects_the_signature),
	    TEST(a_second_device_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
