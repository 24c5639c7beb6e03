/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NVMe over real files and worker threads: what a guest writes is what a guest
 * reads and what the file holds, whatever the order, queues and doorbells.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>

#include "dev/nvme/nvme_model.h"
#include "nvme_driver.h"

#define DISK_BLOCKS 2048u
#define SLOTS	    32u
#define SLOT_BLOCKS (DISK_BLOCKS / SLOTS)
#define SLOT_BYTES  (SLOT_BLOCKS * 512u)
#define QUEUES	    4u
#define COMMANDS    50000u
#define GSI	    (IRQ_PIRQ_FIRST + (4 + 4 + 1 - 1) % IRQ_PIRQS)
#define WAIT_NS	    (20 * NS_PER_S)

struct fixture {
	struct drv d;
	char path[64];
	uint8_t shadow[DISK_BLOCKS * 512];
};

static void bring_up(struct drv *d, bool shadow)
{
	unsigned q;

	assert_int_equal(drv_enable(d, 32), NVME_CSTS_RDY);
	for (q = 1; q <= QUEUES; q++)
		assert_int_equal(drv_pair(d, q, 16), 0);
	if (shadow)
		assert_int_equal(drv_shadow(d), 0);
}

static struct fixture *build(const char *options, bool shadow)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[160];
	struct err err;
	int fd;

	assert_non_null(f);
	drv_world(&f->d);
	snprintf(f->path, sizeof(f->path), "/var/tmp/byway-nvme-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, DISK_BLOCKS * 512), 0);
	close(fd);
	snprintf(text, sizeof(text), "path=%s%s", f->path, options);
	if (nvme_model.create(&f->d.w.env, NVME_ADDR, world_node(&f->d.w, text),
			      &err))
		fail_msg("%s", err.msg);
	assert_true(drv_probe(&f->d));
	bring_up(&f->d, shadow);
	return f;
}

static int setup(void **state)
{
	*state = build("", false);
	return 0;
}

static int setup_shadow(void **state)
{
	*state = build(",ioslots=2", true);
	return 0;
}

static int setup_sync(void **state)
{
	*state = build(",sync", false);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	world_destroy(&f->d.w);
	unlink(f->path);
	free(f);
	return 0;
}

static void out_of_time(uint64_t start)
{
	assert_true(clock_host()->mono_ns(clock_host()) - start < WAIT_NS);
}

/* Until `count` completions came, from all queues; all must be good. */
static void wait_for(struct drv *d, unsigned count)
{
	uint64_t start = clock_host()->mono_ns(clock_host());
	struct nvme_completion entry;
	unsigned q;

	while (count) {
		unsigned before = count;

		for (q = 1; q <= QUEUES; q++) {
			while (drv_get_cqe(d, q, &entry)) {
				assert_int_equal(cqe_status(&entry), 0);
				count--;
			}
			drv_ack(d, q);
		}
		if (count != before)
			continue;
		out_of_time(start);
		assert_int_equal(evloop_step(d->w.loop, 1), 0);
	}
}

static void random_round(struct fixture *f)
{
	static uint8_t buf[SLOT_BYTES];
	struct drv *d = &f->d;
	unsigned first[SLOTS], blocks[SLOTS], s, i;

	for (s = 0; s < SLOTS; s++) {
		uint8_t *shadow = f->shadow + s * SLOT_BYTES;
		bool write = rand() & 1;
		unsigned q = 1 + s % QUEUES;
		struct nvme_command cmd;

		first[s] = (unsigned)rand() % SLOT_BLOCKS;
		blocks[s] = 1 + (unsigned)rand() % (SLOT_BLOCKS - first[s]);
		if (write) {
			for (i = 0; i < blocks[s] * 512; i++)
				buf[i] = (uint8_t)rand();
			mem_put(&d->w, DRV_DATA + s * SLOT_BYTES, buf,
				blocks[s] * 512);
			memcpy(shadow + first[s] * 512, buf, blocks[s] * 512);
		}
		cmd = drv_rw(d, write, s * SLOT_BLOCKS + first[s], blocks[s],
			     s * SLOT_BYTES);
		if (write && s % 7 == 0)
			cmd.cdw12 |= NVME_RW_FUA;
		drv_put(d, q, cmd);
		if (s % 3 == 0)
			drv_ring(d, q);
	}
	for (i = 1; i <= QUEUES; i++)
		drv_ring(d, i);
	wait_for(d, SLOTS);
	for (s = 0; s < SLOTS; s++) {
		mem_get(&d->w, DRV_DATA + s * SLOT_BYTES, buf, blocks[s] * 512);
		assert_memory_equal(buf,
				    f->shadow + s * SLOT_BYTES + first[s] * 512,
				    blocks[s] * 512);
	}
}

static void file_matches(struct fixture *f)
{
	static uint8_t file[DISK_BLOCKS * 512];
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, file, sizeof(file)), sizeof(file));
	close(fd);
	assert_memory_equal(file, f->shadow, sizeof(file));
}

static void test_integrity(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	srand(7);
	for (i = 0; i < 30; i++)
		random_round(f);
	file_matches(f);
	assert_true(drv_vector(&f->d, 1) > 0);
	assert_true(drv_vector(&f->d, QUEUES) > 0);
}

static uint32_t csts(struct drv *d)
{
	return drv_get(d, NVME_REG_CSTS);
}

/* Over and over: reset while the workers are busy, then use it again. */
static void test_reset_under_load(void **state)
{
	struct fixture *f = *state;
	struct drv *d = &f->d;
	bool shadow = d->shadow;
	unsigned round, s;
	uint64_t start;

	srand(1);
	random_round(f);
	for (round = 0; round < 40; round++) {
		for (s = 0; s < SLOTS; s++)
			drv_put(d, 1 + s % QUEUES,
				drv_rw(d, false, s * SLOT_BLOCKS, SLOT_BLOCKS,
				       s * SLOT_BYTES));
		for (s = 1; s <= QUEUES; s++)
			drv_ring(d, s);
		assert_int_equal(evloop_step(d->w.loop, 1), 0);
		drv_disable(d);
		start = clock_host()->mono_ns(clock_host());
		while (csts(d)) {
			out_of_time(start);
			assert_int_equal(evloop_step(d->w.loop, 1), 0);
		}
		bring_up(d, shadow);
	}
	random_round(f);
	file_matches(f);
}

static void test_delete_under_load(void **state)
{
	struct fixture *f = *state;
	struct drv *d = &f->d;
	struct nvme_completion entry;
	unsigned round, s;
	uint64_t start;

	for (round = 0; round < 20; round++) {
		for (s = 0; s < 12; s++)
			drv_put(d, 1,
				drv_rw(d, false, s * SLOT_BLOCKS, SLOT_BLOCKS,
				       s * SLOT_BYTES));
		drv_ring(d, 1);
		drv_put(d, 0,
			(struct nvme_command){.opcode = NVME_ADM_DELETE_SQ,
					      .cdw10 = 1});
		drv_ring(d, 0);
		start = clock_host()->mono_ns(clock_host());
		while (!drv_get_cqe(d, 0, &entry)) {
			out_of_time(start);
			assert_int_equal(evloop_step(d->w.loop, 1), 0);
		}
		assert_int_equal(cqe_status(&entry), 0);
		drv_ack(d, 0);
		while (drv_get_cqe(d, 1, &entry))
			assert_int_equal(cqe_status(&entry), 0);
		drv_ack(d, 1);
		assert_int_equal(drv_delete(d, NVME_ADM_DELETE_CQ, 1), 0);
		assert_int_equal(drv_pair(d, 1, 16), 0);
	}
}

static void zero_ranges(struct fixture *f)
{
	const struct nvme_dsm_range range = {.lba = 8, .blocks = 16};
	struct nvme_command cmd = {.opcode = NVME_CMD_DSM,
				   .nsid = 1,
				   .prp1 = DRV_DATA,
				   .cdw11 = NVME_DSM_DEALLOCATE};

	mem_put(&f->d.w, DRV_DATA, &range, sizeof(range));
	drv_put(&f->d, 1, cmd);
	cmd = (struct nvme_command){.opcode = NVME_CMD_WRITE_ZEROES,
				    .nsid = 1,
				    .cdw10 = 100,
				    .cdw12 = 9 | NVME_ZEROES_DEAC};
	drv_put(&f->d, 1, cmd);
	drv_ring(&f->d, 1);
	wait_for(&f->d, 2);
	memset(f->shadow + 8 * 512, 0, 16 * 512);
	memset(f->shadow + 100 * 512, 0, 10 * 512);
}

/* Discarded and zeroed ranges read as zeroes on a file. */
static void test_zeroes(void **state)
{
	struct fixture *f = *state;

	srand(9);
	random_round(f);
	zero_ranges(f);
	file_matches(f);
}

/* Written and answered: there, though the process never says goodbye. */
static void test_answered_is_written(void **state)
{
	struct fixture *f = *state;
	uint8_t out[512], back[512];
	int fd;

	memset(out, 0x5a, sizeof(out));
	mem_put(&f->d.w, DRV_DATA, out, sizeof(out));
	drv_put(&f->d, 2, drv_rw(&f->d, true, 77, 1, 0));
	drv_ring(&f->d, 2);
	wait_for(&f->d, 1);
	fd = open(f->path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, back, sizeof(back), 77 * 512), sizeof(back));
	close(fd);
	assert_memory_equal(back, out, sizeof(out));
}

/* A worker may fail a request before its submission has returned. */
static void test_failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct drv *d = &f->d;
	uint64_t start = clock_host()->mono_ns(clock_host());
	struct nvme_completion entry;
	unsigned i;

	/* Somebody cuts the file: nothing can be read any more. */
	assert_int_equal(truncate(f->path, 0), 0);
	for (i = 0; i < 500; i++) {
		drv_put(d, 1, drv_rw(d, false, i, 1, 0));
		drv_ring(d, 1);
		while (!drv_get_cqe(d, 1, &entry)) {
			out_of_time(start);
			assert_int_equal(evloop_step(d->w.loop, 0), 0);
		}
		drv_ack(d, 1);
		assert_int_equal(cqe_status(&entry),
				 NVME_SC_READ_ERROR | NVME_SC_MORE);
	}
	assert_int_equal(truncate(f->path, DISK_BLOCKS * 512), 0);
}

static void test_shutdown(void **state)
{
	struct fixture *f = *state;
	struct drv *d = &f->d;
	uint64_t start = clock_host()->mono_ns(clock_host());

	random_round(f);
	drv_set(d, NVME_REG_CC, DRV_CC | NVME_CC_EN | NVME_CC_SHN_NORMAL);
	while ((csts(d) & NVME_CSTS_SHST) != NVME_CSTS_SHST_DONE) {
		out_of_time(start);
		assert_int_equal(evloop_step(d->w.loop, 1), 0);
	}
	file_matches(f);
}

static void test_locked(void **state)
{
	struct fixture *f = *state;
	char text[96];
	struct err err;
	struct cfg *node;

	snprintf(text, sizeof(text), "path=%s", f->path);
	assert_int_equal(cfg_make(f->d.w.root, "x", &err, &node), 0);
	assert_int_equal(cfg_set_list(node, text, &err), 0);
	assert_int_equal(nvme_model.create(&f->d.w.env,
					   (struct pci_addr){0, 5, 0}, node,
					   &err),
			 -EBUSY);
	assert_non_null(strstr(err.msg, "nvme: /var/tmp/byway-nvme-"));
}

/* ---- a driver on its own processor ---- */

static void *loop_main(void *ctx)
{
	struct drv *d = ctx;

	return evloop_run(d->w.loop) ? ctx : NULL;
}

/*
 * The event loop looks at a queue while its driver stores a tail: whoever
 * comes second must notice the other, each of many thousand times. With the
 * pin, so that it falls when the driver has taken everything.
 */
static void race(struct fixture *f, bool pin)
{
	struct drv *d = &f->d;
	/* Answered at once, so that the loop goes to sleep all the time. */
	struct nvme_command cmd = drv_rw(d, false, 1ull << 40, 1, 0);
	struct nvme_completion entry;
	unsigned sent = 0, got = 0, most;
	volatile unsigned spin;
	pthread_t loop;
	uint64_t start;
	void *failed;

	srand(5);
	drv_msix(d, !pin);
	assert_int_equal(pthread_create(&loop, NULL, loop_main, d), 0);
	start = clock_host()->mono_ns(clock_host());
	while (got < COMMANDS) {
		most = 1 + (unsigned)rand() % 8;
		if (sent - got < most && sent < COMMANDS) {
			for (spin = (unsigned)rand() % 256; spin; spin--)
				;
			drv_put(d, 1, cmd);
			drv_ring(d, 1);
			sent++;
		}
		if (!drv_get_cqe(d, 1, &entry)) {
			out_of_time(start);
			continue;
		}
		got++;
		drv_ack(d, 1);
		start = clock_host()->mono_ns(clock_host());
		while (got == sent && world_line(&d->w, GSI))
			out_of_time(start);
	}
	evloop_stop(d->w.loop);
	assert_int_equal(pthread_join(loop, &failed), 0);
	assert_null(failed);
	if (pin)
		assert_true(d->w.line_rises > 100);
}

static void test_no_doorbell_is_lost(void **state)
{
	race(*state, false);
}

static void test_pin_falls(void **state)
{
	race(*state, true);
}

/* ---- ram= ---- */

static struct fixture *build_memory(const char *options)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	assert_non_null(f);
	drv_world(&f->d);
	if (nvme_model.create(&f->d.w.env, NVME_ADDR,
			      world_node(&f->d.w, options), &err))
		fail_msg("%s", err.msg);
	assert_true(drv_probe(&f->d));
	bring_up(&f->d, true);
	return f;
}

static void test_memory_disk(void **state UNUSED)
{
	struct fixture *f = build_memory("ram=1");
	struct nvme_id_namespace id;
	unsigned i;

	assert_int_equal(
	    drv_do(&f->d, 0,
		   (struct nvme_command){.opcode = NVME_ADM_IDENTIFY,
					 .nsid = 1,
					 .prp1 = DRV_DATA},
		   NULL),
	    0);
	mem_get(&f->d.w, DRV_DATA, &id, sizeof(id));
	assert_int_equal(id.nsze, 2048);
	for (i = 0; i < 10; i++)
		random_round(f);
	zero_ranges(f);
	random_round(f);
	world_destroy(&f->d.w);
	free(f);
}

static void test_memory_disk_options(void **state UNUSED)
{
	struct fixture *f = build_memory("ram=2,ro,sectorsize=4096");
	struct nvme_id_namespace id;
	struct nvme_command cmd = {
	    .opcode = NVME_ADM_IDENTIFY, .nsid = 1, .prp1 = DRV_DATA};

	assert_int_equal(drv_do(&f->d, 0, cmd, NULL), 0);
	mem_get(&f->d.w, DRV_DATA, &id, sizeof(id));
	assert_int_equal(id.nsze, 512);
	assert_int_equal(id.lbaf[0].shift, 12);
	assert_int_equal(id.nsattr, 1);
	assert_int_equal(drv_do(&f->d, 1, drv_rw(&f->d, true, 0, 1, 0), NULL),
			 NVME_SC_WRITE_PROTECTED | NVME_SC_DNR);
	world_destroy(&f->d.w);
	free(f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define SHADOW(name) \
	cmocka_unit_test_setup_teardown(name, setup_shadow, teardown)
#define SYNC(name) cmocka_unit_test_setup_teardown(name, setup_sync, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_integrity),
	    SHADOW(test_integrity),
	    SYNC(test_integrity),
	    T(test_reset_under_load),
	    SHADOW(test_reset_under_load),
	    T(test_delete_under_load),
	    SHADOW(test_delete_under_load),
	    T(test_zeroes),
	    T(test_answered_is_written),
	    T(test_failures_are_told),
	    T(test_shutdown),
	    SHADOW(test_no_doorbell_is_lost),
	    SHADOW(test_pin_falls),
	    T(test_pin_falls),
	    T(test_locked),
	    cmocka_unit_test(test_memory_disk),
	    cmocka_unit_test(test_memory_disk_options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
