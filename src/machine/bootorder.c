/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot order for firmware; the contract is in bootorder.h. */
#include "machine/bootorder.h"

#include <string.h>

#include "machine/ports.h"

#define INDEX_MAX 65535u
#define PATH_ROOM 96u

struct entry {
	unsigned index;
	char path[PATH_ROOM];
};

struct order {
	struct cfg *root;
	struct entry entry[BOOTORDER_MAX];
	unsigned count;
};

/*
 * How a device's path goes on after "/pci@i0cf8/": before and after @SLOT. An
 * NVMe's has no namespace: OVMF would look for one without EUI-64, and ours has
 * one; as any other PCI function it is found by what its path begins with.
 */
struct shape {
	const char *device, *node, *rest;
	bool ports; /* rest has a # where the port goes */
};

static const struct shape shapes[] = {
    {"virtio-blk", "scsi", "/disk@0,0", false},
    {"virtio-scsi", "scsi", "/channel@0/disk@#,0", true},
    {"ahci", "pci8086,2922", "/drive@#/disk@0", true},
    {"ahci-hd", "pci8086,2922", "/drive@#/disk@0", true},
    {"ahci-cd", "pci8086,2922", "/drive@#/disk@0", true},
    {"nvme", "nvme", "", false},
    {"virtio-net", "ethernet", "/ethernet-phy@0", false},
    {"e1000", "ethernet", "/ethernet-phy@0", false},
    {"passthru", "pci", "", false},
};

static const struct shape *find_shape(const char *device)
{
	size_t i;

	for (i = 0; device && i < ARRAY_LEN(shapes); i++)
		if (!strcmp(shapes[i].device, device))
			return &shapes[i];
	return NULL;
}

static void write_path(struct entry *entry, const struct shape *shape,
		       const unsigned at[3], unsigned port)
{
	char slot[16], rest[32];

	if (at[2])
		snprintf(slot, sizeof(slot), "%x,%x", at[1], at[2]);
	else
		snprintf(slot, sizeof(slot), "%x", at[1]);
	if (shape->ports) {
		const char *hole = strchr(shape->rest, '#');

		snprintf(rest, sizeof(rest), "%.*s%x%s",
			 (int)(hole - shape->rest), shape->rest, port,
			 hole + 1);
	} else {
		snprintf(rest, sizeof(rest), "%s", shape->rest);
	}
	snprintf(entry->path, sizeof(entry->path), "/pci@i0cf8/%s@%s%s",
		 shape->node, slot, rest);
}

/* A function behind a port of its slot: there, device 0 has all functions. */
static void write_port_path(struct entry *entry, const unsigned at[3])
{
	snprintf(entry->path, sizeof(entry->path),
		 at[2] ? "/pci@i0cf8/pci-bridge@%x/pci@0,%x"
		       : "/pci@i0cf8/pci-bridge@%x/pci@0",
		 at[1], at[2]);
}

static bool has_port(struct cfg *root, struct cfg *func, const unsigned at[3])
{
	const struct pci_addr addr = {(uint8_t)at[0], (uint8_t)at[1],
				      (uint8_t)at[2]};
	const char *device = cfg_raw(func, "device");
	enum port_kind kind;

	return device && !strcmp(device, "passthru") &&
	       !ports_wanted(root, addr, func, NULL, &kind) &&
	       kind != PORT_NONE;
}

/* Adds `node`, the function's or a port's, when it has a bootindex. */
static int add(struct order *order, struct cfg *func, struct cfg *node,
	       const unsigned at[3], struct err *err)
{
	const char *device = cfg_raw(func, "device");
	const struct shape *shape = find_shape(device);
	uint64_t index, port = 0;
	char path[CFG_PATH_MAX];
	unsigned i;

	if (!cfg_raw(node, "bootindex"))
		return 0;
	cfg_path(node, path, sizeof(path));
	if (cfg_u64(node, "bootindex", 0, 0, INDEX_MAX, err, &index))
		return -EINVAL;
	if (!shape || at[0])
		return err_set(err, -EINVAL,
			       "%s.bootindex: firmware boots from disks,"
			       " network cards and passed-through devices on"
			       " bus 0 only",
			       path);
	if (node != func && parse_u64(cfg_name(node), &port))
		return err_set(err, -EINVAL, "%s: not a port number", path);
	for (i = 0; i < order->count; i++)
		if (order->entry[i].index == index)
			return err_set(err, -EINVAL,
				       "%s.bootindex=%u: another device has"
				       " the same number",
				       path, (unsigned)index);
	if (order->count == BOOTORDER_MAX)
		return err_set(err, -E2BIG,
			       "%s.bootindex: more than %u devices", path,
			       BOOTORDER_MAX);
	order->entry[order->count].index = (unsigned)index;
	if (has_port(order->root, func, at))
		write_port_path(&order->entry[order->count++], at);
	else
		write_path(&order->entry[order->count++], shape, at,
			   (unsigned)port);
	return 0;
}

static int add_function(struct order *order, struct cfg *func,
			const unsigned at[3], struct err *err)
{
	struct cfg *port;
	int r = add(order, func, func, at, err);

	for (port = cfg_first(cfg_find(func, "port")); port && !r;
	     port = cfg_next(port))
		r = add(order, func, port, at, err);
	return r;
}

/* Walks pci.BUS.SLOT.FUNCTION; the numbers were checked when it was built. */
static int collect(struct order *order, struct cfg *node, unsigned depth,
		   unsigned at[3], struct err *err)
{
	uint64_t number;
	int r = 0;

	for (; node && !r; node = cfg_next(node)) {
		if (parse_u64(cfg_name(node), &number))
			continue; /* an option of `pci` itself */
		at[depth] = (unsigned)number;
		r = depth == 2
			? add_function(order, node, at, err)
			: collect(order, cfg_first(node), depth + 1, at, err);
	}
	return r;
}

static int by_index(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->index < y->index ? -1 : 1;
}

int bootorder_build(struct cfg *root, struct err *err, struct tbuf *out)
{
	CLEANUP_FREE struct order *order = calloc(1, sizeof(*order));
	unsigned at[3] = {0}, i;
	int r;

	if (!order)
		return err_set(err, -ENOMEM, "boot order: out of memory");
	order->root = root;
	r = collect(order, cfg_first(cfg_find(root, "pci")), 0, at, err);
	if (r || !order->count)
		return r;
	qsort(order->entry, order->count, sizeof(order->entry[0]), by_index);
	for (i = 0; i < order->count; i++) {
		tbuf_add(out, order->entry[i].path,
			 strlen(order->entry[i].path));
		tbuf_add(out, "\n", 1);
	}
	out->data[out->len - 1] = '\0';
	return 0;
}
