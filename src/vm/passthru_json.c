/* SPDX-License-Identifier: BSD-2-Clause */
/* vm passthru --json: all that is known of each function, for programs. */
#include <jansson.h>
#include <string.h>

#include "vm/devlog.h"
#include "vm/passthru.h"
#include "vm/persist.h"

/* null when unknown, or not text that JSON can hold. */
static json_t *text_or_null(const char *text)
{
	json_t *value = text && text[0] ? json_string(text) : NULL;

	return value ? value : json_null();
}

static json_t *number_or_null(long long number, long long none)
{
	return number == none ? json_null() : json_integer(number);
}

static json_t *hex(unsigned number, int digits)
{
	return json_sprintf("0x%0*x", digits, number);
}

static json_t *ids_json(const struct hostpci_dev *dev)
{
	json_t *ids = json_object();

	json_object_set_new(ids, "vendor", hex(dev->vendor, 4));
	json_object_set_new(ids, "device", hex(dev->device, 4));
	json_object_set_new(ids, "subsystem_vendor", hex(dev->subvendor, 4));
	json_object_set_new(ids, "subsystem_device", hex(dev->subdevice, 4));
	json_object_set_new(ids, "class", hex(dev->class, 6));
	json_object_set_new(ids, "revision", hex(dev->revision, 2));
	return ids;
}

static json_t *methods_json(const struct hostpci_dev *dev)
{
	CLEANUP_WORDS struct words words = {0};
	json_t *list = json_array();

	words_split(&words, dev->reset_methods);
	for (size_t i = 0; i < words.count; i++)
		json_array_append_new(list, json_string(words.word[i]));
	return list;
}

static json_t *link_json(const struct hostpci_dev *dev)
{
	json_t *link;

	if (!dev->width && !dev->max_width)
		return json_null();
	link = json_object();
	json_object_set_new(link, "speed", text_or_null(dev->speed));
	json_object_set_new(link, "width", json_integer(dev->width));
	json_object_set_new(link, "max_speed", text_or_null(dev->max_speed));
	json_object_set_new(link, "max_width", json_integer(dev->max_width));
	return link;
}

/* What a resizable BAR can have, in bytes; empty for any other. */
static json_t *sizes_json(const struct pciview *view,
			  const struct hostpci_dev *dev, unsigned bar)
{
	uint64_t sizes = hostpci_bar_sizes(view->host, dev, bar);
	json_t *list = json_array();

	for (unsigned bit = 0; sizes; sizes >>= 1, bit++)
		if (sizes & 1)
			json_array_append_new(
			    list, json_integer((json_int_t)(MIB(1) << bit)));
	return list;
}

/* Index 6 is the ROM. An address of 0: none was given to it. */
static json_t *bars_json(const struct pciview *view,
			 const struct hostpci_dev *dev)
{
	json_t *list = json_array();

	for (size_t i = 0; i < HOSTPCI_BARS; i++) {
		const struct hostpci_bar *bar = &dev->bar[i];
		json_t *item;

		if (!bar->size)
			continue;
		item = json_object();
		json_object_set_new(item, "index", json_integer((json_int_t)i));
		json_object_set_new(item, "address",
				    json_integer((json_int_t)bar->start));
		json_object_set_new(item, "size",
				    json_integer((json_int_t)bar->size));
		json_object_set_new(item, "possible_sizes",
				    sizes_json(view, dev, (unsigned)i));
		json_object_set_new(
		    item, "flags",
		    json_sprintf("0x%llx", (unsigned long long)bar->flags));
		json_array_append_new(list, item);
	}
	return list;
}

static void identity_json(const struct pciview *view,
			  const struct persist *persist,
			  const struct hostpci_dev *dev, json_t *object)
{
	struct hostpci_identity identity;
	char key[DEVLOG_KEY_MAX];
	struct err err = {0};
	json_t *serial = json_null();

	if (hostpci_identify(view->host, dev, &err, &identity) < 0)
		return;
	devlog_key(&identity, key);
	if (identity.serial)
		serial = json_sprintf("%016llx",
				      (unsigned long long)identity.serial);
	json_object_set_new(object, "reserved_at_boot",
			    json_boolean(persist_has(persist, &identity)));
	json_object_set_new(object, "slot_path", json_string(identity.place));
	json_object_set_new(object, "serial", serial);
	json_object_set_new(object, "quarantine",
			    quarantine_check(view->place, key, dev, &err) ==
				    -EHOSTDOWN
				? json_string(err.msg)
				: json_null());
}

static void sriov_json(const struct pciview *view,
		       const struct hostpci_dev *dev, json_t *object)
{
	struct hostpci_sriov sriov;
	const struct hostpci_dev *pf;
	unsigned number = 0;
	json_t *item = json_null();

	hostpci_sriov(view->host, dev, &sriov);
	if (sriov.total) {
		item = json_object();
		json_object_set_new(item, "total", json_integer(sriov.total));
		json_object_set_new(item, "count", json_integer(sriov.count));
	}
	json_object_set_new(object, "sriov", item);
	pf = hostpci_physfn(view->host, dev, &number);
	json_object_set_new(object, "virtual_function_of",
			    text_or_null(pf ? pf->bdf : NULL));
}

static json_t *dev_json(const struct pciview *view,
			const struct persist *persist,
			const struct hostpci_dev *dev)
{
	const struct claim *claim = claims_find(&view->claims, dev->bdf);
	char name[PCINAME_SIZE + 8];
	json_t *object = json_object();

	pcinames_of(&view->names, dev, name);
	json_object_set_new(object, "address", json_string(dev->bdf));
	json_object_set_new(object, "selector", json_string(dev->selector));
	json_object_set_new(object, "name", text_or_null(name));
	json_object_set_new(object, "ids", ids_json(dev));
	json_object_set_new(object, "vendor_name",
			    text_or_null(hostpci_vendor_name(dev)));
	json_object_set_new(object, "device_name",
			    text_or_null(hostpci_device_name(dev)));
	json_object_set_new(object, "bridge",
			    json_boolean(hostpci_is_bridge(dev)));
	json_object_set_new(object, "parent", text_or_null(dev->parent));
	identity_json(view, persist, dev, object);
	json_object_set_new(object, "driver", text_or_null(dev->driver));
	json_object_set_new(object, "ready", json_boolean(hostpci_ready(dev)));
	json_object_set_new(object, "iommu_group",
			    number_or_null(dev->iommu_group, HOSTPCI_NO_GROUP));
	json_object_set_new(object, "numa_node",
			    number_or_null(dev->numa_node, -1));
	json_object_set_new(object, "reset_methods", methods_json(dev));
	json_object_set_new(object, "link", link_json(dev));
	json_object_set_new(object, "bars", bars_json(view, dev));
	sriov_json(view, dev, object);
	json_object_set_new(object, "guest",
			    text_or_null(claim ? claim->guest : NULL));
	json_object_set_new(object, "guest_running",
			    json_boolean(claim && claim->running));
	return object;
}

int passthru_json(const struct place *place)
{
	CLEANUP_PCIVIEW struct pciview view = {0};
	struct persist persist = {.count = 0};
	struct err err = {0};
	json_t *list;
	int rc;

	if (pciview_open(place, &view) != 0)
		return 1;
	if (persist_load(place, &err, &persist) < 0)
		say_warning("%s", err.msg);
	list = json_array();
	for (size_t i = 0; i < hostpci_count(view.host); i++)
		json_array_append_new(
		    list, dev_json(&view, &persist, hostpci_at(view.host, i)));
	rc = list ? json_dumpf(list, stdout, JSON_INDENT(2)) : -1;
	printf("\n");
	json_decref(list);
	return rc < 0 ? say_error("out of memory, or stdout cannot be written")
		      : 0;
}
