/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio-scsi over real files and worker threads: what a guest writes is what
 * it reads and what the file holds, with task management in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <endian.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_scsi.h>

#include "dev/virtio_scsi/virtio_scsi_model.h"
#include "driver.h"
#include "spec/scsi.h"

#define DISK_BLOCKS 2048u
#define SLOTS	    32u
#define SLOT_BLOCKS (DISK_BLOCKS / SLOTS)
#define SLOT_BYTES  (SLOT_BLOCKS * 512u)
#define HEADER(n)   (0x80000u + 0x100u * (n))
#define RESPONSE(n) (0x90000u + 0x100u * (n))
#define TMF	    0x9f000u
#define DATA(n)	    (0x100000u + SLOT_BYTES * (n))
#define ADDR	    ((struct pci_addr){0, 4, 0})
#define WAIT_NS	    (20 * NS_PER_S)

struct fixture {
	struct world w;
	struct driver d;
	char path[64];
	uint8_t shadow[DISK_BLOCKS * 512];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct cfg *node;
	struct err err;
	int fd;

	assert_non_null(f);
	world_create(&f->w);
	snprintf(f->path, sizeof(f->path), "/var/tmp/byway-vscsi-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, DISK_BLOCKS * 512), 0);
	close(fd);
	node = world_node(&f->w, "");
	if (virtio_scsi_model.parse(node, f->path, &err) ||
	    virtio_scsi_model.create(&f->w.env, ADDR, node, &err))
		fail_msg("%s", err.msg);
	world_start(&f->w);
	assert_true(driver_probe(&f->d, &f->w, ADDR));
	driver_msix_enable(&f->d, 4);
	driver_up(&f->d, UINT64_MAX, 3, 128);
	*state = f;
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

static void queue_command(struct fixture *f, unsigned slot, const uint8_t *cdb,
			  uint32_t len, bool in)
{
	struct virtio_scsi_cmd_req header = {
	    .lun = {1},
	    .tag = htole64(slot),
	};
	const struct driver_buf read[] = {{HEADER(slot), 51, false},
					  {RESPONSE(slot), 108, true},
					  {DATA(slot), len, true}};
	const struct driver_buf write[] = {{HEADER(slot), 51, false},
					   {DATA(slot), len, false},
					   {RESPONSE(slot), 108, true}};

	memcpy(header.cdb, cdb, 16);
	mem_put(&f->w, HEADER(slot), &header, 51);
	driver_add_indirect(&f->d, 2, 0xa0000 + 64 * slot, in ? read : write,
			    3);
}

static void queue_range(struct fixture *f, unsigned slot, bool write,
			unsigned first, unsigned blocks)
{
	uint8_t cdb[16] = {write ? SCSI_WRITE_16 : SCSI_READ_16};

	cdb[1] = write && slot % 4 == 0 ? 8 : 0;
	scsi_put64(cdb + 2, slot * SLOT_BLOCKS + first);
	scsi_put32(cdb + 10, blocks);
	queue_command(f, slot, cdb, blocks * 512, !write);
}

/* Until `count` more were used on the queue. */
static void wait_used(struct fixture *f, unsigned q, unsigned count)
{
	uint64_t start = clock_host()->mono_ns(clock_host());
	uint32_t id, len;

	while (count) {
		if (driver_used(&f->d, q, &id, &len)) {
			count--;
			continue;
		}
		assert_true(clock_host()->mono_ns(clock_host()) - start <
			    WAIT_NS);
		assert_int_equal(evloop_step(f->w.loop, 1), 0);
	}
}

static uint8_t response(struct fixture *f, unsigned slot, uint8_t *ret_status)
{
	struct virtio_scsi_cmd_resp resp;

	mem_get(&f->w, RESPONSE(slot), &resp, sizeof(resp));
	*ret_status = resp.status;
	return resp.response;
}

static void run_one(struct fixture *f, const uint8_t *cdb, uint32_t len,
		    bool in, uint8_t want)
{
	uint8_t status;

	queue_command(f, 0, cdb, len, in);
	driver_kick(&f->d, 2);
	wait_used(f, 2, 1);
	assert_int_equal(response(f, 0, &status), VIRTIO_SCSI_S_OK);
	assert_int_equal(status, want);
}

static void take_attention(struct fixture *f)
{
	const uint8_t ready[16] = {SCSI_TEST_UNIT_READY};

	run_one(f, ready, 512, true, SCSI_CHECK_CONDITION);
	run_one(f, ready, 512, true, SCSI_GOOD);
}

static void check_file(const struct fixture *f)
{
	uint8_t *back = malloc(sizeof(f->shadow));
	int fd = open(f->path, O_RDONLY);

	assert_non_null(back);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, back, sizeof(f->shadow)), sizeof(f->shadow));
	assert_memory_equal(back, f->shadow, sizeof(f->shadow));
	close(fd);
	free(back);
}

/* All slots at once, each with its own part of the disk. */
static void test_random(void **state)
{
	struct fixture *f = *state;
	unsigned round, s, i, first[SLOTS], blocks[SLOTS];
	uint8_t buf[SLOT_BYTES], status;
	bool write[SLOTS];

	take_attention(f);
	srand(7);
	for (round = 0; round < 30; round++) {
		for (s = 0; s < SLOTS; s++) {
			first[s] = (unsigned)rand() % SLOT_BLOCKS;
			blocks[s] =
			    1 + (unsigned)rand() % (SLOT_BLOCKS - first[s]);
			write[s] = rand() % 2;
			for (i = 0; i < blocks[s] * 512; i++)
				buf[i] = (uint8_t)(rand() >> 4);
			mem_put(&f->w, DATA(s), buf, blocks[s] * 512);
			if (write[s])
				memcpy(f->shadow + s * SLOT_BYTES +
					   first[s] * 512,
				       buf, blocks[s] * 512);
			queue_range(f, s, write[s], first[s], blocks[s]);
		}
		driver_kick(&f->d, 2);
		wait_used(f, 2, SLOTS);
		for (s = 0; s < SLOTS; s++) {
			assert_int_equal(response(f, s, &status),
					 VIRTIO_SCSI_S_OK);
			assert_int_equal(status, SCSI_GOOD);
			mem_get(&f->w, DATA(s), buf, blocks[s] * 512);
			assert_memory_equal(
			    buf, f->shadow + s * SLOT_BYTES + first[s] * 512,
			    blocks[s] * 512);
		}
	}
	check_file(f);
}

static void test_other_commands(void **state)
{
	const uint8_t sync[16] = {SCSI_SYNCHRONIZE_CACHE_10};
	const uint8_t verify[16] = {SCSI_VERIFY_10, 0, 0, 0, 0, 0, 0, 8, 0};
	const uint8_t same[16] = {SCSI_WRITE_SAME_10, 0, 0, 0, 0, 4, 0, 0, 8};
	const uint8_t unmap[16] = {SCSI_UNMAP, 0, 0, 0, 0, 0, 0, 0, 40};
	struct fixture *f = *state;
	uint8_t list[40] = {0}, zeroes[512] = {0};

	take_attention(f);
	memset(f->shadow, 0x5a, 64 * 512);
	mem_put(&f->w, DATA(0), f->shadow, SLOT_BYTES);
	queue_range(f, 0, true, 0, 64);
	driver_kick(&f->d, 2);
	wait_used(f, 2, 1);
	run_one(f, sync, 512, true, SCSI_GOOD);
	run_one(f, verify, 512, true, SCSI_GOOD);
	mem_put(&f->w, DATA(0), zeroes, 512);
	run_one(f, same, 512, false, SCSI_GOOD);
	memset(f->shadow + 4 * 512, 0, 8 * 512);
	/* Blocks 16 to 31, and 40 to 47: holes of a file read as zeroes. */
	scsi_put16(list, 38);
	scsi_put16(list + 2, 32);
	scsi_put64(list + 8, 16);
	scsi_put32(list + 16, 16);
	scsi_put64(list + 24, 40);
	scsi_put32(list + 32, 8);
	mem_put(&f->w, DATA(0), list, sizeof(list));
	run_one(f, unmap, sizeof(list), false, SCSI_GOOD);
	memset(f->shadow + 16 * 512, 0, 16 * 512);
	memset(f->shadow + 40 * 512, 0, 8 * 512);
	check_file(f);
}

/* A reset among writes: every one of them is answered before it is. */
static void test_reset_among_writes(void **state)
{
	const struct driver_buf bufs[] = {{TMF, 24, false},
					  {TMF + 64, 1, true}};
	struct virtio_scsi_ctrl_tmf_req tmf = {
	    .subtype = htole32(VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET),
	    .lun = {1},
	};
	unsigned round, s, ok = 0, reset = 0;
	struct fixture *f = *state;
	uint8_t status, code;
	uint32_t id, len;

	take_attention(f);
	for (round = 0; round < 20; round++) {
		for (s = 0; s < SLOTS; s++)
			queue_range(f, s, true, 0, SLOT_BLOCKS);
		driver_kick(&f->d, 2);
		mem_put(&f->w, TMF, &tmf, sizeof(tmf));
		driver_add(&f->d, 0, bufs, 2);
		driver_kick(&f->d, 0);
		wait_used(f, 0, 1);
		mem_get(&f->w, TMF + 64, &code, 1);
		assert_int_equal(code, 0);
		for (s = 0; s < SLOTS; s++) {
			assert_true(driver_used(&f->d, 2, &id, &len));
			code = response(f, s, &status);
			ok += code == VIRTIO_SCSI_S_OK;
			reset += code == VIRTIO_SCSI_S_RESET;
		}
		take_attention(f);
	}
	assert_int_equal(ok + reset, 20 * SLOTS);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_random),
	    T(test_other_commands),
	    T(test_reset_among_writes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
