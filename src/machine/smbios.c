/* SPDX-License-Identifier: BSD-2-Clause */
/* SMBIOS structures; the contract is in smbios.h. */
#include "machine/smbios.h"

#include <stddef.h>
#include <string.h>

#define TEXT_MAX	    64 /* the specification's old limit, which guests expect */
#define HANDLE_BOARD	    0x0200
#define HANDLE_CHASSIS	    0x0300
#define HANDLE_PROCESSOR    0x0400
#define HANDLE_MEMORY_ARRAY 0x1000
#define HANDLE_NONE	    0xfffe /* "not provided" */
#define UNKNOWN		    2	   /* value of many enumerations */

/* One structure being built: its fixed part, then its strings. */
struct builder {
	const struct machine_desc *desc;
	struct err *err;
	struct smbios_table *table;
	int failed;
	size_t start;
	char texts[8 * (TEXT_MAX + 1)];
	size_t texts_len;
	uint8_t text_count;
};

static void begin(struct builder *b)
{
	b->texts_len = 0;
	b->text_count = 0;
}

/* Adds a string; its number, or 0 when it is empty. */
static uint8_t add_text(struct builder *b, const char *text)
{
	size_t len = strlen(text) + 1;

	if (len == 1 || len > sizeof(b->texts) - b->texts_len)
		return 0;
	memcpy(b->texts + b->texts_len, text, len);
	b->texts_len += len;
	return ++b->text_count;
}

/* The configured string at `path`, or the default. */
static uint8_t config_text(struct builder *b, const char *path,
			   const char *fallback)
{
	char text[TEXT_MAX + 1];
	int r = b->desc->root
		    ? cfg_get(b->desc->root, path, text, sizeof(text), b->err)
		    : 0;

	if (r < 0 && !b->failed) {
		b->failed = r;
		(void)err_prefix(b->err, "%s (at most %d characters)", path,
				 TEXT_MAX);
	}
	return add_text(b, r > 0 ? text : fallback);
}

static void finish(struct builder *b, const void *fixed, size_t len)
{
	struct tbuf *out = &b->table->data;
	size_t start = out->len;

	tbuf_add(out, fixed, len);
	if (b->texts_len)
		tbuf_add(out, b->texts, b->texts_len);
	else
		tbuf_add_int(out, 0, 1);
	tbuf_add_int(out, 0, 1);
	b->table->count++;
	b->table->largest = MAX(b->table->largest, out->len - start);
}

static struct smbios_header head(uint8_t type, size_t length, unsigned handle)
{
	return (struct smbios_header){type, (uint8_t)length, (uint16_t)handle};
}

static void add_bios(struct builder *b)
{
	struct smbios_bios s = {
	    .h = head(0, sizeof(s), 0),
	    .segment = 0xf000,
	    .characteristics = BIT64(3),	     /* "not supported" */
	    .characteristics_ext = {BIT(0), BIT(4)}, /* ACPI; a virtual one */
	    .major = 0xff,
	    .minor = 0xff,
	    .ec_major = 0xff,
	    .ec_minor = 0xff,
	};

	begin(b);
	s.vendor = config_text(b, "bios.vendor", "BHYVE");
	s.version = config_text(b, "bios.version", "14.0");
	s.release_date = config_text(b, "bios.release_date", "10/17/2021");
	finish(b, &s, sizeof(s));
}

/* The first three fields of a UUID are little-endian here. */
static void copy_uuid(uint8_t dst[16], const uint8_t src[16])
{
	static const uint8_t order[16] = {3, 2, 1,  0,	5,  4,	7,  6,
					  8, 9, 10, 11, 12, 13, 14, 15};
	unsigned i;

	for (i = 0; i < 16; i++)
		dst[i] = src[order[i]];
}

static void add_system(struct builder *b)
{
	struct smbios_system s = {
	    .h = head(1, sizeof(s), 0x0100), .wake_up = 6, /* power switch */
	};

	begin(b);
	copy_uuid(s.uuid, b->desc->uuid);
	s.manufacturer = config_text(b, "system.manufacturer", "FreeBSD");
	s.product = config_text(b, "system.product_name", "BHYVE");
	s.version = config_text(b, "system.version", "1.0");
	s.serial = config_text(b, "system.serial_number", "None");
	s.sku = config_text(b, "system.sku", "None");
	s.family = config_text(b, "system.family_name", "Virtual Machine");
	finish(b, &s, sizeof(s));
}

static void add_board(struct builder *b)
{
	struct smbios_board s = {
	    .h = head(2, sizeof(s), HANDLE_BOARD),
	    .features = BIT(0), /* hosts the processors */
	    .chassis = HANDLE_CHASSIS,
	    .board_type = 0x0a, /* motherboard */
	};

	begin(b);
	s.manufacturer = config_text(b, "board.manufacturer", "FreeBSD");
	s.product = config_text(b, "board.product_name", "BHYVE");
	s.version = config_text(b, "board.version", "1.0");
	s.serial = config_text(b, "board.serial_number", "None");
	s.asset_tag = config_text(b, "board.asset_tag", "None");
	s.location = config_text(b, "board.location", "None");
	finish(b, &s, sizeof(s));
}

static void add_chassis(struct builder *b)
{
	const uint8_t safe = 3;
	struct smbios_chassis s = {
	    .h = head(3, sizeof(s), HANDLE_CHASSIS),
	    .type = UNKNOWN,
	    .boot_state = safe,
	    .power_state = safe,
	    .thermal_state = safe,
	    .security = UNKNOWN,
	};

	begin(b);
	s.manufacturer = config_text(b, "chassis.manufacturer", "FreeBSD");
	s.version = config_text(b, "chassis.version", "1.0");
	s.serial = config_text(b, "chassis.serial_number", "None");
	s.asset_tag = config_text(b, "chassis.asset_tag", "None");
	s.sku = config_text(b, "chassis.sku", "None");
	finish(b, &s, sizeof(s));
}

static void add_processor(struct builder *b, unsigned socket)
{
	unsigned cores = b->desc->cores;
	unsigned threads = cores * b->desc->threads;
	char name[16];
	struct smbios_processor s = {
	    .h = head(4, sizeof(s), HANDLE_PROCESSOR + socket),
	    .type = 3, /* central processor */
	    .family = UNKNOWN,
	    .status = 0x41, /* there is one, enabled */
	    .upgrade = UNKNOWN,
	    .l1 = 0xffff,
	    .l2 = 0xffff,
	    .l3 = 0xffff,
	    .cores = (uint8_t)MIN(cores, 255u),
	    .cores_enabled = (uint8_t)MIN(cores, 255u),
	    .threads = (uint8_t)MIN(threads, 255u),
	    /* 64-bit; several cores; several threads a core */
	    .characteristics = (uint16_t)(BIT(2) | (cores > 1 ? BIT(3) : 0) |
					  (b->desc->threads > 1 ? BIT(4) : 0)),
	    .family2 = UNKNOWN,
	    .cores2 = (uint16_t)cores,
	    .cores_enabled2 = (uint16_t)cores,
	    .threads2 = (uint16_t)threads,
	};

	begin(b);
	snprintf(name, sizeof(name), "CPU %u", socket);
	s.socket = add_text(b, name);
	s.manufacturer = add_text(b, "BYWAY");
	s.version = add_text(b, "virtual CPU");
	finish(b, &s, sizeof(s));
}

/* ---- memory: one array, one device, what addresses it answers ---- */

static void add_memory_array(struct builder *b, uint64_t bytes)
{
	const uint64_t limit = BIT64(31) * 1024; /* of the field in KiB */
	struct smbios_memory_array s = {
	    .h = head(16, sizeof(s), HANDLE_MEMORY_ARRAY),
	    .location = 3,	   /* on the board */
	    .use = 3,		   /* system memory */
	    .error_correction = 3, /* none */
	    .max_kib = bytes < limit ? (uint32_t)(bytes >> 10) : 0x80000000,
	    .error_handle = HANDLE_NONE,
	    .device_count = 1,
	    .max_bytes = bytes < limit ? 0 : bytes,
	};

	begin(b);
	finish(b, &s, sizeof(s));
}

static void add_memory_device(struct builder *b, uint64_t bytes)
{
	uint64_t mib = bytes >> 20;
	bool wide = mib >= 0x7fff;
	struct smbios_memory_device s = {
	    .h = head(17, sizeof(s), 0x1100),
	    .array = HANDLE_MEMORY_ARRAY,
	    .error_handle = HANDLE_NONE,
	    .total_width = 64,
	    .data_width = 64,
	    .size_mib = wide ? 0x7fff : (uint16_t)mib,
	    .form_factor = UNKNOWN,
	    .memory_type = UNKNOWN,
	    .detail = BIT(2), /* unknown */
	    .extended_size_mib = wide ? (uint32_t)mib : 0,
	};

	begin(b);
	s.locator = add_text(b, "DIMM 0");
	s.bank = add_text(b, "BANK 0");
	finish(b, &s, sizeof(s));
}

static void add_memory_map(struct builder *b, unsigned index, uint64_t base,
			   uint64_t bytes)
{
	const uint64_t last = base + bytes - 1;
	bool wide = last >> 10 >= UINT32_MAX;
	const struct smbios_array_map s = {
	    .h = head(19, sizeof(s), 0x1300 + index),
	    .start_kib = wide ? UINT32_MAX : (uint32_t)(base >> 10),
	    .end_kib = wide ? UINT32_MAX : (uint32_t)(last >> 10),
	    .array = HANDLE_MEMORY_ARRAY,
	    .partition_width = 1,
	    .start = wide ? base : 0,
	    .end = wide ? last : 0,
	};

	if (!bytes)
		return;
	begin(b);
	finish(b, &s, sizeof(s));
}

static void add_end(struct builder *b)
{
	const struct smbios_boot_status status = {
	    .h = head(32, sizeof(status), 0x2000)};
	const struct smbios_header end = head(127, sizeof(end), 0x7f00);

	begin(b);
	finish(b, &status, sizeof(status));
	finish(b, &end, sizeof(end));
}

int smbios_build(const struct machine_desc *desc, struct err *err,
		 struct smbios_table *ret_table)
{
	struct builder b = {.desc = desc, .err = err, .table = ret_table};
	uint64_t memory = desc->low_bytes + desc->high_bytes;
	unsigned i;

	add_bios(&b);
	add_system(&b);
	add_board(&b);
	add_chassis(&b);
	for (i = 0; i < desc->sockets; i++)
		add_processor(&b, i);
	add_memory_array(&b, memory);
	add_memory_device(&b, memory);
	add_memory_map(&b, 0, 0, desc->low_bytes);
	add_memory_map(&b, 1, DESC_HIGH_RAM_BASE, desc->high_bytes);
	add_end(&b);
	return b.failed;
}

struct smbios3_entry smbios_entry64(const struct smbios_table *table,
				    uint32_t address)
{
	struct smbios3_entry e = {
	    .anchor = {'_', 'S', 'M', '3', '_'},
	    .length = sizeof(e),
	    .major = 3,
	    .revision = 1,
	    .table_max = (uint32_t)table->data.len,
	    .table = address,
	};

	e.checksum = tbuf_checksum((const uint8_t *)&e, sizeof(e));
	return e;
}

struct smbios_entry smbios_entry32(const struct smbios_table *table,
				   uint32_t address)
{
	const size_t middle = offsetof(struct smbios_entry, middle_anchor);
	struct smbios_entry e = {
	    .anchor = {'_', 'S', 'M', '_'},
	    .length = sizeof(e),
	    .major = 2,
	    .minor = 8,
	    .max_structure = (uint16_t)table->largest,
	    .middle_anchor = {'_', 'D', 'M', 'I', '_'},
	    .table_length = (uint16_t)table->data.len,
	    .table = address,
	    .structure_count = (uint16_t)table->count,
	    .bcd_revision = 0x28,
	};

	e.middle_checksum =
	    tbuf_checksum((const uint8_t *)&e + middle, sizeof(e) - middle);
	e.checksum = tbuf_checksum((const uint8_t *)&e, sizeof(e));
	return e;
}
