/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a function is, apart from its address: ids, serial number, slot.
 *
 * A bus number is given out by the firmware or the kernel at each boot, in the
 * order in which bridges are found; the device and function numbers of the
 * bridges in front of a slot are wired. So the chain of those names the slot
 * for good, and the serial number (PCIe 5.0 section 7.9.3) the card, as far as
 * makers fill it in and make it unique.
 */
#include <fcntl.h>
#include <string.h>

#include "hostpci/hostpci_internal.h"

#define CONFIG_SIZE 4096
#define CONFIG_BASE 256 /* extended capabilities begin here */
#define CAP_DSN	    0x0003

static uint32_t config_dword(const uint8_t *config, size_t offset)
{
	return (uint32_t)config[offset] | (uint32_t)config[offset + 1] << 8 |
	       (uint32_t)config[offset + 2] << 16 |
	       (uint32_t)config[offset + 3] << 24;
}

/* 0 when the list has no such capability, or leads nowhere. */
static uint64_t serial_find(const uint8_t *config)
{
	size_t offset = CONFIG_BASE;

	/* Each takes up 8 bytes at least: a list that is longer is a loop. */
	for (size_t n = 0; n < (CONFIG_SIZE - CONFIG_BASE) / 8; n++) {
		uint32_t head;

		if (offset < CONFIG_BASE || offset > CONFIG_SIZE - 12)
			return 0;
		head = config_dword(config, offset);
		if (head == 0 || head == UINT32_MAX)
			return 0;
		if ((head & 0xffff) == CAP_DSN)
			return (uint64_t)config_dword(config, offset + 8)
				   << 32 |
			       config_dword(config, offset + 4);
		offset = head >> 20 & ~3u;
	}
	return 0;
}

static void serial_read(const struct hostpci *host,
			const struct hostpci_dev *dev,
			struct hostpci_identity *identity)
{
	CLEANUP_CLOSE int fd = -1;
	uint8_t config[CONFIG_SIZE];
	char path[128];
	ssize_t n;

	snprintf(path, sizeof(path), SYS_DEVICES "/%s/config", dev->bdf);
	fd = openat(host->root_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : pread(fd, config, sizeof(config), 0);
	/* Others than root are given 64 bytes; a dead device reads as ff. */
	if (n < CONFIG_BASE || config_dword(config, 0) == UINT32_MAX)
		return;
	identity->serial_known = true;
	if (n == CONFIG_SIZE)
		identity->serial = serial_find(config);
	if (identity->serial == UINT64_MAX)
		identity->serial = 0;
}

/* Cuts the last component off; NULL after the first. */
static char *path_tail(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return NULL;
	*slash = '\0';
	return slash + 1;
}

/*
 * ".../pci0000:00/0000:00:1c.0/0000:03:00.0" becomes "0000:00/1c.0/00.0": from
 * the end, as what is in front of the root bus does not matter.
 */
static int place_read(const struct hostpci *host, const char *bdf,
		      char place[HOSTPCI_PLACE_MAX])
{
	char path[PATH_MAX], text[HOSTPCI_PLACE_MAX], *name;
	struct hostpci_addr addr;
	int rc = sysfs_link(host, path, sizeof(path), SYS_DEVICES "/%s", bdf);

	if (rc < 0)
		return rc;
	place[0] = '\0';
	while ((name = path_tail(path)) && addr_from_bdf(name, &addr) == 0) {
		snprintf(text, sizeof(text), "%s", place);
		if (snprintf(place, HOSTPCI_PLACE_MAX, "/%02x.%u%s", addr.slot,
			     addr.func, text) >= HOSTPCI_PLACE_MAX)
			return -ENAMETOOLONG;
	}
	if (!name || strncmp(name, "pci", 3) != 0 || !place[0])
		return -EINVAL;
	snprintf(text, sizeof(text), "%s", place);
	if (snprintf(place, HOSTPCI_PLACE_MAX, "%.16s%s", name + 3, text) >=
	    HOSTPCI_PLACE_MAX)
		return -ENAMETOOLONG;
	return 0;
}

const struct hostpci_dev *hostpci_physfn(const struct hostpci *host,
					 const struct hostpci_dev *dev,
					 unsigned *ret_number)
{
	char pf[HOSTPCI_BDF_MAX], vf[HOSTPCI_BDF_MAX];
	struct hostpci_addr addr;

	if (sysfs_link_name(host, pf, sizeof(pf), SYS_DEVICES "/%s/physfn",
			    dev->bdf) < 0 ||
	    addr_from_bdf(pf, &addr) < 0)
		return NULL;
	for (unsigned n = 0;
	     sysfs_link_name(host, vf, sizeof(vf), SYS_DEVICES "/%s/virtfn%u",
			     pf, n) == 0;
	     n++) {
		if (strcmp(vf, dev->bdf) != 0)
			continue;
		*ret_number = n;
		return hostpci_find(host, addr);
	}
	return NULL;
}

/* All but the serial number; *ret_bearer is the function that has one. */
static int identity_begin(const struct hostpci *host,
			  const struct hostpci_dev *dev,
			  const struct hostpci_dev **ret_bearer,
			  struct hostpci_identity *ret_identity)
{
	struct hostpci_identity identity = {
	    .vendor = dev->vendor,
	    .device = dev->device,
	    .subvendor = dev->subvendor,
	    .subdevice = dev->subdevice,
	};
	unsigned number = 0;
	const struct hostpci_dev *pf = hostpci_physfn(host, dev, &number);
	int rc = place_read(host, pf ? pf->bdf : dev->bdf, identity.place);
	size_t len = strlen(identity.place);

	if (rc < 0)
		return rc;
	if (pf &&
	    snprintf(identity.place + len, sizeof(identity.place) - len,
		     "/vf%u", number) >= (int)(sizeof(identity.place) - len))
		return -ENAMETOOLONG;
	strcpy(identity.bdf, dev->bdf);
	*ret_bearer = pf ? pf : dev;
	*ret_identity = identity;
	return 0;
}

int hostpci_identify(const struct hostpci *host, const struct hostpci_dev *dev,
		     struct err *err, struct hostpci_identity *ret_identity)
{
	const struct hostpci_dev *bearer;
	char label[LABEL_MAX];
	int rc = identity_begin(host, dev, &bearer, ret_identity);

	if (rc < 0)
		return err_sys(err, rc, "%s: finding out its slot",
			       dev_label(dev, label));
	serial_read(host, bearer, ret_identity);
	return 0;
}

/* ---- as text ---- */

void hostpci_identity_format(const struct hostpci_identity *identity,
			     char buf[HOSTPCI_IDENTITY_MAX])
{
	char serial[32] = "-";
	size_t len = 0;

	for (int shift = 56; identity->serial && shift >= 0; shift -= 8)
		len += (size_t)snprintf(
		    serial + len, sizeof(serial) - len, "%s%02x",
		    shift == 56 ? "" : "-",
		    (unsigned)(identity->serial >> shift & 0xff));
	if (!identity->serial_known)
		strcpy(serial, "?");
	snprintf(buf, HOSTPCI_IDENTITY_MAX, "%04x:%04x %04x:%04x %s %s %s",
		 identity->vendor, identity->device, identity->subvendor,
		 identity->subdevice, serial, identity->place, identity->bdf);
}

static int serial_parse(const char *text, struct hostpci_identity *identity)
{
	unsigned byte[8];
	int used = 0;

	identity->serial_known = strcmp(text, "?") != 0;
	if (!identity->serial_known || strcmp(text, "-") == 0)
		return 0;
	if (sscanf(text, "%2x-%2x-%2x-%2x-%2x-%2x-%2x-%2x%n", &byte[0],
		   &byte[1], &byte[2], &byte[3], &byte[4], &byte[5], &byte[6],
		   &byte[7], &used) != 8 ||
	    text[used])
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_LEN(byte); i++)
		identity->serial = identity->serial << 8 | byte[i];
	return 0;
}

int hostpci_identity_parse(const char *text,
			   struct hostpci_identity *ret_identity)
{
	struct hostpci_identity identity = {0};
	char serial[24], again[HOSTPCI_IDENTITY_MAX];
	struct hostpci_addr addr;

	if (sscanf(text, "%4hx:%4hx %4hx:%4hx %23s %95s %19s", &identity.vendor,
		   &identity.device, &identity.subvendor, &identity.subdevice,
		   serial, identity.place, identity.bdf) != 7 ||
	    strspn(identity.place, "0123456789abcdef:./v") !=
		strlen(identity.place) ||
	    addr_from_bdf(identity.bdf, &addr) < 0 ||
	    serial_parse(serial, &identity) < 0)
		return -EINVAL;
	/* One way to write each: what reads differently was not written here */
	hostpci_identity_format(&identity, again);
	if (strcmp(again, text) != 0)
		return -EINVAL;
	*ret_identity = identity;
	return 0;
}

/* ---- finding it again ---- */

/* "00.1" or "vf3": which function of a card. */
static const char *place_function(const char *place)
{
	const char *slash = strrchr(place, '/');
	const char *dot = strrchr(place, '.');

	if (slash && strncmp(slash, "/vf", 3) == 0)
		return slash;
	return dot ? dot : place;
}

static bool kind_is(const struct hostpci_dev *dev,
		    const struct hostpci_identity *identity)
{
	return dev->vendor == identity->vendor &&
	       dev->device == identity->device &&
	       dev->subvendor == identity->subvendor &&
	       dev->subdevice == identity->subdevice;
}

/* What is seen of a kind of function on the host. */
struct sighting {
	const struct hostpci_dev *in_place; /* of the right kind */
	struct hostpci_identity now;	    /* of that one */
	const struct hostpci_dev *stranger; /* in the slot, of another kind */
	const struct hostpci_dev *by_serial, *alike[HOSTPCI_ALIKE];
	size_t kinds;
	unsigned serials; /* how many bear the serial, in_place aside */
};

static void sight(const struct hostpci *host,
		  const struct hostpci_identity *wanted, struct sighting *s)
{
	for (size_t i = 0; i < host->count; i++) {
		const struct hostpci_dev *dev = &host->devs[i];
		const struct hostpci_dev *bearer;
		struct hostpci_identity now;
		bool kind = kind_is(dev, wanted);

		if (identity_begin(host, dev, &bearer, &now) < 0)
			continue;
		/* Reading it wakes devices: only those that may be it. */
		if (kind)
			serial_read(host, bearer, &now);
		if (strcmp(now.place, wanted->place) == 0) {
			*(kind ? &s->in_place : &s->stranger) = dev;
			if (kind)
				s->now = now;
		} else if (kind && wanted->serial &&
			   now.serial == wanted->serial &&
			   strcmp(place_function(now.place),
				  place_function(wanted->place)) == 0) {
			s->by_serial = dev;
			s->serials++;
		} else if (kind && !now.serial && s->kinds < HOSTPCI_ALIKE) {
			s->alike[s->kinds++] = dev;
		}
	}
}

void hostpci_recognise(const struct hostpci *host,
		       const struct hostpci_identity *identity,
		       struct hostpci_found *ret_found)
{
	struct hostpci_found found = {.sight = HOSTPCI_GONE};
	struct sighting s = {0};

	sight(host, identity, &s);
	if (s.serials == 1)
		found.other = s.by_serial;
	else if (identity->serial_known && !identity->serial)
		memcpy(found.alike, s.alike, sizeof(found.alike));
	found.dev = s.in_place;
	if (s.in_place && (!s.now.serial_known || !identity->serial_known)) {
		found.sight = HOSTPCI_UNSURE;
	} else if (s.in_place && s.now.serial == identity->serial) {
		found.sight = HOSTPCI_SAME;
	} else if (s.in_place || s.stranger) {
		found.sight = HOSTPCI_REPLACED;
		found.dev = s.in_place ? s.in_place : s.stranger;
	} else if (s.serials == 1) {
		found.sight = HOSTPCI_MOVED;
	}
	*ret_found = found;
}
