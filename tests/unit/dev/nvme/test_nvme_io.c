/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: data of all shapes, errors, stable writes, ranges. */
#include "nvme_fixture.h"

#include <string.h>

#define PAGE   4096u
#define SLOTS  8u /* the default */
#define BEYOND (DISK_BYTES / 512)

static int setup(void **state)
{
	*state = nvme_build_up("path=/disk");
	return 0;
}

static int setup_ro(void **state)
{
	*state = nvme_build_up("path=/disk,ro");
	return 0;
}

static int setup_sync(void **state)
{
	*state = nvme_build_up("path=/disk,sync,nodelete");
	return 0;
}

static int setup_huge(void **state)
{
	*state = nvme_build_up("path=/disk,nocache,ioslots=64,dsm=enable");
	return 0;
}

static void send(struct drv *d, struct nvme_command cmd)
{
	drv_put(d, 1, cmd);
	drv_ring(d, 1);
	world_run(&d->w);
}

/* ---- where the data lies ---- */

static void test_shapes(void **state)
{
	static const uint32_t blocks[] = {1, 7, 8, 9, 16, 17, 100, 1000, 1024};
	static const uint64_t offsets[] = {0, 4, 512, 0xe00, 0xffc};
	static uint8_t out[512 * 1024], back[512 * 1024];
	struct drv *d = *state;
	unsigned b, o;

	for (b = 0; b < ARRAY_LEN(blocks); b++) {
		for (o = 0; o < ARRAY_LEN(offsets); o++) {
			size_t len = blocks[b] * 512;

			nvme_pattern(out, len, b * 16 + o);
			mem_put(&d->w, DRV_DATA + offsets[o], out, len);
			nvme_expect(
			    d, drv_rw(d, true, 3, blocks[b], offsets[o]), 0);
			assert_memory_equal(the_block->disk + 3 * 512, out,
					    len);
			nvme_expect(d,
				    drv_rw(d, false, 3, blocks[b],
					   0x80000 + offsets[o]),
				    0);
			mem_get(&d->w, DRV_DATA + 0x80000 + offsets[o], back,
				len);
			assert_memory_equal(back, out, len);
		}
	}
}

/* Pages in no order, a list that starts near the end of its page. */
static void test_chained_list(void **state)
{
	static uint8_t out[128 * PAGE];
	struct drv *d = *state;
	struct nvme_command cmd = drv_rw(d, true, 0, 1024, 0);
	unsigned room, i;

	nvme_pattern(out, sizeof(out), 9);
	for (room = 1; room < 6; room++) {
		uint64_t list = DRV_LIST + PAGE - 8 * room;

		/* Page i of the data is page 127 - i of the area. */
		for (i = 0; i < 128; i++)
			mem_put(&d->w, DRV_DATA + (127 - i) * PAGE,
				out + i * PAGE, PAGE);
		cmd.prp1 = DRV_DATA + 127 * PAGE;
		cmd.prp2 = list;
		for (i = 1; i < 128; i++) {
			if (list % PAGE == PAGE - 8) {
				mem_put64(&d->w, list, DRV_LIST + 5 * PAGE);
				list = DRV_LIST + 5 * PAGE;
			}
			mem_put64(&d->w, list, DRV_DATA + (127 - i) * PAGE);
			list += 8;
		}
		memset(the_block->disk, 0, sizeof(out));
		send(d, cmd);
		assert_int_equal(the_block->pending[0]->iovcnt, 128);
		nvme_complete_all();
		nvme_answered(d, 1, 0);
		assert_memory_equal(the_block->disk, out, sizeof(out));
	}
}

/* Exactly as many entries as the page has left: no chain. */
static void test_list_fills_page(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = drv_rw(d, false, 0, 32, 0);
	uint8_t back[4 * PAGE];
	unsigned i;

	nvme_pattern(the_block->disk, sizeof(back), 1);
	cmd.prp2 = DRV_LIST + PAGE - 3 * 8;
	for (i = 1; i < 4; i++)
		mem_put64(&d->w, cmd.prp2 + 8 * (i - 1), DRV_DATA + i * PAGE);
	nvme_expect(d, cmd, 0);
	mem_get(&d->w, DRV_DATA, back, sizeof(back));
	assert_memory_equal(back, the_block->disk, sizeof(back));
}

/* Adjacent pages become one piece, over two host mappings two. */
static void test_pieces(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = drv_rw(d, false, 0, 64, 0);
	unsigned i;

	send(d, cmd);
	assert_int_equal(the_block->pending[0]->iovcnt, 1);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
	cmd.prp1 = WORLD_RAM - PAGE;
	for (i = 0; i < 7; i++)
		mem_put64(&d->w, cmd.prp2 + 8 * i, WORLD_RAM + i * PAGE);
	send(d, cmd);
	assert_int_equal(the_block->pending[0]->iovcnt, 2);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
}

static void test_bad_pointers(void **state)
{
	struct drv *d = *state;
	struct nvme_command two = drv_rw(d, true, 0, 16, 0);
	struct nvme_command many = drv_rw(d, true, 0, 32, 0);
	struct nvme_command cmd;

	memset(the_block->disk, 0x42, PAGE);
	cmd = two;
	cmd.prp1 |= 2;
	nvme_expect(d, cmd, NVME_SC_PRP_OFFSET | DNR);
	cmd = two;
	cmd.prp2 |= 512;
	nvme_expect(d, cmd, NVME_SC_PRP_OFFSET | DNR);
	cmd = two;
	cmd.prp1 = WORLD_RAM_END;
	nvme_expect(d, cmd, NVME_SC_DATA_TRANSFER | DNR);
	cmd.prp1 = WORLD_RAM_END - 512; /* fits; the second does not */
	cmd.prp2 = ~0ull << 12;
	nvme_expect(d, cmd, NVME_SC_DATA_TRANSFER | DNR);
	cmd = many;
	cmd.prp2 |= 4;
	nvme_expect(d, cmd, NVME_SC_PRP_OFFSET | DNR);
	cmd.prp2 = WORLD_RAM_END;
	nvme_expect(d, cmd, NVME_SC_DATA_TRANSFER | DNR);
	cmd.prp2 = ~0ull - 7;
	nvme_expect(d, cmd, NVME_SC_DATA_TRANSFER | DNR);
	/* In the list: an offset, an address outside. */
	cmd = many;
	mem_put64(&d->w, cmd.prp2 + 8, DRV_DATA + 64);
	nvme_expect(d, cmd, NVME_SC_PRP_OFFSET | DNR);
	mem_put64(&d->w, cmd.prp2 + 8, 1ull << 45);
	nvme_expect(d, cmd, NVME_SC_DATA_TRANSFER | DNR);
	/* A chain to the middle of a page, and one to itself. */
	cmd.prp2 = DRV_LIST + PAGE - 8;
	mem_put64(&d->w, cmd.prp2, DRV_LIST + 0x200);
	nvme_expect(d, cmd, NVME_SC_PRP_OFFSET | DNR);
	mem_put64(&d->w, cmd.prp2, cmd.prp2);
	nvme_expect(d, cmd, NVME_SC_PRP_OFFSET | DNR);
	assert_int_equal(the_block->disk[0], 0x42);
	assert_int_equal(drv_get(d, NVME_REG_CSTS), NVME_CSTS_RDY);
}

/* ---- what is asked for ---- */

static void test_limits(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = drv_rw(d, false, 0, 1024, 0);

	cmd.cdw12 = 1024; /* one block more than MDTS */
	nvme_expect(d, cmd, NVME_SC_INVALID_FIELD | DNR);
	cmd.cdw12 = 0xffff;
	nvme_expect(d, cmd, NVME_SC_INVALID_FIELD | DNR);
	nvme_expect(d, drv_rw(d, false, BEYOND - 1, 1, 0), 0);
	nvme_expect(d, drv_rw(d, false, BEYOND, 1, 0), NVME_SC_LBA_RANGE | DNR);
	nvme_expect(d, drv_rw(d, true, BEYOND - 1, 2, 0),
		    NVME_SC_LBA_RANGE | DNR);
	nvme_expect(d, drv_rw(d, true, UINT64_MAX, 2, 0),
		    NVME_SC_LBA_RANGE | DNR);
	nvme_expect(d, drv_rw(d, true, 1ull << 55, 1, 0),
		    NVME_SC_LBA_RANGE | DNR);
	cmd = drv_rw(d, false, 0, 1, 0);
	cmd.nsid = 0;
	nvme_expect(d, cmd, NVME_SC_INVALID_NS | DNR);
	cmd.nsid = 2;
	nvme_expect(d, cmd, NVME_SC_INVALID_NS | DNR);
	cmd.nsid = NVME_NSID_ALL;
	nvme_expect(d, cmd, NVME_SC_INVALID_NS | DNR);
	cmd.nsid = 1;
	cmd.flags = 0x80;
	nvme_expect(d, cmd, NVME_SC_INVALID_FIELD | DNR);
	cmd.flags = 0;
	cmd.opcode = 5; /* compare: not announced */
	nvme_expect(d, cmd, NVME_SC_INVALID_OPCODE | DNR);
	cmd.opcode = 0xff;
	nvme_expect(d, cmd, NVME_SC_INVALID_OPCODE | DNR);
}

static void test_errors(void **state)
{
	static const struct {
		bool write;
		int result;
		uint16_t status;
	} t[] = {
	    {false, -EIO, NVME_SC_READ_ERROR},
	    {true, -EIO, NVME_SC_WRITE_FAULT},
	    {true, -ENOSPC, NVME_SC_CAPACITY | DNR},
	    {true, -EROFS, NVME_SC_WRITE_PROTECTED | DNR},
	    {false, -ERANGE, NVME_SC_LBA_RANGE | DNR},
	    {false, -ENOMEM, NVME_SC_INTERNAL},
	};
	struct drv *d = *state;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(t); i++) {
		send(d, drv_rw(d, t[i].write, 0, 8, 0));
		nvme_complete(0, t[i].result);
		nvme_answered(d, 1, t[i].status | NVME_SC_MORE);
	}
	/* More often than there are requests. */
	the_block->no_thread = true;
	for (i = 0; i < 3 * SLOTS; i++) {
		send(d, drv_rw(d, true, 0, 8, 0));
		nvme_answered(d, 1, NVME_SC_INTERNAL | NVME_SC_MORE);
	}
	the_block->no_thread = false;
	nvme_expect(d, drv_rw(d, false, 0, 8, 0), 0);
}

static void test_read_only(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = drv_rw(d, true, 0, 8, 0);

	nvme_expect(d, cmd, NVME_SC_WRITE_PROTECTED | DNR);
	cmd.opcode = NVME_CMD_WRITE_ZEROES;
	nvme_expect(d, cmd, NVME_SC_WRITE_PROTECTED | DNR);
	cmd.opcode = NVME_CMD_DSM;
	nvme_expect(d, cmd, NVME_SC_WRITE_PROTECTED | DNR);
	cmd.opcode = NVME_CMD_FLUSH;
	nvme_expect(d, cmd, 0);
	nvme_expect(d, drv_rw(d, false, 0, 8, 0), 0);
}

/* ---- stable writes ---- */

static void test_flush(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = {.opcode = NVME_CMD_FLUSH, .nsid = 1};

	send(d, cmd);
	assert_int_equal(the_block->pending[0]->op, BLOCK_FLUSH);
	nvme_unanswered(d, 1);
	nvme_complete(0, 0);
	nvme_answered(d, 1, 0);
	cmd.nsid = NVME_NSID_ALL;
	send(d, cmd);
	nvme_complete(0, -EIO);
	nvme_answered(d, 1, NVME_SC_WRITE_FAULT | NVME_SC_MORE);
	cmd.nsid = 0;
	nvme_expect(d, cmd, NVME_SC_INVALID_NS | DNR);
}

/* Nothing is answered before the flush behind it. */
static void expect_flushed(struct drv *d, struct nvme_command cmd,
			   enum block_op op)
{
	send(d, cmd);
	assert_int_equal(the_block->pending[0]->op, op);
	nvme_complete(0, 0);
	nvme_unanswered(d, 1);
	assert_int_equal(the_block->count, 1);
	assert_int_equal(the_block->pending[0]->op, BLOCK_FLUSH);
	nvme_complete(0, 0);
	nvme_answered(d, 1, 0);
	/* What cannot be made stable has failed. */
	send(d, cmd);
	nvme_complete(0, 0);
	nvme_complete(0, -EIO);
	nvme_answered(d, 1, NVME_SC_WRITE_FAULT | NVME_SC_MORE);
	/* And what failed needs no flush. */
	send(d, cmd);
	nvme_complete(0, -ENOSPC);
	nvme_answered(d, 1, NVME_SC_CAPACITY | NVME_SC_MORE | DNR);
	assert_int_equal(the_block->count, 0);
}

static void test_fua(void **state)
{
	struct drv *d = *state;
	struct nvme_command write = drv_rw(d, true, 0, 8, 0);
	struct nvme_command zeroes = write, read = drv_rw(d, false, 0, 8, 0);

	zeroes.opcode = NVME_CMD_WRITE_ZEROES;
	write.cdw12 |= NVME_RW_FUA;
	zeroes.cdw12 |= NVME_RW_FUA;
	read.cdw12 |= NVME_RW_FUA;
	expect_flushed(d, write, BLOCK_WRITE);
	expect_flushed(d, zeroes, BLOCK_WRITE_ZEROES);
	expect_flushed(d, read, BLOCK_READ);
	nvme_expect(d, drv_rw(d, true, 0, 8, 0), 0);
}

static void set_cache(struct drv *d, uint32_t on)
{
	drv_put(d, 0,
		(struct nvme_command){.opcode = NVME_ADM_SET_FEATURES,
				      .cdw10 = NVME_FEAT_WRITE_CACHE,
				      .cdw11 = on});
	drv_ring(d, 0);
	nvme_complete_all();
	world_run(&d->w);
	nvme_answered(d, 0, 0);
}

static void test_cache_off(void **state)
{
	struct drv *d = *state;

	set_cache(d, 0);
	expect_flushed(d, drv_rw(d, true, 0, 8, 0), BLOCK_WRITE);
	send(d, drv_rw(d, false, 0, 8, 0));
	nvme_complete(0, 0);
	nvme_answered(d, 1, 0);
	set_cache(d, 1);
	send(d, drv_rw(d, true, 0, 8, 0));
	nvme_complete(0, 0);
	nvme_answered(d, 1, 0);
	/* The default comes back with a reset. */
	set_cache(d, 0);
	drv_disable(d);
	nvme_up(d);
	send(d, drv_rw(d, true, 0, 8, 0));
	nvme_complete(0, 0);
	nvme_answered(d, 1, 0);
}

static void test_sync_disk(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = drv_rw(d, true, 0, 8, 0);

	cmd.cdw12 |= NVME_RW_FUA;
	send(d, cmd);
	nvme_complete(0, 0);
	nvme_answered(d, 1, 0);
	send(d, (struct nvme_command){.opcode = NVME_CMD_FLUSH, .nsid = 1});
	nvme_answered(d, 1, 0);
	assert_int_equal(the_block->count, 0);
}

/* ---- zeroes and deallocation ---- */

static void test_zeroes(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = {
	    .opcode = NVME_CMD_WRITE_ZEROES, .nsid = 1, .cdw10 = 2, .cdw12 = 1};

	memset(the_block->disk, 0xff, PAGE);
	send(d, cmd);
	assert_false(the_block->pending[0]->may_unmap);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
	assert_int_equal(the_block->disk[1023], 0xff);
	assert_int_equal(the_block->disk[1024], 0);
	assert_int_equal(the_block->disk[2047], 0);
	assert_int_equal(the_block->disk[2048], 0xff);
	cmd.cdw12 |= NVME_ZEROES_DEAC;
	send(d, cmd);
	assert_true(the_block->pending[0]->may_unmap);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
	cmd.cdw10 = BEYOND - 1;
	nvme_expect(d, cmd, NVME_SC_LBA_RANGE | DNR);
	cmd.cdw10 = 0;
	cmd.cdw12 = 0xffff;
	nvme_expect(d, cmd, NVME_SC_LBA_RANGE | DNR);
}

static void put_range(struct drv *d, unsigned i, uint64_t lba, uint32_t blocks)
{
	const struct nvme_dsm_range range = {.lba = lba, .blocks = blocks};

	mem_put(&d->w, DRV_DATA + 4000 + i * sizeof(range), &range,
		sizeof(range));
}

/* The list lies over a page's border. */
static struct nvme_command dsm(unsigned ranges, uint32_t attributes)
{
	return (struct nvme_command){.opcode = NVME_CMD_DSM,
				     .nsid = 1,
				     .prp1 = DRV_DATA + 4000,
				     .prp2 = DRV_DATA + 4096,
				     .cdw10 = ranges - 1,
				     .cdw11 = attributes};
}

static void expect_discard(uint64_t offset, uint64_t len)
{
	assert_int_equal(the_block->count, 1);
	assert_int_equal(the_block->pending[0]->op, BLOCK_DISCARD);
	assert_int_equal(the_block->pending[0]->offset, offset);
	assert_int_equal(the_block->pending[0]->len, len);
}

static void test_deallocate(void **state)
{
	struct drv *d = *state;
	unsigned i;

	for (i = 0; i < 256; i++)
		put_range(d, i, i * 4, i % 3 ? i % 3 : 0);
	send(d, dsm(256, NVME_DSM_DEALLOCATE));
	for (i = 0; i < 256; i++) {
		if (i % 3 == 0)
			continue; /* empty ones are skipped */
		expect_discard(i * 2048, i % 3 * 512);
		nvme_unanswered(d, 1);
		nvme_complete(0, 0);
	}
	nvme_answered(d, 1, 0);
	/* Only hints; nothing at all. */
	send(d, dsm(256, 3));
	nvme_answered(d, 1, 0);
	put_range(d, 0, 5, 0);
	send(d, dsm(1, NVME_DSM_DEALLOCATE));
	nvme_answered(d, 1, 0);
	assert_int_equal(the_block->count, 0);
	/* One range outside: none is touched. */
	put_range(d, 0, 0, 8);
	put_range(d, 1, BEYOND, 1);
	send(d, dsm(2, NVME_DSM_DEALLOCATE));
	nvme_answered(d, 1, NVME_SC_LBA_RANGE | DNR);
	put_range(d, 1, UINT64_MAX, UINT32_MAX);
	send(d, dsm(2, NVME_DSM_DEALLOCATE));
	nvme_answered(d, 1, NVME_SC_LBA_RANGE | DNR);
	assert_int_equal(the_block->count, 0);
}

static void test_deallocate_errors(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = dsm(2, NVME_DSM_DEALLOCATE);

	put_range(d, 0, 0, 8);
	put_range(d, 1, 16, 8);
	send(d, cmd);
	nvme_complete(0, -EIO);
	nvme_answered(d, 1, NVME_SC_WRITE_FAULT | NVME_SC_MORE);
	assert_int_equal(the_block->count, 0);
	/* A disk that finds it cannot, after all. */
	send(d, cmd);
	nvme_complete(0, -EOPNOTSUPP);
	expect_discard(16 * 512, 4096);
	nvme_complete(0, -EOPNOTSUPP);
	nvme_answered(d, 1, 0);
	cmd.prp1 = WORLD_RAM_END;
	send(d, cmd);
	nvme_answered(d, 1, NVME_SC_DATA_TRANSFER | DNR);
	nvme_expect(d, drv_rw(d, false, 0, 8, 0), 0);
}

/* Gigabytes go in steps. */
static void test_deallocate_huge(void **state)
{
	struct drv *d = *state;

	put_range(d, 0, 8, (uint32_t)(GIB(3) / 512));
	put_range(d, 1, 0, 1);
	send(d, dsm(2, NVME_DSM_DEALLOCATE));
	expect_discard(4096, GIB(1));
	nvme_complete(0, 0);
	expect_discard(4096 + GIB(1), GIB(1));
	nvme_complete(0, 0);
	expect_discard(4096 + GIB(2), GIB(1));
	nvme_complete(0, 0);
	expect_discard(0, 512);
	nvme_complete(0, 0);
	nvme_answered(d, 1, 0);
}

static void test_deallocate_not_announced(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = {.opcode = NVME_CMD_WRITE_ZEROES,
				   .nsid = 1,
				   .cdw12 = NVME_ZEROES_DEAC};

	put_range(d, 0, 0, 8);
	send(d, dsm(1, NVME_DSM_DEALLOCATE));
	nvme_answered(d, 1, NVME_SC_INVALID_OPCODE | DNR);
	send(d, cmd);
	assert_false(the_block->pending[0]->may_unmap);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
}

/* dsm=enable over a disk that cannot: a hint not taken. */
static void test_deallocate_hint(void **state UNUSED)
{
	struct drv *d = nvme_build_up("path=/disk,nodelete,dsm=enable");
	void *self = d;

	put_range(d, 0, 0, 8);
	send(d, dsm(1, NVME_DSM_DEALLOCATE));
	nvme_answered(d, 1, 0);
	assert_int_equal(the_block->count, 0);
	assert_int_equal(nvme_teardown(&self), 0);
}

static void test_big_sectors(void **state UNUSED)
{
	struct drv *d = nvme_build_up("path=/disk,sectsz=4096");
	void *self = d;
	struct nvme_command cmd = drv_rw(d, false, 3, 1, 0);

	nvme_pattern(the_block->disk + 3 * 4096, 4096, 4);
	send(d, cmd);
	assert_int_equal(the_block->pending[0]->offset, 3 * 4096);
	assert_int_equal(the_block->pending[0]->len, 4096);
	nvme_complete_all();
	nvme_answered(d, 1, 0);
	cmd.cdw10 = DISK_BYTES / 4096;
	nvme_expect(d, cmd, NVME_SC_LBA_RANGE | DNR);
	cmd.cdw10 = 0;
	cmd.cdw12 = 128; /* 129 * 4096 */
	nvme_expect(d, cmd, NVME_SC_INVALID_FIELD | DNR);
	assert_int_equal(nvme_teardown(&self), 0);
}

#define T(name)	 cmocka_unit_test_setup_teardown(name, setup, nvme_teardown)
#define RO(name) cmocka_unit_test_setup_teardown(name, setup_ro, nvme_teardown)
#define SYNC(name) \
	cmocka_unit_test_setup_teardown(name, setup_sync, nvme_teardown)
#define HUGE(name) \
	cmocka_unit_test_setup_teardown(name, setup_huge, nvme_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_shapes),
	    T(test_chained_list),
	    T(test_list_fills_page),
	    T(test_pieces),
	    T(test_bad_pointers),
	    T(test_limits),
	    T(test_errors),
	    RO(test_read_only),
	    T(test_flush),
	    T(test_fua),
	    T(test_cache_off),
	    SYNC(test_sync_disk),
	    T(test_zeroes),
	    T(test_deallocate),
	    T(test_deallocate_errors),
	    HUGE(test_deallocate_huge),
	    SYNC(test_deallocate_not_announced),
	    cmocka_unit_test(test_deallocate_hint),
	    cmocka_unit_test(test_big_sectors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
