/* SPDX-License-Identifier: BSD-2-Clause */
/* Which functions get a root port, and which they share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/log.h"
#include "fake_world.h"
#include "machine/ports.h"

static struct world world;

static int setup(void **state)
{
	world_init(&world);
	world_start(&world);
	*state = &world;
	return 0;
}

static int teardown(void **state)
{
	world_fini(*state);
	return 0;
}

/* The node of 0:slot:func with this port=, NULL: without. */
static struct cfg *node(struct world *w, unsigned slot, unsigned func,
			const char *port)
{
	struct err err = {0};
	struct cfg *made;
	char path[32];

	snprintf(path, sizeof(path), "pci.0.%u.%u", slot, func);
	assert_int_equal(cfg_make(w->cfg, path, &err, &made), 0);
	if (port)
		assert_int_equal(cfg_set(made, "port", port, &err), 0);
	return made;
}

static struct pci_dev *above(struct world *w, unsigned slot, unsigned func,
			     const char *port)
{
	struct pci_addr at = {0, (uint8_t)slot, (uint8_t)func};
	struct pci_dev *made = NULL;
	struct err err = {0};

	if (ports_above(&w->env, at, node(w, slot, func, port), &err, &made))
		fail_msg("%s", err.msg);
	return made;
}

static void refused(struct world *w, unsigned slot, unsigned func,
		    const char *port, int code, const char *sentence)
{
	struct pci_addr at = {0, (uint8_t)slot, (uint8_t)func};
	struct pci_dev *made = NULL;
	struct err err = {0};

	assert_int_equal(
	    ports_above(&w->env, at, node(w, slot, func, port), &err, &made),
	    code);
	assert_string_equal(err.msg, sentence);
}

static void test_none(void **state)
{
	assert_null(above(*state, 6, 0, NULL));
	assert_null(above(*state, 7, 0, "none"));
	assert_null(above(*state, 7, 1, NULL));
}

static void test_shared(void **state)
{
	struct pci_dev *port = above(*state, 6, 0, "pcie");

	assert_true(pcie_port_is(port));
	assert_false(pcie_port_has_hotplug(port));
	assert_int_equal(port->addr.slot, 6);
	/* Those of one slot share it, asked or not; others do not. */
	assert_ptr_equal(above(*state, 6, 1, "pcie"), port);
	assert_ptr_equal(above(*state, 6, 2, NULL), port);
	assert_null(above(*state, 6, 3, "none"));
	assert_ptr_not_equal(above(*state, 7, 1, "pcie"), port);
	assert_true(pcie_port_has_hotplug(above(*state, 8, 0, "hotplug")));
}

static void test_refused(void **state)
{
	refused(*state, 6, 0, "usb", -EINVAL,
		"port=usb: expected none, pcie or hotplug");
	(void)above(*state, 6, 0, "pcie");
	refused(*state, 6, 1, "hotplug", -EEXIST,
		"port=hotplug: function 0 of the slot is something else (0:6:0"
		" pcie-port); give all functions of a slot the same port, or"
		" move this one");
}

/* Presence and power from what is behind each, before the guest runs. */
static void test_settled(void **state)
{
	struct world *w = *state;
	struct pci_dev *port = above(w, 6, 0, "hotplug");

	assert_true(pcie_port_powered(port));
	ports_settle(w->host);
	assert_false(pcie_port_powered(port));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	static const struct CMUnitTest tests[] = {
	    T(test_none),
	    T(test_shared),
	    T(test_refused),
	    T(test_settled),
	};

	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
