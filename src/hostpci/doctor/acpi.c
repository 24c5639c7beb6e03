/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's IOMMU tables; the contract is acpi.h. */
#include "hostpci/doctor/acpi.h"

#include <string.h>

#define HEADER_BYTES 36u
#define DMAR_FIXED   48u
#define IVRS_FIXED   48u
#define ENTRIES_MAX  4096u

#define DMAR_DRHD     0
#define DMAR_RMRR     1
#define DRHD_FIXED    16u
#define RMRR_FIXED    24u
#define SCOPE_FIXED   6u
#define DMAR_INTREMAP 0x01
#define DMAR_OPT_OUT  0x02
#define DRHD_ALL      0x01

struct table {
	const uint8_t *data;
	size_t size;
};

static uint16_t get16(const struct table *t, size_t at)
{
	uint16_t value = 0;

	if (range_inside(at, 2, 0, t->size))
		memcpy(&value, t->data + at, 2);
	return value;
}

static uint32_t get32(const struct table *t, size_t at)
{
	uint32_t value = 0;

	if (range_inside(at, 4, 0, t->size))
		memcpy(&value, t->data + at, 4);
	return value;
}

static uint64_t get64(const struct table *t, size_t at)
{
	uint64_t value = 0;

	if (range_inside(at, 8, 0, t->size))
		memcpy(&value, t->data + at, 8);
	return value;
}

/* The header every table has; NULL, or what is wrong. Cuts `t` to length. */
static const char *header_check(struct table *t, const char *signature,
				size_t fixed)
{
	uint32_t length = get32(t, 4);
	uint8_t sum = 0;

	if (t->size < HEADER_BYTES || memcmp(t->data, signature, 4) != 0)
		return "no such table in it";
	if (length < fixed || length > t->size)
		return "its length is wrong";
	t->size = length;
	for (size_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + t->data[i]);
	return sum ? "its checksum is wrong" : NULL;
}

/* The first device of a list of scopes, if it is on a bus itself. */
static void scope_parse(const struct table *t, size_t at, size_t end,
			struct acpi_rmrr *rmrr)
{
	if (at >= end || end - at < SCOPE_FIXED + 2)
		return;
	if (t->data[at + 1] != SCOPE_FIXED + 2 || t->data[at] != 1)
		return;
	rmrr->bus = t->data[at + 5];
	rmrr->slot = t->data[at + 6] & 0x1f;
	rmrr->func = t->data[at + 7] & 7;
	rmrr->has_device = true;
}

static const char *dmar_entry(const struct table *t, size_t at, size_t length,
			      struct acpi_dmar *dmar)
{
	uint16_t type = get16(t, at);

	if (type == DMAR_DRHD) {
		if (length < DRHD_FIXED)
			return "a unit in it is too short";
		dmar->units++;
		dmar->covers_rest |= t->data[at + 4] & DRHD_ALL;
	} else if (type == DMAR_RMRR) {
		struct acpi_rmrr rmrr = {0};

		if (length < RMRR_FIXED)
			return "a reserved region in it is too short";
		rmrr.segment = get16(t, at + 6);
		rmrr.start = get64(t, at + 8);
		rmrr.end = get64(t, at + 16);
		if (rmrr.end <= rmrr.start)
			return "a reserved region in it ends before it starts";
		scope_parse(t, at + RMRR_FIXED, at + length, &rmrr);
		if (dmar->rmrr_count < DMAR_RMRR_MAX)
			dmar->rmrr[dmar->rmrr_count++] = rmrr;
	}
	return NULL;
}

void acpi_dmar_parse(const void *data, size_t size, struct acpi_dmar *ret_dmar)
{
	struct table t = {data, size};
	struct acpi_dmar dmar = {.present = true};
	size_t at = DMAR_FIXED;

	dmar.broken = header_check(&t, "DMAR", DMAR_FIXED);
	if (!dmar.broken) {
		dmar.width = t.data[36] + 1u;
		dmar.remaps_interrupts = t.data[37] & DMAR_INTREMAP;
		dmar.x2apic_opt_out = t.data[37] & DMAR_OPT_OUT;
	}
	while (!dmar.broken && at < t.size) {
		size_t length = get16(&t, at + 2);

		if (t.size - at < 4 || length < 4 || length > t.size - at)
			dmar.broken = "an entry in it does not fit";
		else
			dmar.broken = dmar_entry(&t, at, length, &dmar);
		at += length;
	}
	if (!dmar.broken && dmar.units == 0)
		dmar.broken = "it lists no unit";
	*ret_dmar = dmar;
}

/* IVHD come in up to three kinds for one unit: 10h, 11h, 40h. */
static bool ivhd_seen(const struct table *t, size_t end, uint16_t id)
{
	size_t at = IVRS_FIXED;

	while (at < end) {
		size_t length = get16(t, at + 2);
		uint8_t type = t->data[at];

		if ((type == 0x10 || type == 0x11 || type == 0x40) &&
		    get16(t, at + 4) == id)
			return true;
		at += length;
	}
	return false;
}

void acpi_ivrs_parse(const void *data, size_t size, struct acpi_ivrs *ret_ivrs)
{
	struct table t = {data, size};
	struct acpi_ivrs ivrs = {.present = true};
	size_t at = IVRS_FIXED, entries = 0;

	ivrs.broken = header_check(&t, "IVRS", IVRS_FIXED);
	if (!ivrs.broken) {
		uint32_t info = get32(&t, 36);

		ivrs.physical_bits = info >> 8 & 0x7f;
		ivrs.virtual_bits = info >> 15 & 0x7f;
	}
	while (!ivrs.broken && at < t.size) {
		size_t length = get16(&t, at + 2);
		uint8_t type = t.data[at];

		if (t.size - at < 8 || length < 8 || length > t.size - at ||
		    ++entries > ENTRIES_MAX) {
			ivrs.broken = "an entry in it does not fit";
			break;
		}
		if ((type == 0x10 || type == 0x11 || type == 0x40) &&
		    !ivhd_seen(&t, at, get16(&t, at + 4)))
			ivrs.units++;
		if (type >= 0x20 && type <= 0x22)
			ivrs.reserved++;
		at += length;
	}
	if (!ivrs.broken && ivrs.units == 0)
		ivrs.broken = "it lists no unit";
	*ret_ivrs = ivrs;
}
