/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI addresses: every way users write them, and how they are printed. */
#include <ctype.h>
#include <string.h>

#include "hostpci/hostpci_internal.h"

#define BUS_MAX	 0xffu
#define SLOT_MAX 0x1fu
#define FUNC_MAX 7u

/* One number of 1 to `digits` digits, at *text, which moves past it. */
static bool number_take(const char **text, unsigned base, unsigned digits,
			uint32_t *ret_value)
{
	uint64_t value = 0;
	unsigned n;

	for (n = 0; n < digits; n++) {
		char c = **text;
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (base == 16 && isxdigit((unsigned char)c))
			digit =
			    (unsigned)(tolower((unsigned char)c) - 'a') + 10;
		else
			break;
		value = value * base + digit;
		(*text)++;
	}
	if (n == 0 || value > UINT32_MAX)
		return false;
	*ret_value = (uint32_t)value;
	return true;
}

/* Numbers with the characters of `marks` between them and nothing after. */
static bool numbers_take(const char *text, unsigned base, const char *marks,
			 uint32_t *value)
{
	size_t count = strlen(marks) + 1;

	for (size_t i = 0; i < count; i++) {
		/* Longest sensible: domain ffffffff, decimal 4294967295. */
		unsigned digits = base == 10 ? 10 : 8;

		if (!number_take(&text, base, digits, &value[i]))
			return false;
		if (i + 1 < count && *text++ != marks[i])
			return false;
	}
	return *text == '\0';
}

static bool addr_fill(const uint32_t *v, struct hostpci_addr *ret_addr)
{
	if (v[1] > BUS_MAX || v[2] > SLOT_MAX || v[3] > FUNC_MAX)
		return false;
	*ret_addr = (struct hostpci_addr){
	    .domain = v[0],
	    .bus = (uint8_t)v[1],
	    .slot = (uint8_t)v[2],
	    .func = (uint8_t)v[3],
	};
	return true;
}

/* With two separators the domain is left out. */
static const struct {
	const char *prefix, *marks;
	unsigned base;
} forms[] = {
    {"pci", ":::", 10}, {"pci", "::", 10}, {"", "::.", 16},
    {"", ":.", 16},	{"", "//", 10},
};

int hostpci_parse_addr(const char *text, struct err *err,
		       struct hostpci_addr *ret_addr)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		size_t prefix = strlen(forms[i].prefix);
		size_t omitted = 3 - strlen(forms[i].marks);
		uint32_t v[4] = {0};

		if (strncmp(text, forms[i].prefix, prefix) != 0 ||
		    !numbers_take(text + prefix, forms[i].base, forms[i].marks,
				  v + omitted))
			continue;
		if (addr_fill(v, ret_addr))
			return 0;
		return err_set(
		    err, -EINVAL,
		    "'%.64s': no such PCI address; a bus is 0 to 255, a slot "
		    "0 to 31, a function 0 to 7",
		    text);
	}
	return err_set(
	    err, -EINVAL,
	    "'%.64s': not a PCI address; expected 3/0/0 (bus/slot/function in "
	    "decimal), pci0:3:0:0 or 0000:03:00.0",
	    text);
}

int hostpci_parse_slot(const char *text, struct err *err,
		       struct hostpci_addr *ret_addr)
{
	static const struct {
		const char *marks;
		unsigned base;
	} slots[] = {{"::", 16}, {":", 16}, {"/", 10}};

	for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
		size_t omitted = 2 - strlen(slots[i].marks);
		uint32_t v[4] = {0};

		if (numbers_take(text, slots[i].base, slots[i].marks,
				 v + omitted) &&
		    addr_fill(v, ret_addr))
			return 0;
	}
	return err_set(err, -EINVAL,
		       "'%.64s': not a PCI slot; expected 3/0 (bus/slot in "
		       "decimal) or 0000:03:00",
		       text);
}

void hostpci_format_bdf(struct hostpci_addr addr, char buf[HOSTPCI_BDF_MAX])
{
	snprintf(buf, HOSTPCI_BDF_MAX, "%04x:%02x:%02x.%u", addr.domain,
		 addr.bus, addr.slot & SLOT_MAX, addr.func & FUNC_MAX);
}

int addr_from_bdf(const char *text, struct hostpci_addr *ret_addr)
{
	char again[HOSTPCI_BDF_MAX];
	struct hostpci_addr addr;
	uint32_t v[4];

	if (!numbers_take(text, 16, "::.", v) || !addr_fill(v, &addr))
		return -EINVAL;
	hostpci_format_bdf(addr, again);
	if (strcmp(again, text) != 0)
		return -EINVAL;
	*ret_addr = addr;
	return 0;
}

int addr_compare(struct hostpci_addr a, struct hostpci_addr b)
{
	if (a.domain != b.domain)
		return a.domain < b.domain ? -1 : 1;
	if (a.bus != b.bus)
		return a.bus < b.bus ? -1 : 1;
	if (a.slot != b.slot)
		return a.slot < b.slot ? -1 : 1;
	return a.func == b.func ? 0 : a.func < b.func ? -1 : 1;
}

const char *dev_label(const struct hostpci_dev *dev, char buf[LABEL_MAX])
{
	if (dev->addr.domain)
		snprintf(buf, LABEL_MAX, "%s", dev->bdf);
	else
		snprintf(buf, LABEL_MAX, "%s (%s)", dev->bdf, dev->selector);
	return buf;
}

const char *dev_typed(const struct hostpci_dev *dev)
{
	return dev->addr.domain ? dev->bdf : dev->selector;
}
