/* SPDX-License-Identifier: BSD-2-Clause */
/* vm switch list and info: what is configured and what the host has of it. */
#include "vm/switch_show.h"

#include <inttypes.h>
#include <string.h>

#include "vm/switch.h"

#define COLUMNS 8u

/* What both commands read; the host's state may be missing. */
struct view {
	struct switch_store store;
	struct netlink_state state;
	struct words names;
};

static void view_close(struct view *view)
{
	switch_store_close(&view->store);
	netlink_state_free(&view->state);
	words_free(&view->names);
}

#define CLEANUP_VIEW __attribute__((cleanup(view_close)))

static int view_open(const struct place *place, struct err *err,
		     struct view *view)
{
	CLEANUP_NETLINK struct netlink *net = NULL;
	int rc = switch_store_read(place, err, &view->store);

	if (rc == 0)
		rc = netlink_open(err, &net);
	if (rc == 0)
		rc = netlink_read(net, err, &view->state);
	switch_store_names(&view->store, &view->names);
	return rc < 0 ? rc : words_check(&view->names, err);
}

static void number_add(struct words *cells, unsigned number)
{
	if (number)
		words_add(cells, "%u", number);
	else
		words_add(cells, "-");
}

static void addr_add(struct words *cells, const struct netlink_addr *addr)
{
	char text[NETLINK_ADDR_TEXT] = "-";

	if (addr->family)
		netlink_addr_format(addr, text);
	words_add(cells, "%s", text);
}

/* "em0 em1", "-" */
static void ports_format(const struct vswitch *sw, char *buf, size_t size)
{
	size_t len = 0;

	snprintf(buf, size, "-");
	for (unsigned i = 0; i < sw->ports && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s",
					i ? " " : "", sw->port[i]);
}

/* As vm-bhyve: what a manual switch leaves to the host is not applicable. */
static void row_manual(const struct vswitch *sw, struct words *cells)
{
	words_add(cells, "%s", sw->name);
	words_add(cells, "manual");
	words_add(cells, "%s", sw->bridge);
	words_add(cells, "n/a");
	words_add(cells, "%s", sw->is_private ? "yes" : "no");
	for (int i = 0; i < 3; i++)
		words_add(cells, "n/a");
}

static void row_standard(const struct view *view, const struct vswitch *sw,
			 struct words *cells)
{
	bool there = netlink_find(&view->state, sw->bridge) != NULL;
	char ports[SWITCH_PORTS_MAX * IFNAMSIZ];
	bool second = sw->addr.family && sw->addr6.family;

	ports_format(sw, ports, sizeof(ports));
	words_add(cells, "%s", sw->name);
	words_add(cells, "standard");
	words_add(cells, "%s", there ? sw->bridge : "-");
	addr_add(cells, sw->addr.family ? &sw->addr : &sw->addr6);
	words_add(cells, "%s", sw->is_private ? "yes" : "no");
	number_add(cells, sw->mtu);
	number_add(cells, sw->vlan);
	words_add(cells, "%s", ports);
	for (unsigned i = 0; second && i < COLUMNS; i++) {
		if (i == 3)
			addr_add(cells, &sw->addr6);
		else
			words_add(cells, "%s", "");
	}
}

static int row_add(const struct view *view, const char *name,
		   struct words *cells)
{
	struct vswitch sw;
	struct err err = {0};

	if (vswitch_load(&view->store, name, &err, &sw) == 0) {
		if (sw.type == SWITCH_MANUAL)
			row_manual(&sw, cells);
		else
			row_standard(view, &sw, cells);
		return 0;
	}
	words_add(cells, "%s", name);
	words_add(cells, "%s",
		  conf_member(view->store.conf, "type_%.48s", name) ?: "-");
	for (unsigned i = 2; i < COLUMNS; i++)
		words_add(cells, "-");
	return say_warning("%s", err.msg);
}

int switch_list(const struct command *cmd, const struct place *place, int argc,
		char **argv)
{
	static const char *const head[COLUMNS] = {"NAME",    "TYPE",	"IFACE",
						  "ADDRESS", "PRIVATE", "MTU",
						  "VLAN",    "PORTS"};
	CLEANUP_VIEW struct view view = {.store = SWITCH_STORE_NONE};
	struct table table = {.columns = COLUMNS};
	struct err err = {0};
	int status = 0;

	if (argc > 1)
		return say_usage(cmd, "switch list: '%s' is not expected",
				 argv[1]);
	if (view_open(place, &err, &view) < 0)
		return say_error("%s", err.msg);
	for (unsigned i = 0; i < COLUMNS; i++)
		words_add(&table.cells, "%s", head[i]);
	for (size_t i = 0; i < view.names.count; i++)
		(void)row_add(&view, view.names.word[i], &table.cells);
	if (words_check(&table.cells, &err) < 0)
		status = say_error("%s", err.msg);
	else
		table_print(&table, stdout);
	words_free(&table.cells);
	return status;
}

/* --- info --- */

static void bytes_print(const char *name, uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	double shown = (double)bytes;
	size_t unit = 0;

	while (shown >= 1024 && unit + 2 < sizeof(units)) {
		shown /= 1024;
		unit++;
	}
	printf("  %s: %" PRIu64 " (%.3f%c)\n", name, bytes, shown, units[unit]);
}

static void addr_print(const char *name, const struct netlink_addr *addr)
{
	char text[NETLINK_ADDR_TEXT];

	if (!addr->family)
		return;
	netlink_addr_format(addr, text);
	printf("  %s: %s\n", name, text);
}

static void settings_print(const struct vswitch *sw)
{
	char ports[SWITCH_PORTS_MAX * IFNAMSIZ];
	bool manual = sw->type == SWITCH_MANUAL;

	printf("  type: %s\n", manual ? "manual" : "standard");
	printf("  ident: %s\n", sw->bridge);
	if (sw->vlan)
		printf("  vlan: %u\n", sw->vlan);
	else
		printf("  vlan: -\n");
	ports_format(sw, ports, sizeof(ports));
	printf("  physical-ports: %s\n", manual ? "n/a" : ports);
	addr_print("address", &sw->addr);
	addr_print("address6", &sw->addr6);
	if (sw->mtu)
		printf("  mtu: %u\n", sw->mtu);
	if (sw->is_private)
		printf("  private: yes\n");
}

static void nat_print(const struct vswitch *sw)
{
	char first_text[NETLINK_ADDR_TEXT], last_text[NETLINK_ADDR_TEXT];
	uint32_t first, last;

	if (!sw->nat)
		return;
	switch_nat_range(&sw->addr, &first, &last);
	snprintf(first_text, sizeof(first_text), "%u.%u.%u.%u", first >> 24,
		 first >> 16 & 255, first >> 8 & 255, first & 255);
	snprintf(last_text, sizeof(last_text), "%u.%u.%u.%u", last >> 24,
		 last >> 16 & 255, last >> 8 & 255, last & 255);
	printf("  nat: yes\n  dhcp: %s - %s\n", first_text, last_text);
}

static void taps_print(const struct view *view, const struct vswitch *sw)
{
	for (size_t i = 0; i < view->state.links; i++) {
		const struct netlink_link *link = &view->state.link[i];
		char guest[GUEST_NAME_MAX + 1];

		if (netlink_is_port(&view->state, link, sw->bridge) &&
		    switch_tap_guest(link, guest))
			printf("\n  virtual-port\n    device: %s\n    vm: %s\n",
			       link->name, guest);
	}
}

static int info_print(const struct view *view, const char *name)
{
	const struct netlink_link *link;
	struct vswitch sw;
	struct err err = {0};

	if (vswitch_load(&view->store, name, &err, &sw) < 0)
		return say_error("%s", err.msg);
	printf("------------------------\nVirtual Switch: %s\n"
	       "------------------------\n",
	       name);
	settings_print(&sw);
	nat_print(&sw);
	link = netlink_find(&view->state, sw.bridge);
	if (link) {
		bytes_print("bytes-in", link->rx_bytes);
		bytes_print("bytes-out", link->tx_bytes);
		taps_print(view, &sw);
	} else {
		printf("  state: not there; 'vm init' brings switches up\n");
	}
	printf("\n");
	return 0;
}

int switch_info(const struct command *cmd, const struct place *place, int argc,
		char **argv)
{
	CLEANUP_VIEW struct view view = {.store = SWITCH_STORE_NONE};
	struct err err = {0};
	int status = 0;

	(void)cmd;
	if (view_open(place, &err, &view) < 0)
		return say_error("%s", err.msg);
	for (int i = 1; i < argc; i++)
		status |= info_print(&view, argv[i]);
	for (size_t i = 0; argc == 1 && i < view.names.count; i++)
		status |= info_print(&view, view.names.word[i]);
	return status;
}
