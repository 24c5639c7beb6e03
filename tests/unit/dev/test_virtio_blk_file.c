/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-blk over real files and worker threads: what a guest writes is what a
 * guest reads and what the file holds, whatever the order and the interrupts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "dev/virtio_models.h"
#include "driver.h"

#define DISK_SECTORS 2048u
#define SLOTS	     32u
#define SLOT_SECTORS (DISK_SECTORS / SLOTS)
#define SLOT_BYTES   (SLOT_SECTORS * 512u)
#define HEADER	     0x80000u
#define STATUS	     0x8f000u
#define TABLE	     0x90000u
#define DATA	     0x100000u
#define ADDR	     ((struct pci_addr){0, 4, 0})
#define GSI	     (IRQ_PIRQ_FIRST + (4 + 4 + 1 - 1) % IRQ_PIRQS)
#define WAIT_NS	     (20 * NS_PER_S)

struct fixture {
	struct world w;
	struct driver d;
	char path[64];
	uint8_t shadow[DISK_SECTORS * 512];
	bool intx;
};

static struct fixture *build(const char *options, bool intx)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[160];
	struct err err;
	int fd;

	assert_non_null(f);
	world_create(&f->w);
	f->intx = intx;
	f->w.refuse_doorbells = intx;
	if (intx)
		assert_int_equal(
		    cfg_set(f->w.root, "virtio_msix", "false", &err), 0);
	snprintf(f->path, sizeof(f->path), "/var/tmp/byway-vblk-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, DISK_SECTORS * 512), 0);
	close(fd);
	snprintf(text, sizeof(text), "path=%s%s", f->path, options);
	if (virtio_blk_model.create(&f->w.env, ADDR, world_node(&f->w, text),
				    &err))
		fail_msg("%s", err.msg);
	world_start(&f->w);
	assert_true(driver_probe(&f->d, &f->w, ADDR));
	if (f->d.msix_cap)
		driver_msix_enable(&f->d, 2);
	driver_up(&f->d, UINT64_MAX & ~BIT64(29), 1, 128); /* no event index */
	return f;
}

static int setup(void **state)
{
	*state = build("", false);
	return 0;
}

static int setup_intx(void **state)
{
	*state = build(",sync", true);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	world_destroy(&f->w);
	unlink(f->path);
	free(f);
	return 0;
}

/* Queues one request of a slot; nothing is notified yet. */
static void queue_request(struct fixture *f, unsigned slot, uint32_t type,
			  unsigned first, unsigned sectors)
{
	uint64_t data = DATA + slot * SLOT_BYTES, at = HEADER + slot * 16;
	uint32_t len = sectors * 512, cut = len / 3 / 4 * 4;
	bool in = type == VIRTIO_BLK_T_IN;
	const struct driver_buf bufs[] = {
	    {at, 16, false},
	    {data, cut, in},
	    {data + cut, len - cut, in},
	    {STATUS + slot, 1, true},
	};
	const uint8_t none = 0xee;

	mem_put32(&f->w, at, type);
	mem_put64(&f->w, at + 8, slot * SLOT_SECTORS + first);
	mem_put(&f->w, STATUS + slot, &none, 1);
	if (slot & 1)
		driver_add_indirect(&f->d, 0, TABLE + slot * 64, bufs, 4);
	else
		driver_add(&f->d, 0, bufs, 4);
}

/* Until `count` more were used; runs the loop as the guest waits. */
static void wait_used(struct fixture *f, unsigned count)
{
	uint64_t start = clock_host()->mono_ns(clock_host());
	uint32_t id, len;

	while (count) {
		if (driver_used(&f->d, 0, &id, &len)) {
			count--;
			continue;
		}
		assert_true(clock_host()->mono_ns(clock_host()) - start <
			    WAIT_NS);
		assert_int_equal(evloop_step(f->w.loop, 1), 0);
	}
}

static void random_rounds(struct fixture *f, unsigned rounds)
{
	uint8_t buf[SLOT_BYTES], status;
	bool write[SLOTS];
	unsigned first[SLOTS], sectors[SLOTS], round, s, i;

	srand(7);
	for (round = 0; round < rounds; round++) {
		for (s = 0; s < SLOTS; s++) {
			uint8_t *shadow = f->shadow + s * SLOT_BYTES;

			write[s] = rand() & 1;
			first[s] = (unsigned)rand() % SLOT_SECTORS;
			sectors[s] =
			    1 + (unsigned)rand() % (SLOT_SECTORS - first[s]);
			if (write[s]) {
				for (i = 0; i < sectors[s] * 512; i++)
					buf[i] = (uint8_t)rand();
				mem_put(&f->w, DATA + s * SLOT_BYTES, buf,
					sectors[s] * 512);
				memcpy(shadow + first[s] * 512, buf,
				       sectors[s] * 512);
			}
			queue_request(
			    f, s, write[s] ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
			    first[s], sectors[s]);
			if (s % 5 == 0)
				driver_kick(&f->d, 0);
		}
		driver_kick(&f->d, 0);
		wait_used(f, SLOTS);
		for (s = 0; s < SLOTS; s++) {
			mem_get(&f->w, STATUS + s, &status, 1);
			assert_int_equal(status, VIRTIO_BLK_S_OK);
			mem_get(&f->w, DATA + s * SLOT_BYTES, buf,
				sectors[s] * 512);
			assert_memory_equal(
			    buf, f->shadow + s * SLOT_BYTES + first[s] * 512,
			    sectors[s] * 512);
		}
	}
}

static void file_matches(struct fixture *f)
{
	static uint8_t file[DISK_SECTORS * 512];
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, file, sizeof(file)), sizeof(file));
	close(fd);
	assert_memory_equal(file, f->shadow, sizeof(file));
}

static void test_integrity(void **state)
{
	struct fixture *f = *state;

	random_rounds(f, 30);
	file_matches(f);
	assert_true(world_msis(&f->w) > 0);
}

static void test_integrity_intx(void **state)
{
	struct fixture *f = *state;

	random_rounds(f, 10);
	file_matches(f);
	assert_true(world_line(&f->w, GSI));
	assert_int_equal(driver_isr(&f->d), 1);
	assert_false(world_line(&f->w, GSI));
	assert_int_equal(world_msis(&f->w), 0);
}

static void test_discard_reads_zero(void **state)
{
	struct fixture *f = *state;
	uint8_t status;

	random_rounds(f, 2);
	mem_put64(&f->w, DATA, 8);
	mem_put32(&f->w, DATA + 8, 16);
	mem_put32(&f->w, DATA + 12, 1);
	mem_put32(&f->w, HEADER, VIRTIO_BLK_T_WRITE_ZEROES);
	driver_add(&f->d, 0,
		   (struct driver_buf[]){{HEADER, 16, false},
					 {DATA, 16, false},
					 {STATUS, 1, true}},
		   3);
	driver_kick(&f->d, 0);
	wait_used(f, 1);
	mem_get(&f->w, STATUS, &status, 1);
	assert_int_equal(status, VIRTIO_BLK_S_OK);
	memset(f->shadow + 8 * 512, 0, 16 * 512);
	file_matches(f);
}

/* Over and over: reset while the workers are busy, then use it again. */
static void test_reset_under_load(void **state)
{
	struct fixture *f = *state;
	uint64_t start;
	unsigned round, s;

	for (round = 0; round < 40; round++) {
		for (s = 0; s < SLOTS; s++)
			queue_request(f, s, VIRTIO_BLK_T_IN, 0, SLOT_SECTORS);
		driver_kick(&f->d, 0);
		assert_int_equal(evloop_step(f->w.loop, 1), 0);
		driver_set_status(&f->d, 0);
		start = clock_host()->mono_ns(clock_host());
		while (driver_status(&f->d)) {
			assert_true(clock_host()->mono_ns(clock_host()) -
					start <
				    WAIT_NS);
			assert_int_equal(evloop_step(f->w.loop, 1), 0);
		}
		driver_up(&f->d, UINT64_MAX & ~BIT64(29), 1, 128);
	}
	random_rounds(f, 2);
	file_matches(f);
}

/* Written and answered: there, though the process never says goodbye. */
static void test_answered_is_written(void **state)
{
	struct fixture *f = *state;
	uint8_t out[512], back[512];
	int fd;

	memset(out, 0x5a, sizeof(out));
	mem_put(&f->w, DATA + 3 * SLOT_BYTES, out, sizeof(out));
	queue_request(f, 3, VIRTIO_BLK_T_OUT, 0, 1);
	driver_kick(&f->d, 0);
	wait_used(f, 1);
	fd = open(f->path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, back, sizeof(back), 3 * SLOT_BYTES),
			 sizeof(back));
	close(fd);
	assert_memory_equal(back, out, sizeof(out));
}

#define T(name)	   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define INTX(name) cmocka_unit_test_setup_teardown(name, setup_intx, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_integrity),		 INTX(test_integrity_intx),
	    T(test_discard_reads_zero),	 T(test_reset_under_load),
	    T(test_answered_is_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
