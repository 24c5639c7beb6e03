/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes what the doctor parses of firmware and devices: DMAR, IVRS, caps. */
#include <string.h>

#include "hostpci/doctor/acpi.h"
#include "hostpci/doctor/caps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With the right checksum, or nothing behind it is ever reached. */
static void checksum_set(uint8_t *table, size_t size)
{
	uint8_t sum = 0;
	uint32_t length;

	if (size < 36)
		return;
	memcpy(&length, table + 4, 4);
	table[9] = 0;
	for (size_t i = 0; i < length && i < size; i++)
		sum = (uint8_t)(sum + table[i]);
	table[9] = (uint8_t)-sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE uint8_t *copy = malloc(size + 1);
	struct acpi_dmar dmar;
	struct acpi_ivrs ivrs;
	struct caps caps;

	if (!copy || size == 0)
		return 0;
	memcpy(copy, data, size);
	checksum_set(copy, size);
	acpi_dmar_parse(copy, size, &dmar);
	acpi_ivrs_parse(copy, size, &ivrs);
	if (dmar.rmrr_count > DMAR_RMRR_MAX)
		abort();
	caps_find(copy, size, &caps);
	if (caps.msix >= 256 || caps.pcie >= 256 || caps.acs > size)
		abort();
	return 0;
}
