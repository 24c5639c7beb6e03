/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the TPM's registers with a small driver that goes through the
 * states as edk2 and Linux do, on the real back end and a fake swtpm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "dev/tpm/crb.h"
#include "fake_swtpm.h"
#include "fakes.h"
#include "spec/tpm.h"

#define BASE   TPM_CRB_BASE
#define BUFFER 3968u
#define WAIT_S 20

struct board {
	struct fake fake;
	struct fake_swtpm swtpm;
	bool serving;
	char dir[64];
	struct cfg *node;
	struct tpm_crb *crb;
	struct err err;
};

static uint32_t rd(struct board *b, unsigned offset)
{
	uint64_t v;

	(void)aspace_read(b->fake.env.mmio, BASE + offset, 4, &v);
	return (uint32_t)v;
}

static void wr(struct board *b, unsigned offset, uint32_t v)
{
	(void)aspace_write(b->fake.env.mmio, BASE + offset, 4, v);
}

static uint64_t rd_sized(struct board *b, unsigned offset, unsigned size)
{
	uint64_t v;

	(void)aspace_read(b->fake.env.mmio, BASE + offset, size, &v);
	return v;
}

static void wr_sized(struct board *b, unsigned offset, unsigned size,
		     uint64_t v)
{
	(void)aspace_write(b->fake.env.mmio, BASE + offset, size, v);
}

static int setup(void **state)
{
	struct board *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	fake_init(&b->fake);
	snprintf(b->dir, sizeof(b->dir), "/tmp/byway-crb-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->swtpm.path, sizeof(b->swtpm.path), "%s/ctrl", b->dir);
	fake_set(&b->fake, "tpm.type", "swtpm");
	fake_set(&b->fake, "tpm.path", b->swtpm.path);
	b->node = cfg_find(b->fake.env.root, "tpm");
	*state = b;
	return 0;
}

static void stop_serving(struct board *b)
{
	if (b->serving)
		fake_swtpm_stop(&b->swtpm);
	b->serving = false;
}

static void create(struct board *b)
{
	fake_swtpm_start(&b->swtpm);
	b->serving = true;
	if (tpm_crb_create(&b->fake.env, b->node, &b->err, &b->crb))
		fail_msg("%s", b->err.msg);
}

static int teardown(void **state)
{
	struct board *b = *state;

	tpm_crb_destroy(b->crb);
	stop_serving(b);
	fake_fini(&b->fake);
	assert_int_equal(rmdir(b->dir), 0);
	free(b);
	return 0;
}

/* ---- driver ---- */

static void wait_until(struct board *b, unsigned offset, uint32_t mask,
		       uint32_t value)
{
	time_t end = time(NULL) + WAIT_S;

	while ((rd(b, offset) & mask) != value) {
		assert_true(time(NULL) < end);
		(void)poll(NULL, 0, 0);
	}
}

static void take_locality(struct board *b)
{
	wr(b, TPM_LOC_CTRL, TPM_LOC_CTRL_REQUEST);
	wait_until(b, TPM_LOC_STS, TPM_LOC_STS_GRANTED, TPM_LOC_STS_GRANTED);
	wait_until(b, TPM_LOC_STATE, 0xfe,
		   TPM_LOC_STATE_VALID | TPM_LOC_STATE_ASSIGNED);
}

static void get_ready(struct board *b)
{
	wr(b, TPM_CRB_CTRL_REQ, TPM_CTRL_REQ_READY);
	wait_until(b, TPM_CRB_CTRL_REQ, TPM_CTRL_REQ_READY, 0);
	wait_until(b, TPM_CRB_CTRL_STS, TPM_CTRL_STS_IDLE, 0);
}

static void write_command(struct board *b, uint32_t code, uint32_t size)
{
	const struct tpm_header header = {.tag = htobe16(TPM_ST_NO_SESSIONS),
					  .size = htobe32(size),
					  .code = htobe32(code)};
	size_t i;

	for (i = 0; i < sizeof(header); i++)
		wr_sized(b, TPM_CRB_BUFFER + (unsigned)i, 1,
			 ((const uint8_t *)&header)[i]);
}

static void start(struct board *b, uint32_t code, uint32_t size)
{
	write_command(b, code, size);
	wr(b, TPM_CRB_CTRL_START, TPM_CTRL_START);
}

static void wait_done(struct board *b)
{
	wait_until(b, TPM_CRB_CTRL_START, TPM_CTRL_START, 0);
}

static struct tpm_header response(struct board *b)
{
	struct tpm_header header;
	size_t i;

	for (i = 0; i < sizeof(header); i++)
		((uint8_t *)&header)[i] =
		    (uint8_t)rd_sized(b, TPM_CRB_BUFFER + (unsigned)i, 1);
	header.tag = be16toh(header.tag);
	header.size = be32toh(header.size);
	header.code = be32toh(header.code);
	return header;
}

static void expect_code(struct board *b, uint32_t code)
{
	const struct tpm_header header = response(b);

	assert_int_equal(header.tag, TPM_ST_NO_SESSIONS);
	assert_int_equal(header.size, 10);
	assert_int_equal(header.code, code);
}

/* ---- registers ---- */

static void drivers_recognise_it(void **state)
{
	struct board *b = *state;
	uint32_t id;

	create(b);
	/* Presence: a byte that is not ff. */
	assert_int_equal(rd_sized(b, 0, 1), 0x81);
	id = rd(b, TPM_CRB_INTF_ID);
	assert_int_equal(id & 0xf, 1);	    /* type CRB */
	assert_int_equal(id >> 4 & 0xf, 1); /* version CRB */
	assert_int_equal(id >> 8 & 1, 0);   /* only locality 0 */
	assert_int_equal(id >> 13 & 1, 0);  /* no FIFO */
	assert_int_equal(id >> 14 & 1, 1);  /* CRB */
	assert_int_equal(id >> 17 & 3, 1);  /* CRB selected */
	assert_int_equal(rd_sized(b, TPM_CRB_INTF_ID, 8) >> 32, 0x00011014);
	assert_int_equal(rd_sized(b, TPM_CRB_INTF_ID + 4, 2), 0x1014);
	assert_int_equal(rd(b, TPM_CRB_CTRL_CMD_SIZE), BUFFER);
	assert_int_equal(rd(b, TPM_CRB_CTRL_RSP_SIZE), BUFFER);
	assert_int_equal(rd(b, TPM_CRB_CTRL_CMD_LADDR), 0xfed40080);
	assert_int_equal(rd(b, TPM_CRB_CTRL_CMD_HADDR), 0);
	assert_int_equal(rd_sized(b, TPM_CRB_CTRL_RSP_ADDR, 8), 0xfed40080);
	/* No interrupts, no other locality. */
	wr(b, TPM_CRB_INT_ENABLE, UINT32_MAX);
	assert_int_equal(rd(b, TPM_CRB_INT_ENABLE), 0);
	assert_int_equal(rd(b, 0x1000), UINT32_MAX);
}

static void read_only_registers_stay(void **state)
{
	struct board *b = *state;
	uint32_t before[TPM_CRB_BUFFER / 4];
	unsigned i;

	create(b);
	take_locality(b);
	for (i = 0; i < TPM_CRB_BUFFER; i += 4)
		before[i / 4] = rd(b, i);
	for (i = 0; i < TPM_CRB_BUFFER; i += 4)
		if (i != TPM_CRB_CTRL_CANCEL && i != TPM_CRB_CTRL_START &&
		    i != TPM_LOC_CTRL)
			wr(b, i, UINT32_MAX);
	for (i = 0; i < TPM_CRB_BUFFER; i += 4)
		assert_int_equal(rd(b, i), before[i / 4]);
}

static void acpi_says_where_it_is(void **state UNUSED)
{
	const struct tpm_acpi acpi = tpm_crb_acpi();

	assert_string_equal(acpi.hid, "MSFT0101");
	assert_int_equal(acpi.start_method, 7);
	assert_int_equal(acpi.control_area, 0xfed40040);
	assert_int_equal(acpi.memory_base, 0xfed40000);
	assert_int_equal(acpi.memory_size, 0x1000);
	assert_int_equal(acpi.platform_class, 0);
}

/* ---- states ---- */

static void a_command_goes_through_all_states(void **state)
{
	struct board *b = *state;
	struct tpm_header header;

	create(b);
	assert_int_equal(rd(b, TPM_CRB_CTRL_STS), TPM_CTRL_STS_IDLE);
	take_locality(b);
	get_ready(b);
	start(b, 0x17b, 10);
	wait_done(b);
	header = response(b);
	assert_int_equal(header.tag, TPM_ST_NO_SESSIONS);
	assert_int_equal(header.size, 14);
	assert_int_equal(header.code, 0);
	assert_int_equal(rd(b, TPM_CRB_BUFFER + 10), htobe32(0x17b));
	/* The next one straight away, then idle. */
	get_ready(b);
	start(b, 0x17c, 10);
	wait_done(b);
	assert_int_equal(rd(b, TPM_CRB_BUFFER + 10), htobe32(0x17c));
	wr(b, TPM_CRB_CTRL_REQ, TPM_CTRL_REQ_IDLE);
	wait_until(b, TPM_CRB_CTRL_REQ, TPM_CTRL_REQ_IDLE, 0);
	assert_int_equal(rd(b, TPM_CRB_CTRL_STS), TPM_CTRL_STS_IDLE);
	wr(b, TPM_LOC_CTRL, TPM_LOC_CTRL_RELINQUISH);
	wait_until(b, TPM_LOC_STATE, 0xfe, TPM_LOC_STATE_VALID);
	assert_int_equal(rd(b, TPM_LOC_STS), 0);
}

static void the_whole_buffer_is_carried(void **state)
{
	struct board *b = *state;
	unsigned i;

	create(b);
	take_locality(b);
	get_ready(b);
	for (i = 16; i < BUFFER; i += 8)
		wr_sized(b, TPM_CRB_BUFFER + i, 8, i * 0x0101010101010101ull);
	start(b, FAKE_ECHO, BUFFER);
	wait_done(b);
	for (i = 16; i < BUFFER; i += 8)
		assert_true(rd_sized(b, TPM_CRB_BUFFER + i, 8) ==
			    i * 0x0101010101010101ull);
	assert_int_equal(response(b).code, FAKE_ECHO);
}

static void without_the_locality_nothing_starts(void **state)
{
	struct board *b = *state;

	create(b);
	wr(b, TPM_CRB_CTRL_REQ, TPM_CTRL_REQ_READY);
	assert_int_equal(rd(b, TPM_CRB_CTRL_STS), TPM_CTRL_STS_IDLE);
	start(b, 0x17b, 10);
	assert_int_equal(rd(b, TPM_CRB_CTRL_START), 0);
	assert_int_equal(rd(b, TPM_CRB_BUFFER), 0);
	stop_serving(b);
	assert_int_equal(b->swtpm.commands, 1); /* our own, at the start */
}

static void the_buffer_is_out_of_reach_meanwhile(void **state)
{
	struct board *b = *state;

	create(b);
	take_locality(b);
	get_ready(b);
	start(b, FAKE_BLOCKING, 10);
	assert_int_equal(rd(b, TPM_CRB_CTRL_START), TPM_CTRL_START);
	assert_int_equal(rd(b, TPM_CRB_BUFFER), 0);
	wr(b, TPM_CRB_BUFFER, 0x12345678);
	wr(b, TPM_CRB_CTRL_START, TPM_CTRL_START);
	wr(b, TPM_CRB_CTRL_REQ, TPM_CTRL_REQ_IDLE);
	assert_int_equal(rd(b, TPM_CRB_CTRL_STS), 0);
	wr(b, TPM_CRB_CTRL_CANCEL, TPM_CTRL_CANCEL);
	wait_done(b);
	assert_int_equal(response(b).code, 0x909);
	wr(b, TPM_CRB_CTRL_CANCEL, 0);
	assert_int_equal(rd(b, TPM_CRB_CTRL_CANCEL), 0);
}

static void commands_of_impossible_size(void **state)
{
	static const uint32_t sizes[] = {0, 9, BUFFER + 1, UINT32_MAX};
	struct board *b = *state;
	size_t i;

	create(b);
	take_locality(b);
	get_ready(b);
	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		start(b, 0x17b, sizes[i]);
		assert_int_equal(rd(b, TPM_CRB_CTRL_START), 0);
		expect_code(b, TPM_RC_COMMAND_SIZE);
	}
	stop_serving(b);
	assert_int_equal(b->swtpm.commands, 1);
}

static void a_dead_tpm_fails_every_command(void **state)
{
	struct board *b = *state;
	int i;

	b->swtpm.die_at = 3;
	create(b);
	take_locality(b);
	get_ready(b);
	start(b, 0x17b, 10);
	wait_done(b);
	assert_int_equal(response(b).code, 0);
	for (i = 0; i < 3; i++) {
		get_ready(b);
		start(b, 0x17b, 10);
		wait_done(b);
		expect_code(b, TPM_RC_FAILURE);
	}
	tpm_crb_reset(b->crb);
	take_locality(b);
	get_ready(b);
	start(b, 0x17b, 10);
	wait_done(b);
	expect_code(b, TPM_RC_FAILURE);
}

static void reset_in_the_middle_of_a_command(void **state)
{
	struct board *b = *state;

	create(b);
	take_locality(b);
	get_ready(b);
	start(b, FAKE_BLOCKING, 10);
	tpm_crb_reset(b->crb);
	assert_int_equal(rd(b, TPM_CRB_CTRL_START), 0);
	assert_int_equal(rd(b, TPM_LOC_STATE) & TPM_LOC_STATE_ASSIGNED, 0);
	assert_int_equal(rd(b, TPM_CRB_CTRL_STS), TPM_CTRL_STS_IDLE);
	assert_int_equal(rd(b, TPM_CRB_BUFFER), 0);
	assert_int_equal(fake_swtpm_calls(&b->swtpm, SWTPM_INIT), 2);
	take_locality(b);
	get_ready(b);
	start(b, 0x17b, 10);
	wait_done(b);
	assert_int_equal(response(b).code, 0);
}

static void the_end_in_the_middle_of_a_command(void **state)
{
	struct board *b = *state;

	create(b);
	take_locality(b);
	get_ready(b);
	start(b, FAKE_BLOCKING, 10);
	tpm_crb_destroy(b->crb);
	b->crb = NULL;
	assert_int_equal(rd(b, 0), UINT32_MAX);
}

static void it_cannot_be_created(void **state)
{
	struct board *b = *state;

	assert_int_equal(
	    tpm_crb_create(&b->fake.env, b->node, &b->err, &b->crb), -ENOENT);
	assert_null(b->crb);
	assert_int_equal(rd(b, 0), UINT32_MAX);
	assert_int_equal(tpm_crb_create(&b->fake.env, NULL, &b->err, &b->crb),
			 -EINVAL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(drivers_recognise_it),
	    TEST(read_only_registers_stay),
	    TEST(acpi_says_where_it_is),
	    TEST(a_command_goes_through_all_states),
	    TEST(the_whole_buffer_is_carried),
	    TEST(without_the_locality_nothing_starts),
	    TEST(the_buffer_is_out_of_reach_meanwhile),
	    TEST(commands_of_impossible_size),
	    TEST(a_dead_tpm_fails_every_command),
	    TEST(reset_in_the_middle_of_a_command),
	    TEST(the_end_in_the_middle_of_a_command),
	    TEST(it_cannot_be_created),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
