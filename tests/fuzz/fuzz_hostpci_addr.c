/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes the parser of PCI addresses: what it accepts it also prints. */
#include <string.h>

#include "hostpci/hostpci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = malloc(size + 1);
	struct hostpci_addr addr, again;
	char bdf[HOSTPCI_BDF_MAX];
	struct err err = {0};

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (hostpci_parse_addr(text, &err, &addr) < 0) {
		if (err.code != -EINVAL || !err.msg[0])
			abort();
		return 0;
	}
	if (addr.slot > 31 || addr.func > 7)
		abort();
	hostpci_format_bdf(addr, bdf);
	if (hostpci_parse_addr(bdf, &err, &again) < 0 ||
	    addr.domain != again.domain || addr.bus != again.bus ||
	    addr.slot != again.slot || addr.func != again.func)
		abort();
	return 0;
}
