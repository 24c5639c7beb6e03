/* SPDX-License-Identifier: BSD-2-Clause */
/* The USB controller's registers, command ring, ports and options. */
#include <string.h>

#include "check.h"
#include "dev/xhci/xhci_model.h"

#define PM_CTRL 0x68u /* first capability, behind SBRN */

/* ---- options ---- */

static void refused(const char *list, const char *text)
{
	struct err err = {0};

	assert_null(guest_create(list, 0, &err));
	assert_string_equal(err.msg, text);
}

static void test_options(void **state UNUSED)
{
	struct guest *g;

	refused("mouse", "xhci: there is no USB device 'mouse'; there are"
			 " tablet and kbd (a keyboard)");
	refused("tablet=1", "xhci: there is no USB device 'tablet=1'; there"
			    " are tablet and kbd (a keyboard)");
	refused("tablet,kbd,tablet,kbd,tablet", "xhci: 4 USB devices at most");
	g = guest_create("kbd,,keyboard,tablet", 0, NULL);
	assert_non_null(g);
	assert_true(guest_portsc(g, 3) & XHCI_PORTSC_CCS);
	assert_false(guest_portsc(g, 4) & XHCI_PORTSC_CCS);
	assert_string_equal(
	    cfg_raw(g->fake.env.root, "pci.0.9.0.slot.2.device"), "kbd");
	guest_destroy(g);
	g = guest_create(NULL, 0, NULL);
	assert_non_null(g);
	assert_false(guest_portsc(g, 1) & XHCI_PORTSC_CCS);
	guest_destroy(g);
}

/* Config variables as a file sets them. */
static void test_nodes(void **state UNUSED)
{
	static const struct {
		const char *path, *value, *text;
	} bad[] = {
	    {"slot.1.device", "disk",
	     "xhci: there is no USB device 'disk'; there are tablet and kbd"
	     " (a keyboard)"},
	    {"slot.5.device", "tablet",
	     "slot.5: unknown option, did you mean '1'?"},
	    {"slot.1.speed", "9",
	     "slot.1.speed: unknown option, known:"
	     " device"},
	    {"ports", "9", "ports: unknown option, known: device, slot"},
	};
	struct fake fake;
	struct err err;
	struct cfg *node;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		fake_init(&fake);
		node = cfg_create();
		assert_int_equal(cfg_set(node, bad[i].path, bad[i].value, NULL),
				 0);
		assert_int_equal(
		    xhci_model.create(&fake.env, GUEST_ADDR, node, &err),
		    -EINVAL);
		assert_string_equal(err.msg, bad[i].text);
		cfg_destroy(node);
		fake_fini(&fake);
	}
}

/* The hub's places are counted; what was created is undone. */
static void test_too_many_sinks(void **state UNUSED)
{
	const struct input_sink sink = {.active = NULL};
	struct fake fake;
	struct err err;
	struct cfg *node;
	unsigned i;

	fake_init(&fake);
	assert_int_equal(input_hub_create(&fake.env.input), 0);
	for (i = 0; i < INPUT_SINKS_MAX - 1; i++)
		assert_int_equal(input_add(fake.env.input, &sink), 0);
	node = cfg_create();
	assert_int_equal(xhci_model.parse(node, "tablet,kbd", NULL), 0);
	assert_int_equal(xhci_model.create(&fake.env, GUEST_ADDR, node, &err),
			 -ENOSPC);
	assert_string_equal(err.msg, "xhci: too many input devices");
	/* The tablet's place is free again. */
	assert_int_equal(input_add(fake.env.input, &sink), 0);
	input_hub_destroy(fake.env.input);
	fake.env.input = NULL;
	cfg_destroy(node);
	/* Without a hub there are devices that nobody touches. */
	node = cfg_create();
	assert_int_equal(xhci_model.parse(node, "tablet,kbd", NULL), 0);
	assert_int_equal(xhci_model.create(&fake.env, GUEST_ADDR, node, &err),
			 0);
	cfg_destroy(node);
	fake_fini(&fake);
}

/* ---- registers ---- */

static void test_reset_state(void **state)
{
	struct guest *g = *state;
	unsigned i;

	assert_int_equal(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_HCH, 0);
	guest_op_set(g, XHCI_DNCTRL, 0xffffffff);
	assert_int_equal(guest_op(g, XHCI_DNCTRL), 0xffff);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_RS | XHCI_USBCMD_HCRST);
	assert_int_equal(guest_op(g, XHCI_USBCMD), 0);
	assert_int_equal(guest_op(g, XHCI_USBSTS),
			 XHCI_USBSTS_HCH | XHCI_USBSTS_PCD);
	assert_int_equal(guest_op(g, XHCI_DNCTRL), 0);
	assert_int_equal(guest_op(g, XHCI_DCBAAP), 0);
	assert_int_equal(guest_op(g, XHCI_CONFIG), 0);
	assert_int_equal(guest_op(g, XHCI_PAGESIZE), 1);
	for (i = 0; i < GUEST_INTRS; i++) {
		assert_int_equal(guest_intr(g, i, XHCI_IMAN), 0);
		assert_int_equal(guest_intr(g, i, XHCI_IMOD), 4000);
		assert_int_equal(guest_intr(g, i, XHCI_ERSTSZ), 0);
		assert_int_equal(guest_intr(g, i, XHCI_ERDP), 0);
	}
	/* Attached, not enabled; empty; empty USB 3. */
	assert_int_equal(guest_portsc(g, 1), 0x00020ee1);
	assert_int_equal(guest_portsc(g, 3), 0x000002a0);
	assert_int_equal(guest_portsc(g, 8), 0x000002a0);
}

static uint64_t read_sized(struct guest *g, unsigned off, unsigned size)
{
	uint64_t v;

	(void)aspace_read(g->fake.env.mmio, g->bar + off, size, &v);
	return v;
}

static void write_sized(struct guest *g, unsigned off, unsigned size,
			uint64_t v)
{
	(void)aspace_write(g->fake.env.mmio, g->bar + off, size, v);
}

static void test_access_sizes(void **state)
{
	struct guest *g = *state;

	assert_int_equal(read_sized(g, XHCI_CAPLENGTH, 1), 0x40);
	assert_int_equal(read_sized(g, XHCI_CAPLENGTH + 2, 2), 0x0100);
	assert_int_equal(read_sized(g, XHCI_DBOFF, 8), 0x100000002000);
	write_sized(g, g->op + XHCI_DCBAAP, 8, 0x123456789abcdefful);
	assert_int_equal(read_sized(g, g->op + XHCI_DCBAAP, 8),
			 0x123456789abcdec0ul);
	write_sized(g, g->op + XHCI_DCBAAP, 2, 0);
	assert_int_equal(guest_op(g, XHCI_DCBAAP), 0x9abcdec0);
	/* What is not there reads as 0 and takes nothing. */
	guest_write(g, 0x3f0c, 1);
	assert_int_equal(guest_read(g, 0x3f0c), 0);
	guest_write(g, XHCI_HCSPARAMS1, 0);
	assert_int_equal(guest_read(g, XHCI_HCSPARAMS1), 0x08000820);
}

static void test_legacy_handoff(void **state)
{
	struct guest *g = *state;
	unsigned at = guest_read(g, XHCI_HCCPARAMS1) >> 16 << 2;

	/* Firmware takes it, by the byte. */
	write_sized(g, at + 2, 1, 1);
	assert_int_equal(guest_read(g, at), 0x00010401);
	/* The OS asks, and has it. */
	write_sized(g, at + 3, 1, 1);
	assert_int_equal(guest_read(g, at), 0x01000401);
	/* Firmware again, by the dword. */
	guest_write(g, at, XHCI_LEGACY_BIOS_OWNED);
	assert_int_equal(guest_read(g, at), 0x00010401);
	guest_write(g, at + 4, 0xffffffff);
	assert_int_equal(guest_read(g, at + 4), XHCI_LEGACY_SMI_ENABLES);
	/* A reset of the controller does not change the owner. */
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_HCRST);
	assert_int_equal(guest_read(g, at), 0x00010401);
}

static void test_save_restore_fails(void **state)
{
	struct guest *g = *state;

	guest_op_set(g, XHCI_USBCMD, 0);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_CSS);
	assert_int_equal(guest_op(g, XHCI_USBCMD), 0);
	assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_SRE);
	guest_op_set(g, XHCI_USBSTS, XHCI_USBSTS_SRE);
	assert_false(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_SRE);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_CRS);
	assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_SRE);
}

/* ---- command ring ---- */

static void test_command_ring_wraps(void **state)
{
	struct guest *g = *state;
	unsigned i;

	for (i = 0; i < 5 * GUEST_RING_TRBS; i++) {
		guest_log_clear(g);
		assert_int_equal(guest_command(g, XHCI_NO_OP_COMMAND, 0, 0, 0),
				 XHCI_CC_SUCCESS);
	}
	assert_int_equal(guest_op(g, XHCI_CRCR), XHCI_CRCR_CRR);
}

static void test_unknown_commands(void **state)
{
	static const uint8_t types[] = {0,  1,	8,  18, 19, 20, 21,
					22, 24, 31, 33, 48, 63};
	struct guest *g = *state;
	unsigned i;

	for (i = 0; i < sizeof(types); i++) {
		guest_log_clear(g);
		assert_int_equal(guest_command(g, types[i], 0, 0, 0),
				 XHCI_CC_TRB);
	}
}

static void test_command_stop(void **state)
{
	struct guest *g = *state;
	struct xhci_trb event;

	guest_command(g, XHCI_NO_OP_COMMAND, 0, 0, 0);
	guest_enqueue(g, &g->cmd,
		      (struct xhci_trb){.control = XHCI_NO_OP_COMMAND << 10});
	/* The pointer in it is not for now, and neither is its other half. */
	guest_op_set(g, XHCI_CRCR, 0x7000 | XHCI_CRCR_CA);
	guest_op_set(g, XHCI_CRCR + 4, 0x77);
	assert_int_equal(guest_op(g, XHCI_CRCR), 0);
	event = check_event(g, 0);
	assert_int_equal(guest_cc(&event), XHCI_CC_COMMAND_RING_STOPPED);
	assert_int_equal(event.param, g->cmd.base + 16);
	/* The doorbell goes on where it stopped. */
	guest_doorbell(g, 0, 0);
	event = check_event(g, 0);
	assert_int_equal(guest_cc(&event), XHCI_CC_SUCCESS);
	assert_int_equal(event.param, g->cmd.base + 16);
	assert_int_equal(guest_op(g, XHCI_CRCR), XHCI_CRCR_CRR);
	/* Stopped, it can be sent elsewhere. */
	guest_op_set(g, XHCI_CRCR, XHCI_CRCR_CS);
	guest_events(g, 0);
	guest_op_set(g, XHCI_CRCR, (uint32_t)g->mem + 0x7000);
	guest_op_set(g, XHCI_CRCR + 4, 0);
	guest_put32(g, 0x700c, XHCI_NO_OP_COMMAND << 10);
	guest_put32(g, 0x701c, 1);
	guest_doorbell(g, 0, 0);
	event = check_event(g, 0);
	assert_int_equal(event.param, 0x7000);
}

/* After a reset the halves of the pointer may come in any order. */
static void test_command_pointer_halves(void **state)
{
	struct guest *g = *state;

	guest_command(g, XHCI_NO_OP_COMMAND, 0, 0, 0);
	guest_op_set(g, XHCI_CRCR, XHCI_CRCR_CS);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_HCRST);
	guest_op_set(g, XHCI_CRCR + 4, 1);
	guest_op_set(g, XHCI_CRCR, 0x3000 | XHCI_CRCR_RCS);
	guest_events_set(g, 0, 1, 64);
	guest_put32(g, GUEST_HIGH + 0x300c, XHCI_NO_OP_COMMAND << 10 | 1);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_RS);
	guest_doorbell(g, 0, 0);
	guest_log_clear(g);
	assert_int_equal(guest_events(g, 0), 3);
	assert_int_equal(g->log[2].param, GUEST_HIGH + 0x3000);
}

static void test_command_ring_endless(void **state)
{
	struct guest *g = *state;
	struct xhci_trb link = {
	    .param = g->cmd.base,
	    .control = XHCI_LINK << XHCI_TRB_TYPE_SHIFT,
	};

	guest_enqueue(g, &g->cmd, link);
	guest_doorbell(g, 0, 0);
	assert_int_equal(guest_op(g, XHCI_USBSTS) &
			     (XHCI_USBSTS_HCE | XHCI_USBSTS_HCH),
			 XHCI_USBSTS_HCE | XHCI_USBSTS_HCH);
	/* It does not run again before a reset. */
	guest_op_set(g, XHCI_USBSTS, 0xffffffff);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_RS);
	assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_HCH);
	guest_start(g);
	assert_int_equal(guest_command(g, XHCI_NO_OP_COMMAND, 0, 0, 0),
			 XHCI_CC_SUCCESS);
}

static void test_command_ring_nowhere(void **state)
{
	struct guest *g = *state;

	guest_op_set(g, XHCI_CRCR, 0x40000000);
	guest_doorbell(g, 0, 0);
	assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_HSE);
	assert_false(guest_op(g, XHCI_USBCMD) & XHCI_USBCMD_RS);
}

static void test_halted_is_deaf(void **state)
{
	struct guest *g = *state;

	assert_int_equal(guest_command(g, XHCI_NO_OP_COMMAND, 0, 0, 0),
			 XHCI_CC_SUCCESS);
	assert_int_equal(guest_op(g, XHCI_CRCR), XHCI_CRCR_CRR);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_INTE);
	assert_int_equal(guest_op(g, XHCI_CRCR), 0);
	assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_HCH);
	guest_log_clear(g);
	assert_int_equal(guest_command(g, XHCI_NO_OP_COMMAND, 0, 0, 0), 0);
	assert_int_equal(guest_op(g, XHCI_CRCR), 0);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_RS);
	assert_int_equal(guest_events(g, 0), 2); /* two ports with changes */
	guest_doorbell(g, 0, 0);
	assert_event(g, 0, XHCI_COMMAND_COMPLETION, XHCI_CC_SUCCESS);
}

/* ---- PCI ---- */

static void test_bus_master_waits(void **state)
{
	struct guest *g = *state;

	guest_events(g, 0);
	fake_cfg_write(&g->fake, GUEST_ADDR, PCI_COMMAND, 2,
		       PCI_COMMAND_MEMORY);
	guest_log_clear(g);
	assert_int_equal(guest_command(g, XHCI_NO_OP_COMMAND, 0, 0, 0), 0);
	fake_cfg_write(&g->fake, GUEST_ADDR, PCI_COMMAND, 2,
		       PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_event(g, 0, XHCI_COMMAND_COMPLETION, XHCI_CC_SUCCESS);
}

static void test_power(void **state)
{
	struct guest *g = *state;

	guest_events(g, 0);
	assert_int_equal(fake_cfg_read(&g->fake, GUEST_ADDR, PM_CTRL - 4, 1),
			 PCI_CAP_ID_PM);
	fake_cfg_write(&g->fake, GUEST_ADDR, PM_CTRL, 2, 3);
	assert_int_equal(guest_op(g, XHCI_USBCMD), 0xffffffff);
	guest_doorbell(g, 0, 0);
	/* D1 is not there. */
	fake_cfg_write(&g->fake, GUEST_ADDR, PM_CTRL, 2, 1);
	assert_int_equal(fake_cfg_read(&g->fake, GUEST_ADDR, PM_CTRL, 2), 0xb);
	fake_cfg_write(&g->fake, GUEST_ADDR, PM_CTRL, 2, 0);
	assert_int_equal(guest_op(g, XHCI_USBCMD),
			 XHCI_USBCMD_RS | XHCI_USBCMD_INTE);
	assert_int_equal(guest_command(g, XHCI_NO_OP_COMMAND, 0, 0, 0),
			 XHCI_CC_SUCCESS);
}

/* ---- ports ---- */

static void test_port_reset(void **state)
{
	struct guest *g = *state;
	struct xhci_trb event;

	/* Run told what is plugged in. */
	assert_int_equal(guest_events(g, 0), 2);
	assert_int_equal(guest_logged(g, XHCI_PORT_STATUS_CHANGE, &event), 2);
	assert_int_equal(event.param, 2u << XHCI_EVENT_PORT_SHIFT);
	assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_PCD);
	/* Another change behind an unread one is not told (4.19.2). */
	guest_portsc_set(g, 1, XHCI_PORTSC_PP | XHCI_PORTSC_PR);
	assert_int_equal(guest_portsc(g, 1), 0x00220e03);
	assert_int_equal(guest_events(g, 0), 0);
	guest_portsc_set(g, 1, XHCI_PORTSC_PP | XHCI_PORTSC_CHANGES);
	assert_int_equal(guest_portsc(g, 1), 0x00000e03);
	guest_portsc_set(g, 1, XHCI_PORTSC_PP | XHCI_PORTSC_PR);
	assert_event(g, 0, XHCI_PORT_STATUS_CHANGE, XHCI_CC_SUCCESS);
	assert_int_equal(g->log[0].param, 1u << XHCI_EVENT_PORT_SHIFT);
	assert_int_equal(guest_portsc(g, 1), 0x00200e03);
}

static void test_port_disable_power(void **state)
{
	struct guest *g = *state;

	guest_port_reset(g, 1);
	guest_portsc_set(g, 1, XHCI_PORTSC_PP | XHCI_PORTSC_PED);
	assert_int_equal(guest_portsc(g, 1), 0x00000ee1);
	guest_port_reset(g, 1);
	assert_int_equal(guest_portsc(g, 1), 0x00000e03);
	/* Off: nothing is seen. */
	guest_portsc_set(g, 1, 0);
	assert_int_equal(guest_portsc(g, 1), 0x00000080);
	guest_portsc_set(g, 1, XHCI_PORTSC_PR);
	assert_int_equal(guest_portsc(g, 1), 0x00000080);
	guest_log_clear(g);
	/* On: a new connection. */
	guest_portsc_set(g, 1, XHCI_PORTSC_PP | XHCI_PORTSC_WAKE);
	assert_int_equal(guest_portsc(g, 1), 0x0e020ee1);
	assert_event(g, 0, XHCI_PORT_STATUS_CHANGE, XHCI_CC_SUCCESS);
}

static void test_port_suspend(void **state)
{
	const uint32_t link = XHCI_PORTSC_PP | XHCI_PORTSC_LWS;
	struct guest *g = *state;

	/* Not enabled: nothing to suspend. */
	guest_portsc_set(g, 1, link | XHCI_PLS_U3 << XHCI_PORTSC_PLS_SHIFT);
	assert_int_equal(guest_portsc(g, 1) & XHCI_PORTSC_PLS, 0xe0);
	guest_port_reset(g, 1);
	guest_portsc_set(g, 1, link | XHCI_PLS_RESUME << XHCI_PORTSC_PLS_SHIFT);
	assert_int_equal(guest_portsc(g, 1), 0x00000e03);
	guest_portsc_set(g, 1, link | XHCI_PLS_U3 << XHCI_PORTSC_PLS_SHIFT);
	assert_int_equal(guest_portsc(g, 1), 0x00000e63);
	guest_portsc_set(g, 1, link | XHCI_PLS_RESUME << XHCI_PORTSC_PLS_SHIFT);
	assert_int_equal(guest_portsc(g, 1), 0x00000fe3);
	guest_portsc_set(g, 1, link);
	assert_int_equal(guest_portsc(g, 1), 0x00400e03);
	assert_event(g, 0, XHCI_PORT_STATUS_CHANGE, XHCI_CC_SUCCESS);
}

static void test_empty_ports(void **state)
{
	const uint32_t link = XHCI_PORTSC_PP | XHCI_PORTSC_LWS;
	struct guest *g = *state;

	guest_events(g, 0);
	guest_portsc_set(g, 3, XHCI_PORTSC_PP | XHCI_PORTSC_PR);
	assert_int_equal(guest_portsc(g, 3), 0x000002a0);
	guest_portsc_set(g, 5, XHCI_PORTSC_PP | 1u << 31); /* warm reset */
	assert_int_equal(guest_portsc(g, 5), 0x000002a0);
	guest_portsc_set(g, 5, link | XHCI_PLS_DISABLED << 5);
	assert_int_equal(guest_portsc(g, 5), 0x00000280);
	guest_portsc_set(g, 5, link | XHCI_PLS_U0 << 5);
	assert_int_equal(guest_portsc(g, 5), 0x00000280);
	guest_portsc_set(g, 5, link | XHCI_PLS_RX_DETECT << 5);
	assert_int_equal(guest_portsc(g, 5), 0x000002a0);
	assert_int_equal(guest_events(g, 0), 0);
	/* Timeouts of USB 3 ports are kept, others have none. */
	guest_op_set(g, XHCI_PORTS + 0x44, 0xffffffff);
	assert_int_equal(guest_op(g, XHCI_PORTS + 0x44), 0x1ffff);
	guest_op_set(g, XHCI_PORTS + 0x04, 0xffffffff);
	assert_int_equal(guest_op(g, XHCI_PORTS + 0x04), 0);
	guest_op_set(g, XHCI_PORTS + 0x08, 0xffffffff);
	assert_int_equal(guest_op(g, XHCI_PORTS + 0x08), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_nodes),
	    cmocka_unit_test(test_too_many_sinks),
	    check_test(test_reset_state),
	    check_test(test_access_sizes),
	    check_test(test_legacy_handoff),
	    check_test(test_save_restore_fails),
	    check_test(test_command_ring_wraps),
	    check_test(test_unknown_commands),
	    check_test(test_command_stop),
	    check_test(test_command_pointer_halves),
	    check_test(test_command_ring_endless),
	    check_test(test_command_ring_nowhere),
	    check_test(test_halted_is_deaf),
	    check_test(test_bus_master_waits),
	    check_test(test_power),
	    check_test(test_port_reset),
	    check_test(test_port_disable_power),
	    check_test(test_port_suspend),
	    check_test(test_empty_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
