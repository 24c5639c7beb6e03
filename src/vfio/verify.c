/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Did a device come back from its reset?
 *
 * VFIO answers some registers from its own copy (ids, BARs, MSI), so those are
 * read from the device through sysfs; the rest through VFIO. What a person
 * should know but a guest can live with (a slower link, error bits) becomes a
 * note, not a failure.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "vfio/vfio_internal.h"

#define IORESOURCE_IO	  0x00000100u /* as sysfs prints resource flags */
#define IORESOURCE_MEM_64 0x00100000u

typedef int check_fn(struct vfio_device *d, char why[VFIO_REASON_MAX]);

static int fail(char why[VFIO_REASON_MAX], const char *fmt, ...)
    PRINTF_LIKE(2, 3);

static int fail(char why[VFIO_REASON_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, VFIO_REASON_MAX, fmt, ap);
	va_end(ap);
	return -EIO;
}

/* A dword of the real config space; false when sysfs does not show it. */
static bool raw_read(const struct vfio_device *d, unsigned off,
		     uint32_t *ret_value)
{
	const struct vfio_ops *ops = d->ctx->ops;
	uint32_t v;

	/* A served device virtualises nothing. */
	if (d->user)
		return vfio_config_read(d, off, 4, ret_value) == 0;
	if (d->raw_fd < 0 ||
	    ops->pread(ops->ctx, d->raw_fd, &v, sizeof(v), off) != sizeof(v))
		return false;
	*ret_value = v;
	return true;
}

/* Virtual functions have ones where ids are and no BARs of their own. */
static bool raw_is_real(const struct vfio_device *d)
{
	uint32_t id;

	return raw_read(d, PCI_VENDOR_ID, &id) && id != UINT32_MAX;
}

static int check_ids(struct vfio_device *d, char why[VFIO_REASON_MAX])
{
	uint32_t expected = d->host.class << 8 | d->host.revision;
	uint32_t v;

	if (vfio_config_read(d, PCI_CLASS_REVISION, 4, &v) || v == UINT32_MAX)
		return fail(why, "it does not answer (its config space reads"
				 " as ones)");
	if (v != expected)
		return fail(why,
			    "its class and revision read %08x instead of %08x",
			    v, expected);
	expected = d->host.vendor | (uint32_t)d->host.device << 16;
	if (raw_is_real(d) && raw_read(d, PCI_VENDOR_ID, &v) && v != expected)
		return fail(why, "it answers as %04x:%04x instead of %04x:%04x",
			    v & 0xffff, v >> 16, d->host.vendor,
			    d->host.device);
	return 0;
}

static int check_power(struct vfio_device *d, char why[VFIO_REASON_MAX])
{
	unsigned state;

	if (vfio_config_power_state(d, &state))
		return fail(why, "its power state cannot be read");
	if (state != 0)
		return fail(why, "it is stuck in power state D%u", state);
	return 0;
}

static int check_bars(struct vfio_device *d, char why[VFIO_REASON_MAX])
{
	unsigned i;

	for (i = 0; raw_is_real(d) && i < PCI_BARS; i++) {
		const struct hostpci_bar *bar = &d->host.bar[i];
		uint32_t low, high = 0,
			      mask = (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;

		if (!bar->size || !bar->start)
			continue;
		if (bar->flags & IORESOURCE_IO)
			mask = (uint32_t)PCI_BASE_ADDRESS_IO_MASK;
		if (!raw_read(d, PCI_BASE_ADDRESS_0 + 4 * i, &low))
			return fail(why, "BAR %u cannot be read", i);
		if ((bar->flags & IORESOURCE_MEM_64) && i + 1 < PCI_BARS &&
		    !raw_read(d, PCI_BASE_ADDRESS_0 + 4 * i + 4, &high))
			return fail(why, "BAR %u cannot be read", i + 1);
		if ((uint64_t)high << 32 != (bar->start & ~0xffffffffull) ||
		    (low & mask) != (uint32_t)bar->start)
			return fail(
			    why, "BAR %u reads 0x%x%08x instead of 0x%" PRIx64,
			    i, high, low & mask, bar->start);
	}
	return 0;
}

static int check_command(struct vfio_device *d, char why[VFIO_REASON_MAX])
{
	uint32_t command;

	if (vfio_config_read(d, PCI_COMMAND, 2, &command))
		return fail(why, "COMMAND cannot be read");
	if (command &
	    (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER))
		return fail(why,
			    "COMMAND reads %04x: decode or bus mastering"
			    " is on",
			    command);
	return 0;
}

static int check_messages(struct vfio_device *d, char why[VFIO_REASON_MAX])
{
	const struct vfio_config *c = &d->config;
	uint32_t flags = 0;

	if (c->msi && (vfio_config_read(d, c->msi + PCI_MSI_FLAGS, 2, &flags) ||
		       (flags & PCI_MSI_FLAGS_ENABLE)))
		return fail(why, "MSI is still enabled (%04x)", flags);
	if (c->msix &&
	    (vfio_config_read(d, c->msix + PCI_MSIX_FLAGS, 2, &flags) ||
	     (flags & PCI_MSIX_FLAGS_ENABLE)))
		return fail(why, "MSI-X is still enabled (%04x)", flags);
	return 0;
}

static const struct {
	const char *name;
	check_fn *check;
	bool registers; /* what a mediated one shows there is its driver's */
} checks[] = {
    {"ids", check_ids, false},
    {"power", check_power, false},
    {"BARs", check_bars, true},
    {"COMMAND", check_command, true},
    {"interrupts", check_messages, false},
};

/* ---- notes ---- */

static const char *speed_name(unsigned code)
{
	static const char *const name[] = {"?",	 "2.5", "5", "8",
					   "16", "32",	"64"};

	return code < ARRAY_LEN(name) ? name[code] : name[0];
}

static unsigned link_width(uint16_t status)
{
	return (status & PCI_EXP_LNKSTA_NLW) >> PCI_EXP_LNKSTA_NLW_SHIFT;
}

static bool has_link(const struct vfio_device *d)
{
	return d->config.exp && d->config.exp_type != PCI_EXP_TYPE_RC_END;
}

void vfio_verify_baseline(struct vfio_device *d)
{
	uint32_t v;

	d->link_status = 0;
	if (has_link(d) &&
	    vfio_config_read(d, d->config.exp + PCI_EXP_LNKSTA, 2, &v) == 0)
		d->link_status = (uint16_t)v;
}

static void append(char text[VFIO_REASON_MAX], const char *fmt, ...)
    PRINTF_LIKE(2, 3);

static void append(char text[VFIO_REASON_MAX], const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + len, VFIO_REASON_MAX - len, fmt, ap);
	va_end(ap);
}

static void note_link(const struct vfio_device *d, char text[VFIO_REASON_MAX])
{
	uint16_t was = d->link_status;
	uint32_t now;

	if (!has_link(d) || !was ||
	    vfio_config_read(d, d->config.exp + PCI_EXP_LNKSTA, 2, &now))
		return;
	if (link_width((uint16_t)now) < link_width(was) ||
	    (now & PCI_EXP_LNKSTA_CLS) < (was & PCI_EXP_LNKSTA_CLS))
		append(text, "; link now x%u %s GT/s, was x%u %s GT/s",
		       link_width((uint16_t)now),
		       speed_name(now & PCI_EXP_LNKSTA_CLS), link_width(was),
		       speed_name(was & PCI_EXP_LNKSTA_CLS));
}

static void note_errors(const struct vfio_device *d, char text[VFIO_REASON_MAX])
{
	uint32_t v;

	if (!d->config.exp ||
	    vfio_config_read(d, d->config.exp + PCI_EXP_DEVSTA, 2, &v))
		return;
	if (v & PCI_EXP_DEVSTA_FED)
		append(text, "; it has seen a fatal error");
	else if (v & PCI_EXP_DEVSTA_NFED)
		append(text, "; it has seen an uncorrectable error");
	if (v & PCI_EXP_DEVSTA_TRPND)
		append(text, "; transactions are still pending");
}

/* ---- all of it ---- */

static bool skipped(const struct vfio_device *d, size_t check)
{
	return d->mdev[0] && checks[check].registers;
}

static int probe(struct vfio_device *d, char text[VFIO_REASON_MAX],
		 const char **ret_name)
{
	int r, off;

	if (vfio_config_set_command(d, PCI_COMMAND_MEMORY))
		return fail(text, "COMMAND cannot be written");
	r = vfio_probe_class(d, text, ret_name);
	off = vfio_config_set_command(d, 0);
	if (!r && off)
		return fail(text, "COMMAND cannot be written");
	return r;
}

int vfio_verify(struct vfio_device *d, char text[VFIO_REASON_MAX])
{
	const char *name = NULL;
	size_t i;
	int r;

	for (i = 0; i < ARRAY_LEN(checks); i++) {
		r = skipped(d, i) ? 0 : checks[i].check(d, text);
		if (r)
			return r;
	}
	r = d->mdev[0] ? 0 : probe(d, text, &name);
	if (r)
		return r;
	text[0] = '\0';
	for (i = 0; i < ARRAY_LEN(checks); i++)
		if (!skipped(d, i))
			append(text, "%s%s", i ? ", " : "", checks[i].name);
	if (name)
		append(text, ", %s", name);
	append(text, " verified");
	note_link(d, text);
	note_errors(d, text);
	return 0;
}
