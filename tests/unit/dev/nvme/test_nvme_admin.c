/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: options, identify, queues, features. */
#include "nvme_fixture.h"

#include <string.h>

#define INVALID (NVME_SC_INVALID_FIELD | DNR)

static int setup(void **state)
{
	struct drv *d = nvme_build("path=/disk,ser=SERIAL01");

	assert_int_equal(drv_enable(d, 32), NVME_CSTS_RDY);
	*state = d;
	return 0;
}

static int setup_ro(void **state)
{
	*state = nvme_build_up("path=/disk,ro,maxq=2,eui64=0x0123456789abcdef");
	return 0;
}

static int setup_up(void **state)
{
	*state = nvme_build_up("path=/disk,maxq=4");
	return 0;
}

/* ---- options ---- */

static void test_parse(void **state UNUSED)
{
	struct cfg *root = cfg_create(), *node;
	struct err err;

	assert_int_equal(cfg_make(root, "a", &err, &node), 0);
	assert_int_equal(nvme_model.parse(node, "/x=y.img,ro,ser=ab", &err), 0);
	assert_string_equal(cfg_raw(node, "path"), "/x=y.img");
	assert_string_equal(cfg_raw(node, "ro"), "true");
	assert_string_equal(cfg_raw(node, "ser"), "ab");
	assert_int_equal(cfg_make(root, "b", &err, &node), 0);
	assert_int_equal(nvme_model.parse(node, "disk,bootindex=2", &err), 0);
	assert_string_equal(cfg_raw(node, "path"), "disk");
	assert_string_equal(cfg_raw(node, "bootindex"), "2");
	assert_int_equal(cfg_make(root, "c", &err, &node), 0);
	assert_int_equal(nvme_model.parse(node, "ram=64,maxq=2", &err), 0);
	assert_string_equal(cfg_raw(node, "ram"), "64");
	assert_null(cfg_raw(node, "path"));
	cfg_destroy(root);
}

static void refused(const char *options, const char *text)
{
	struct drv d;
	struct err err;

	drv_world(&d);
	assert_int_not_equal(nvme_model.create(&d.w.env, NVME_ADDR,
					       world_node(&d.w, options), &err),
			     0);
	assert_string_equal(err.msg, text);
	assert_null(pci_host_find(d.w.pci, NVME_ADDR));
	assert_null(the_block);
	world_destroy(&d.w);
}

static void test_refusals(void **state UNUSED)
{
	refused("ro", "nvme: no disk file given");
	refused("path=/disk,maxqs=3", "nvme: pci.0.4.0.maxqs: unknown option,"
				      " did you mean 'maxq'?");
	refused("path=/disk,ser=123456789012345678901",
		"nvme: ser=123456789012345678901 is longer than 20 characters");
	refused("path=/disk,sectsz=1024",
		"nvme: sectsz=1024 is not 512, 4096 or 8192");
	refused("path=/disk,sectsz=512,sectorsize=4096",
		"nvme: sectsz=512 is smaller than the disk's own sectors of"
		" 4096 bytes");
	refused("path=/disk,dsm=yes",
		"nvme: dsm=yes is not auto, enable or disable");
	refused("path=/disk,ram=5",
		"nvme: both ram= and a path; give one of them");
}

static void test_ranges(void **state UNUSED)
{
	static const char *const bad[] = {
	    "path=/disk,maxq=0",    "path=/disk,maxq=256",  "path=/disk,qsz=1",
	    "path=/disk,qsz=65536", "path=/disk,ioslots=0", "ram=0",
	    "path=/disk,eui64=x"};
	struct drv d;
	struct err err;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		drv_world(&d);
		assert_int_not_equal(nvme_model.create(&d.w.env, NVME_ADDR,
						       world_node(&d.w, bad[i]),
						       &err),
				     0);
		assert_null(the_block);
		world_destroy(&d.w);
	}
}

static void test_slot_taken(void **state)
{
	struct drv *d = *state;
	struct block *first = the_block;
	struct err err;

	assert_int_equal(nvme_model.create(&d->w.env, NVME_ADDR,
					   world_node(&d->w, "path=/disk"),
					   &err),
			 -EEXIST);
	assert_string_equal(err.msg, "pci slot 0:4:0 already occupied!");
	assert_null(the_block); /* the second one was closed */
	the_block = first;
}

static void test_memory_disk(void **state UNUSED)
{
	struct drv *d = nvme_build_up("ram=1,qsz=128,sectsz=4096");
	void *self = d;

	assert_true(the_block->memory);
	assert_int_equal(the_block->info.size, MIB(1));
	assert_int_equal(drv_get64(d, NVME_REG_CAP) & 0xffff, 127);
	assert_int_equal(nvme_teardown(&self), 0);
}

/* ---- identify ---- */

static uint16_t identify(struct drv *d, unsigned cns, uint32_t nsid, void *ret)
{
	static const uint8_t junk[4096] = {0xee, 0xee};
	uint16_t status;

	mem_put(&d->w, DRV_DATA, junk, sizeof(junk));
	status = drv_do(d, 0,
			(struct nvme_command){.opcode = NVME_ADM_IDENTIFY,
					      .nsid = nsid,
					      .prp1 = DRV_DATA,
					      .cdw10 = cns},
			NULL);
	if (!status)
		mem_get(&d->w, DRV_DATA, ret, 4096);
	return status;
}

static void test_identify_controller(void **state)
{
	struct drv *d = *state;
	struct nvme_id_controller id;

	assert_int_equal(identify(d, NVME_CNS_CONTROLLER, 0, &id), 0);
	assert_int_equal(id.vid, 0xfb5d);
	assert_memory_equal(id.sn, "SERIAL01            ", 20);
	assert_memory_equal(id.mn, "byway NVMe disk     ", 20);
	assert_memory_equal(id.fr, "1.0     ", 8);
	assert_int_equal(id.mdts, 7);
	assert_int_equal(id.ver, 0x10400);
	assert_int_equal(id.cntrltype, 1);
	assert_int_equal(id.oacs, 0x100);
	assert_int_equal(id.acl, 3);
	assert_int_equal(id.aerl, 3);
	assert_int_equal(id.frmw, 3);
	assert_int_equal(id.lpa, 5);
	assert_int_equal(id.elpe, 15);
	assert_int_equal(id.sqes, 0x66);
	assert_int_equal(id.cqes, 0x44);
	assert_int_equal(id.nn, 1);
	assert_int_equal(id.oncs, 0xc);
	assert_int_equal(id.vwc, 7);
	assert_int_equal(id.sgls, 0);
	assert_memory_equal(id.subnqn, "nqn.2014-08.org.nvmexpress:uuid:", 32);
	assert_int_equal(strlen(id.subnqn), 32 + 36);
	assert_int_equal(id.subnqn[32 + 14], '8');
}

static void test_identify_namespace(void **state)
{
	struct drv *d = *state;
	struct nvme_id_namespace id;

	assert_int_equal(identify(d, NVME_CNS_NAMESPACE, 1, &id), 0);
	assert_int_equal(id.nsze, DISK_BYTES / 512);
	assert_int_equal(id.ncap, DISK_BYTES / 512);
	assert_int_equal(id.nuse, DISK_BYTES / 512);
	assert_int_equal(id.nlbaf, 0);
	assert_int_equal(id.lbaf[0].shift, 9);
	assert_int_equal(id.nsfeat, 0x10);
	assert_int_equal(id.npwg, 7);
	assert_int_equal(id.npdg, 7);
	assert_int_equal(id.dlfeat, 8);
	assert_int_equal(id.nsattr, 0);
	assert_int_equal(id.eui64[0] & 3, 2);
	assert_int_equal(identify(d, NVME_CNS_NAMESPACE, 0, &id),
			 NVME_SC_INVALID_NS | DNR);
	assert_int_equal(identify(d, NVME_CNS_NAMESPACE, 2, &id),
			 NVME_SC_INVALID_NS | DNR);
	assert_int_equal(identify(d, NVME_CNS_NAMESPACE, UINT32_MAX, &id),
			 NVME_SC_INVALID_NS | DNR);
}

static void test_identify_read_only(void **state)
{
	static const uint8_t eui64[] = {0x01, 0x23, 0x45, 0x67,
					0x89, 0xab, 0xcd, 0xef};
	static const uint8_t only[] = {1, 8, 0, 0};
	struct drv *d = *state;
	struct nvme_id_controller ctrl;
	struct nvme_id_namespace id;
	uint8_t list[4096];

	assert_int_equal(identify(d, NVME_CNS_CONTROLLER, 0, &ctrl), 0);
	assert_int_equal(ctrl.oncs, 8);
	assert_int_equal(ctrl.vwc, 6);
	assert_memory_equal(ctrl.sn, "BYWAY-", 6);
	assert_int_equal(ctrl.sn[18], ' ');
	assert_int_equal(identify(d, NVME_CNS_NAMESPACE, 1, &id), 0);
	assert_int_equal(id.nsattr, 1);
	assert_memory_equal(id.eui64, eui64, sizeof(eui64));
	/* One name given: no other is made up. */
	assert_int_equal(identify(d, NVME_CNS_DESCRIPTORS, 1, list), 0);
	assert_memory_equal(list, only, 4);
	assert_memory_equal(list + 4, eui64, 8);
	assert_int_equal(list[12], 0);
}

static void test_identify_lists(void **state)
{
	static const uint8_t zeroes[4096];
	struct drv *d = *state;
	uint8_t list[4096];

	assert_int_equal(identify(d, NVME_CNS_ACTIVE_LIST, 0, list), 0);
	assert_int_equal(list[0], 1);
	assert_memory_equal(list + 1, zeroes, 4095);
	assert_int_equal(identify(d, NVME_CNS_ACTIVE_LIST, 1, list), 0);
	assert_memory_equal(list, zeroes, 4096);
	assert_int_equal(identify(d, NVME_CNS_ACTIVE_LIST, 0xfffffffe, list),
			 NVME_SC_INVALID_NS | DNR);
	assert_int_equal(identify(d, NVME_CNS_DESCRIPTORS, 1, list), 0);
	assert_int_equal(list[0], NVME_NIDT_EUI64);
	assert_int_equal(list[12], NVME_NIDT_UUID);
	assert_int_equal(list[13], 16);
	assert_int_equal(list[16 + 6] >> 4, 8);
	assert_memory_equal(list + 32, zeroes, 4096 - 32);
	assert_int_equal(identify(d, NVME_CNS_DESCRIPTORS, 2, list),
			 NVME_SC_INVALID_NS | DNR);
	assert_int_equal(identify(d, 4, 1, list), INVALID);
	assert_int_equal(identify(d, 0x10, 1, list), INVALID);
	assert_int_equal(identify(d, 0xff, 1, list), INVALID);
}

/* The data may start anywhere in a page, and end in the next. */
static void test_identify_two_pages(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = {.opcode = NVME_ADM_IDENTIFY,
				   .prp1 = DRV_DATA + 0xf00,
				   .prp2 = DRV_DATA + 0x8000,
				   .cdw10 = NVME_CNS_CONTROLLER};

	assert_int_equal(drv_do(d, 0, cmd, NULL), 0);
	/* Model number at byte 24, SUBNQN at 768 = 0x100 + 512. */
	assert_int_equal(mem_get16(&d->w, DRV_DATA + 0xf00 + 24), 0x7962);
	assert_int_equal(mem_get16(&d->w, DRV_DATA + 0x8200), 0x716e);
	cmd.prp2 |= 8;
	assert_int_equal(drv_do(d, 0, cmd, NULL), NVME_SC_PRP_OFFSET | DNR);
	cmd.prp2 = WORLD_RAM_END;
	assert_int_equal(drv_do(d, 0, cmd, NULL), NVME_SC_DATA_TRANSFER | DNR);
	cmd.prp1 = DRV_DATA + 1;
	assert_int_equal(drv_do(d, 0, cmd, NULL), NVME_SC_PRP_OFFSET | DNR);
	cmd.prp1 = ~0xfffull;
	assert_int_equal(drv_do(d, 0, cmd, NULL), NVME_SC_DATA_TRANSFER | DNR);
}

/* ---- queues ---- */

static uint16_t create(struct drv *d, uint8_t opcode, uint32_t cdw10,
		       uint32_t cdw11, uint64_t prp1)
{
	return drv_do(
	    d, 0,
	    (struct nvme_command){
		.opcode = opcode, .prp1 = prp1, .cdw10 = cdw10, .cdw11 = cdw11},
	    NULL);
}

static void test_create_cq_errors(void **state)
{
	const uint8_t op = NVME_ADM_CREATE_CQ;
	struct drv *d = *state;

	assert_int_equal(create(d, op, 15 << 16, 1, 0x90000),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(create(d, op, 15 << 16 | 5, 1, 0x90000),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(create(d, op, 15 << 16 | 1, 1, 0x90000),
			 NVME_SC_QID_INVALID | DNR); /* there is one */
	assert_int_equal(create(d, op, 2, 1, 0x90000),
			 NVME_SC_QUEUE_SIZE | DNR);
	assert_int_equal(create(d, op, 2058u << 16 | 2, 1, 0x90000),
			 NVME_SC_QUEUE_SIZE | DNR);
	assert_int_equal(create(d, op, 15 << 16 | 2, 0, 0x90000), INVALID);
	assert_int_equal(create(d, op, 15 << 16 | 2, 1, 0x90800),
			 NVME_SC_PRP_OFFSET | DNR);
	assert_int_equal(
	    create(d, op, 255 << 16 | 2, 1, WORLD_RAM_END - 0x0000),
	    NVME_SC_DATA_TRANSFER | DNR);
	assert_int_equal(
	    create(d, op, 256 << 16 | 2, 1, WORLD_RAM_END - 0x1000),
	    NVME_SC_DATA_TRANSFER | DNR);
	assert_int_equal(create(d, op, 15 << 16 | 2, 1 | 5 << 16, 0x90000),
			 NVME_SC_VECTOR | DNR);
	/* Sizes of entries that were not said. */
	drv_set(d, NVME_REG_CC, NVME_CC_EN);
	assert_int_equal(create(d, op, 15 << 16 | 2, 1, 0x90000), INVALID);
	drv_set(d, NVME_REG_CC, DRV_CC | NVME_CC_EN);
	assert_int_equal(create(d, op, 15 << 16 | 2, 1, 0x90000), 0);
}

static void test_create_sq_errors(void **state)
{
	const uint8_t op = NVME_ADM_CREATE_SQ;
	const uint32_t on1 = 1 << 16 | 1;
	struct drv *d = *state;

	assert_int_equal(create(d, op, 15 << 16, on1, 0x90000),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(create(d, op, 15 << 16 | 1, on1, 0x90000),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(create(d, op, 15 << 16 | 5, on1, 0x90000),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(create(d, op, 15 << 16 | 2, 1, 0x90000),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(create(d, op, 15 << 16 | 2, 1 | 9 << 16, 0x90000),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(create(d, op, 15 << 16 | 2, 1 | 3 << 16, 0x90000),
			 NVME_SC_CQ_INVALID | DNR);
	assert_int_equal(create(d, op, 2, on1, 0x90000),
			 NVME_SC_QUEUE_SIZE | DNR);
	assert_int_equal(create(d, op, 15 << 16 | 2, 1 << 16, 0x90000),
			 INVALID);
	assert_int_equal(create(d, op, 15 << 16 | 2, on1, 0x90010),
			 NVME_SC_PRP_OFFSET | DNR);
	assert_int_equal(create(d, op, 15 << 16 | 2, on1, WORLD_RAM_END),
			 NVME_SC_DATA_TRANSFER | DNR);
	assert_int_equal(create(d, op, 15 << 16 | 2, on1, 0x90000), 0);
}

static void test_delete(void **state)
{
	struct drv *d = *state;

	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_CQ, 0),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_SQ, 0),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_SQ, 2),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_SQ, 0xffff),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_CQ, 0xffff),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_CQ, 1),
			 NVME_SC_QUEUE_DELETION | DNR);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_SQ, 1), 0);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_CQ, 1), 0);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_CQ, 1),
			 NVME_SC_QID_INVALID | DNR);
	assert_int_equal(drv_pair(d, 1, 16), 0);
	nvme_expect(d, drv_rw(d, false, 0, 1, 0), 0);
}

/* Two submission queues on one completion queue. */
static void test_shared_cq(void **state)
{
	struct drv *d = *state;
	struct nvme_completion entry;

	assert_int_equal(drv_create_sq(d, 2, 16, 1), 0);
	drv_put(d, 2, drv_rw(d, false, 0, 1, 0));
	drv_ring(d, 2);
	nvme_complete_all();
	assert_true(drv_get_cqe(d, 1, &entry));
	assert_int_equal(entry.sq_id, 2);
	assert_int_equal(entry.sq_head, 1);
	drv_ack(d, 1);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_SQ, 1), 0);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_CQ, 1),
			 NVME_SC_QUEUE_DELETION | DNR);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_SQ, 2), 0);
	assert_int_equal(drv_delete(d, NVME_ADM_DELETE_CQ, 1), 0);
}

static void test_unknown_commands(void **state)
{
	struct drv *d = *state;
	struct nvme_command cmd = {.nsid = 1};
	unsigned op;

	for (op = 0; op < 256; op++) {
		cmd.opcode = (uint8_t)op;
		if (op <= 0x0c && op != 3 && op != 7 && op != 0xb)
			continue;
		if (op == NVME_ADM_DOORBELL_BUFFER)
			continue;
		assert_int_equal(drv_do(d, 0, cmd, NULL),
				 NVME_SC_INVALID_OPCODE | DNR);
	}
	cmd.opcode = NVME_ADM_IDENTIFY;
	cmd.flags = 1; /* fused */
	assert_int_equal(drv_do(d, 0, cmd, NULL), INVALID);
	cmd.flags = 0x40; /* SGL */
	assert_int_equal(drv_do(d, 0, cmd, NULL), INVALID);
}

/* ---- features ---- */

static uint16_t set(struct drv *d, uint32_t fid, uint32_t v, uint32_t *ret)
{
	return drv_do(d, 0,
		      (struct nvme_command){.opcode = NVME_ADM_SET_FEATURES,
					    .nsid = NVME_NSID_ALL,
					    .cdw10 = fid,
					    .cdw11 = v},
		      ret);
}

static uint32_t get(struct drv *d, uint32_t fid, uint32_t v)
{
	uint32_t dw0 = 0xdeadbeef;

	assert_int_equal(
	    drv_do(d, 0,
		   (struct nvme_command){.opcode = NVME_ADM_GET_FEATURES,
					 .cdw10 = fid,
					 .cdw11 = v},
		   &dw0),
	    0);
	return dw0;
}

static uint16_t get_fails(struct drv *d, uint32_t fid, uint32_t v)
{
	return drv_do(d, 0,
		      (struct nvme_command){.opcode = NVME_ADM_GET_FEATURES,
					    .cdw10 = fid,
					    .cdw11 = v},
		      NULL);
}

static void test_features(void **state)
{
	struct drv *d = *state;

	assert_int_equal(get(d, NVME_FEAT_ARBITRATION, 0), 3);
	assert_int_equal(set(d, NVME_FEAT_ARBITRATION, 0x01020305, NULL), 0);
	assert_int_equal(get(d, NVME_FEAT_ARBITRATION, 0), 0x01020305);
	assert_int_equal(get(d, NVME_FEAT_POWER, 0), 0);
	assert_int_equal(set(d, NVME_FEAT_POWER, 0, NULL), 0);
	assert_int_equal(set(d, NVME_FEAT_POWER, 1, NULL), INVALID);
	assert_int_equal(set(d, NVME_FEAT_ERROR_RECOVERY, 0x123, NULL), 0);
	assert_int_equal(get(d, NVME_FEAT_ERROR_RECOVERY, 0), 0x123);
	assert_int_equal(set(d, NVME_FEAT_ERROR_RECOVERY, 0x10000, NULL),
			 INVALID);
	assert_int_equal(set(d, NVME_FEAT_COALESCING, 0x0a05, NULL), 0);
	assert_int_equal(get(d, NVME_FEAT_COALESCING, 0), 0x0a05);
	assert_int_equal(get(d, NVME_FEAT_VECTOR, 0), 0x10000);
	assert_int_equal(get(d, NVME_FEAT_VECTOR, 16), 16);
	assert_int_equal(set(d, NVME_FEAT_VECTOR, 0x10010, NULL), 0);
	assert_int_equal(get(d, NVME_FEAT_VECTOR, 16), 0x10010);
	assert_int_equal(set(d, NVME_FEAT_VECTOR, 16, NULL), 0);
	assert_int_equal(get(d, NVME_FEAT_VECTOR, 16), 16);
	assert_int_equal(set(d, NVME_FEAT_VECTOR, 17, NULL), INVALID);
	assert_int_equal(get_fails(d, NVME_FEAT_VECTOR, 17), INVALID);
	assert_int_equal(set(d, NVME_FEAT_ATOMICITY, 1, NULL), 0);
	assert_int_equal(get(d, NVME_FEAT_ATOMICITY, 0), 1);
	assert_int_equal(set(d, NVME_FEAT_ASYNC_EVENTS, 0xffffffff, NULL), 0);
	assert_int_equal(get(d, NVME_FEAT_ASYNC_EVENTS, 0), 0xff);
	/* Unknown; a value to be saved; another than the current one. */
	assert_int_equal(set(d, 0x03, 0, NULL), INVALID);
	assert_int_equal(set(d, 0x0f, 0, NULL), INVALID);
	assert_int_equal(get_fails(d, 0xc0, 0), INVALID);
	assert_int_equal(
	    set(d, NVME_FEAT_ARBITRATION | NVME_FEAT_SAVE, 0, NULL),
	    NVME_SC_FEATURE_NOT_SAVED | DNR);
	assert_int_equal(get_fails(d, NVME_FEAT_ARBITRATION | 0x100, 0),
			 INVALID);
	/* A reset forgets them. */
	drv_disable(d);
	assert_int_equal(drv_enable(d, 32), NVME_CSTS_RDY);
	assert_int_equal(get(d, NVME_FEAT_ARBITRATION, 0), 3);
	assert_int_equal(get(d, NVME_FEAT_ASYNC_EVENTS, 0), 0);
}

static void test_number_of_queues(void **state)
{
	struct drv *d = *state;
	uint32_t dw0;

	assert_int_equal(get(d, NVME_FEAT_QUEUES, 0), 0xf000f);
	assert_int_equal(set(d, NVME_FEAT_QUEUES, 0xffff, NULL), INVALID);
	assert_int_equal(set(d, NVME_FEAT_QUEUES, 0xffff0000, NULL), INVALID);
	assert_int_equal(set(d, NVME_FEAT_QUEUES, 0xfffefffe, &dw0), 0);
	assert_int_equal(dw0, 0xf000f);
	assert_int_equal(set(d, NVME_FEAT_QUEUES, 0x00010000, &dw0), 0);
	assert_int_equal(dw0, 0x00010000);
	assert_int_equal(get(d, NVME_FEAT_QUEUES, 0), 0x00010000);
	assert_int_equal(drv_create_cq(d, 3, 16, 0), NVME_SC_QID_INVALID | DNR);
	assert_int_equal(drv_create_cq(d, 2, 16, 0), 0);
	assert_int_equal(drv_create_sq(d, 2, 16, 2), NVME_SC_QID_INVALID | DNR);
	assert_int_equal(drv_create_sq(d, 1, 16, 2), 0);
	assert_int_equal(set(d, NVME_FEAT_QUEUES, 0, NULL),
			 NVME_SC_SEQUENCE | DNR);
}

static void test_write_cache_feature(void **state)
{
	struct drv *d = *state;
	struct nvme_completion entry;

	assert_int_equal(get(d, NVME_FEAT_WRITE_CACHE, 0), 1);
	/* Off: what is in the cache is flushed before the answer. */
	assert_int_equal(set(d, NVME_FEAT_WRITE_CACHE, 0, NULL), DRV_NOTHING);
	assert_int_equal(the_block->count, 1);
	assert_int_equal(the_block->pending[0]->op, BLOCK_FLUSH);
	/* The next admin command waits its turn. */
	drv_put(d, 0,
		(struct nvme_command){.opcode = NVME_ADM_GET_FEATURES,
				      .cdw10 = NVME_FEAT_WRITE_CACHE});
	drv_ring(d, 0);
	world_run(&d->w);
	nvme_unanswered(d, 0);
	nvme_complete(0, 0);
	world_run(&d->w);
	nvme_answered(d, 0, 0);
	assert_true(drv_get_cqe(d, 0, &entry));
	assert_int_equal(entry.dw0, 0);
	drv_ack(d, 0);
	/* It was off already: nothing to do. On again likewise. */
	assert_int_equal(set(d, NVME_FEAT_WRITE_CACHE, 0, NULL), 0);
	assert_int_equal(set(d, NVME_FEAT_WRITE_CACHE, 1, NULL), 0);
	assert_int_equal(get(d, NVME_FEAT_WRITE_CACHE, 0), 1);
	assert_int_equal(set(d, NVME_FEAT_WRITE_CACHE, 0, NULL), DRV_NOTHING);
	nvme_complete(0, -EIO);
	nvme_answered(d, 0, NVME_SC_WRITE_FAULT | NVME_SC_MORE);
}

/* What was begun with the cache ends without it: it has to be stable, too. */
static void test_write_cache_off_during_write(void **state)
{
	struct drv *d = *state;

	drv_put(d, 1, drv_rw(d, true, 0, 8, 0));
	drv_put(d, 1,
		(struct nvme_command){
		    .opcode = NVME_CMD_WRITE_ZEROES, .nsid = 1, .cdw12 = 7});
	drv_ring(d, 1);
	assert_int_equal(the_block->count, 2);
	assert_int_equal(set(d, NVME_FEAT_WRITE_CACHE, 0, NULL), DRV_NOTHING);
	/* The flush is over before them. */
	assert_int_equal(the_block->count, 3);
	nvme_complete(2, 0);
	nvme_answered(d, 0, 0);
	nvme_complete(0, 0);
	nvme_complete(0, 0);
	nvme_unanswered(d, 1);
	assert_int_equal(the_block->count, 2);
	assert_int_equal(the_block->pending[0]->op, BLOCK_FLUSH);
	assert_int_equal(the_block->pending[1]->op, BLOCK_FLUSH);
	nvme_complete(0, 0);
	nvme_answered(d, 1, 0);
	nvme_complete(0, 0);
	nvme_answered(d, 1, 0);
}

static void test_no_write_cache(void **state)
{
	struct drv *d = *state;

	assert_int_equal(get_fails(d, NVME_FEAT_WRITE_CACHE, 0), INVALID);
	assert_int_equal(set(d, NVME_FEAT_WRITE_CACHE, 1, NULL), INVALID);
}

#define T(name)	 cmocka_unit_test_setup_teardown(name, setup, nvme_teardown)
#define UP(name) cmocka_unit_test_setup_teardown(name, setup_up, nvme_teardown)
#define RO(name) cmocka_unit_test_setup_teardown(name, setup_ro, nvme_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_ranges),
	    T(test_slot_taken),
	    cmocka_unit_test(test_memory_disk),
	    T(test_identify_controller),
	    T(test_identify_namespace),
	    RO(test_identify_read_only),
	    T(test_identify_lists),
	    T(test_identify_two_pages),
	    UP(test_create_cq_errors),
	    UP(test_create_sq_errors),
	    UP(test_delete),
	    UP(test_shared_cq),
	    UP(test_unknown_commands),
	    T(test_features),
	    T(test_number_of_queues),
	    UP(test_write_cache_feature),
	    UP(test_write_cache_off_during_write),
	    RO(test_no_write_cache),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
