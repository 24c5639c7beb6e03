/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the tables as files: a loader in the test does firmware's part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "machine/acpi.h"
#include "machine/bootorder.h"
#include "machine/fwtables.h"
#include "tables.h"

#define ENTRY	    128u
#define TABLES_AT   0x7fe00000u
#define RSDP_AT	    0xf5000u
#define DEST	    4u /* offsets in an entry */
#define POINTER_SRC 60u
#define POINTER_AT  116u
#define POINTER_LEN 120u
#define SUM_AT	    60u

struct loaded {
	struct fwtables files;
	bool rsdp, tables; /* allocated */
};

static struct tbuf *named(struct loaded *l, const uint8_t *name)
{
	if (!strcmp((const char *)name, FWTABLES_RSDP))
		return &l->files.rsdp;
	assert_string_equal((const char *)name, FWTABLES_TABLES);
	return &l->files.tables;
}

static void run_entry(struct loaded *l, const uint8_t *e)
{
	struct tbuf *dest = named(l, e + DEST);
	uint32_t at;

	switch (tbuf_int(e, 4)) {
	case 1:
		*(dest == &l->files.rsdp ? &l->rsdp : &l->tables) = true;
		break;
	case 2:
		assert_true(l->rsdp && l->tables);
		assert_ptr_equal(named(l, e + POINTER_SRC), &l->files.tables);
		at = (uint32_t)tbuf_int(e + POINTER_AT, 4);
		assert_true(at + e[POINTER_LEN] <= dest->len);
		tbuf_set_int(dest->data + at,
			     tbuf_int(dest->data + at, e[POINTER_LEN]) +
				 TABLES_AT,
			     e[POINTER_LEN]);
		break;
	case 3:
		at = (uint32_t)tbuf_int(e + SUM_AT, 4);
		dest->data[at] =
		    tbuf_checksum(dest->data + tbuf_int(e + SUM_AT + 4, 4),
				  tbuf_int(e + SUM_AT + 8, 4));
		break;
	default:
		fail_msg("unknown command");
	}
}

static void loader_gives_what_direct_boot_has(void **state)
{
	struct machine_desc desc = tables_standard();
	struct loaded l = {0};
	struct acpi_blob blob;
	struct err err = {0};
	size_t i;

	(void)state;
	assert_int_equal(fwtables_acpi(&desc, &err, &l.files), 0);
	assert_int_equal(l.files.loader.len % ENTRY, 0);
	for (i = 0; i < l.files.loader.len; i += ENTRY)
		run_entry(&l, l.files.loader.data + i);
	assert_int_equal(acpi_build(&desc, &err, &blob), 0);
	acpi_locate(&blob, TABLES_AT);
	assert_int_equal(l.files.tables.len, blob.tables.len);
	assert_memory_equal(l.files.tables.data, blob.tables.data,
			    blob.tables.len);
	assert_memory_equal(l.files.rsdp.data, &blob.rsdp, sizeof(blob.rsdp));
	acpi_blob_fini(&blob);
	fwtables_fini(&l.files);
}

static void map_has_the_ram(void **state)
{
	struct machine_desc desc = tables_standard();
	struct err err = {0};
	struct tbuf map;

	(void)state;
	assert_int_equal(fwtables_e820(&desc, &err, &map), 0);
	assert_int_equal(map.len, 40);
	assert_int_equal(tbuf_int(map.data, 8), 0);
	assert_int_equal(tbuf_int(map.data + 8, 8), desc.low_bytes);
	assert_int_equal(tbuf_int(map.data + 16, 4), 1);
	assert_true(tbuf_int(map.data + 20, 8) == GIB(4));
	assert_true(tbuf_int(map.data + 28, 8) == desc.high_bytes);
	tbuf_fini(&map);
}

static void smbios_has_an_anchor_without_address(void **state)
{
	struct machine_desc desc = tables_standard();
	struct tbuf anchor, tables;
	struct err err = {0};

	(void)state;
	assert_int_equal(fwtables_smbios(&desc, &err, &anchor, &tables), 0);
	assert_memory_equal(anchor.data, "_SM_", 4);
	assert_int_equal(tbuf_int(anchor.data + 0x18, 4), 0);
	assert_int_equal(tbuf_int(anchor.data + 0x16, 2), tables.len);
	tbuf_fini(&anchor);
	tbuf_fini(&tables);
}

/* ---- boot order ---- */

static struct cfg *config(const char *const *assignments)
{
	struct err err = {0};
	struct cfg *root;

	root = cfg_create();
	assert_non_null(root);
	for (; *assignments; assignments++)
		if (cfg_set_assignment(root, *assignments, &err))
			fail_msg("%s", err.msg);
	return root;
}

static void expect_order(const char *const *assignments, const char *wanted)
{
	struct cfg *root = config(assignments);
	struct err err = {0};
	struct tbuf out;

	assert_int_equal(tbuf_init(&out, 4096), 0);
	if (bootorder_build(root, &err, &out))
		assert_string_equal(err.msg, wanted);
	else if (out.len)
		assert_string_equal((char *)out.data, wanted);
	else
		assert_string_equal("", wanted);
	tbuf_fini(&out);
	cfg_destroy(root);
}

static void order_is_by_index(void **state)
{
	static const char *const disks[] = {
	    "pci.0.4.0.device=ahci",	   "pci.0.4.0.port.2.bootindex=7",
	    "pci.0.5.0.device=nvme",	   "pci.0.5.0.bootindex=1",
	    "pci.0.6.1.device=passthru",   "pci.0.6.1.bootindex=3",
	    "pci.0.7.0.device=e1000",	   "pci.0.7.0.bootindex=2",
	    "pci.0.8.0.device=virtio-blk", NULL};
	static const char *const none[] = {"pci.0.4.0.device=ahci",
					   "pci.enable_bars=true", NULL};

	(void)state;
	expect_order(disks, "/pci@i0cf8/nvme@5\n"
			    "/pci@i0cf8/ethernet@7/ethernet-phy@0\n"
			    "/pci@i0cf8/pci@6,1\n"
			    "/pci@i0cf8/pci8086,2922@4/drive@2/disk@0");
	expect_order(none, "");
}

static void order_explains_what_is_wrong(void **state)
{
	static const char *const twice[] = {
	    "pci.0.4.0.device=nvme", "pci.0.4.0.bootindex=1",
	    "pci.0.5.0.device=nvme", "pci.0.5.0.bootindex=1", NULL};
	static const char *const bridge[] = {"pci.0.0.0.device=hostbridge",
					     "pci.0.0.0.bootindex=1", NULL};

	(void)state;
	expect_order(twice, "pci.0.5.0.bootindex=1: another device has the"
			    " same number");
	expect_order(bridge,
		     "pci.0.0.0.bootindex: firmware boots from disks, network"
		     " cards and passed-through devices on bus 0 only");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(loader_gives_what_direct_boot_has),
	    cmocka_unit_test(map_has_the_ram),
	    cmocka_unit_test(smbios_has_an_anchor_without_address),
	    cmocka_unit_test(order_is_by_index),
	    cmocka_unit_test(order_explains_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
