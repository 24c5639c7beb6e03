/* SPDX-License-Identifier: BSD-2-Clause */
/* The USB controller's event rings, interrupts and microframe counter. */
#include "check.h"

#define GSI	  pci_swizzle_gsi(9, 1)
#define MSI_CTRL  0xaau /* capabilities: 64 PM, 6c PCIe, a8 MSI, c0 MSI-X */
#define MSIX_CTRL 0xc2u
#define TABLE	  0x3000u
#define PBA	  0x3800u

static void no_op(struct guest *g)
{
	guest_enqueue(g, &g->cmd,
		      (struct xhci_trb){.control = XHCI_NO_OP_COMMAND
						   << XHCI_TRB_TYPE_SHIFT});
	guest_doorbell(g, 0, 0);
}

/* ---- rings ---- */

static void test_ring_wraps(void **state)
{
	struct guest *g = *state;
	unsigned i;

	guest_events(g, 0);
	guest_events_set(g, 0, 1, 16);
	for (i = 0; i < 100; i++) {
		no_op(g);
		assert_event(g, 0, XHCI_COMMAND_COMPLETION, XHCI_CC_SUCCESS);
	}
}

static void test_ring_segments(void **state)
{
	struct guest *g = *state;
	unsigned i, n = 0;

	guest_events(g, 0);
	guest_events_set(g, 0, 3, 16);
	for (i = 0; i < 200; i++) {
		no_op(g);
		if (i % 7 == 6) {
			guest_log_clear(g);
			assert_int_equal(guest_events(g, 0), 7);
			n += 7;
		}
	}
	guest_log_clear(g);
	assert_int_equal(n + guest_events(g, 0), 200);
}

/* Sixteen TRBs: one keeps the pointers apart, one is for the error. */
static void test_ring_full(void **state)
{
	struct guest *g = *state;
	struct xhci_trb event;
	unsigned i, done = 0, full = 0;

	guest_events(g, 0);
	guest_log_clear(g);
	guest_events_set(g, 0, 1, 16);
	for (i = 0; i < 14; i++)
		no_op(g);
	while (guest_event_peek(g, 0, &event)) {
		if (guest_cc(&event) == XHCI_CC_SUCCESS)
			done++;
		if (guest_cc(&event) == XHCI_CC_EVENT_RING_FULL)
			full++;
	}
	/* A command is only begun with room for two events. */
	assert_int_equal(done, 13);
	assert_int_equal(full, 1);
	assert_int_equal(event.control >> XHCI_TRB_TYPE_SHIFT,
			 XHCI_HOST_CONTROLLER_EVENT);
	/* The one left over is done as soon as there is room. */
	guest_events_ack(g, 0);
	assert_event(g, 0, XHCI_COMMAND_COMPLETION, XHCI_CC_SUCCESS);
}

/* Room that is given back one by one: the error is not told again and again. */
static void test_ring_full_slowly(void **state)
{
	struct guest *g = *state;
	uint64_t base = g->mem + AT_EVENT;
	struct xhci_trb event;
	unsigned i, done = 0, full = 0;

	guest_events(g, 0);
	guest_events_set(g, 0, 1, 16);
	for (i = 0; i < 14; i++)
		no_op(g);
	for (i = 1; i <= 40; i++) {
		if (guest_event_peek(g, 0, &event)) {
			done += guest_cc(&event) == XHCI_CC_SUCCESS;
			full += guest_cc(&event) == XHCI_CC_EVENT_RING_FULL;
		}
		guest_intr_set(g, 0, XHCI_ERDP,
			       (uint32_t)base + 16 * g->events[0].at);
	}
	assert_int_equal(done, 14);
	assert_int_equal(full, 1);
}

/* Port changes wait for room, too. */
static void test_port_event_waits(void **state)
{
	struct guest *g = *state;
	struct xhci_trb event;
	unsigned i;

	guest_port_reset(g, 1);
	guest_port_reset(g, 2);
	guest_events_set(g, 0, 1, 16);
	for (i = 0; i < 14; i++)
		no_op(g);
	guest_portsc_set(g, 1, XHCI_PORTSC_PP | XHCI_PORTSC_PR);
	guest_portsc_set(g, 2, XHCI_PORTSC_PP | XHCI_PORTSC_PR);
	guest_log_clear(g);
	guest_events(g, 0);
	assert_int_equal(guest_logged(g, XHCI_PORT_STATUS_CHANGE, &event), 0);
	guest_events(g, 0);
	assert_int_equal(guest_logged(g, XHCI_PORT_STATUS_CHANGE, &event), 2);
	assert_int_equal(guest_logged(g, XHCI_COMMAND_COMPLETION, &event), 14);
}

/* So does the end of a stopped command ring. */
static void test_stop_event_waits(void **state)
{
	struct guest *g = *state;
	struct xhci_trb event;
	unsigned i;

	guest_events(g, 0);
	guest_events_set(g, 0, 1, 16);
	for (i = 0; i < 14; i++)
		no_op(g);
	guest_op_set(g, XHCI_CRCR, XHCI_CRCR_CS);
	assert_int_equal(guest_op(g, XHCI_CRCR), 0);
	guest_log_clear(g);
	assert_int_equal(guest_events(g, 0), 14);
	event = check_event(g, 0);
	assert_int_equal(guest_cc(&event), XHCI_CC_COMMAND_RING_STOPPED);
	/* The command left over waits for the doorbell. */
	guest_doorbell(g, 0, 0);
	assert_event(g, 0, XHCI_COMMAND_COMPLETION, XHCI_CC_SUCCESS);
}

/* Until the dequeue pointer is somewhere, nothing is written. */
static void test_dequeue_nowhere(void **state)
{
	struct guest *g = *state;

	guest_events(g, 0);
	guest_events_set(g, 0, 1, 16);
	guest_intr_set(g, 0, XHCI_ERDP, 0x1000);
	no_op(g);
	assert_int_equal(guest_get32(g, g->mem + AT_EVENT + 12), 0);
	guest_intr_set(g, 0, XHCI_ERDP, (uint32_t)g->mem + AT_EVENT);
	assert_event(g, 0, XHCI_COMMAND_COMPLETION, XHCI_CC_SUCCESS);
}

static void test_ring_off(void **state)
{
	struct guest *g = *state;

	guest_events(g, 0);
	guest_intr_set(g, 0, XHCI_ERSTSZ, 0);
	no_op(g);
	guest_events_set(g, 0, 1, 16);
	assert_int_equal(guest_events(g, 0), 0);
	no_op(g);
	assert_event(g, 0, XHCI_COMMAND_COMPLETION, XHCI_CC_SUCCESS);
}

static void test_bad_tables(void **state)
{
	static const struct {
		uint32_t segs, size, table;
		uint32_t status;
	} bad[] = {
	    {17, 16, 0, XHCI_USBSTS_HCE},	  {1, 15, 0, XHCI_USBSTS_HCE},
	    {1, 4097, 0, XHCI_USBSTS_HCE},	  {1, 0, 0, XHCI_USBSTS_HCE},
	    {1, 16, 0x40000000, XHCI_USBSTS_HSE},
	};
	struct guest *g = *state;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		guest_start(g);
		guest_events(g, 0);
		guest_events_set(g, 0, 1, 16);
		guest_put32(g, g->mem + AT_ERST + 8, bad[i].size);
		guest_intr_set(g, 0, XHCI_ERSTSZ, bad[i].segs);
		if (bad[i].table)
			guest_intr_set(g, 0, XHCI_ERSTBA, bad[i].table);
		no_op(g);
		assert_int_equal(
		    guest_op(g, XHCI_USBSTS) &
			(XHCI_USBSTS_HCE | XHCI_USBSTS_HSE | XHCI_USBSTS_HCH),
		    bad[i].status | XHCI_USBSTS_HCH);
	}
	/* The low bits of a segment's address do not count. */
	guest_start(g);
	guest_events(g, 0);
	guest_events_set(g, 0, 1, 16);
	guest_put32(g, g->mem + AT_ERST, ((uint32_t)g->mem + AT_EVENT) | 63);
	no_op(g);
	assert_event(g, 0, XHCI_COMMAND_COMPLETION, XHCI_CC_SUCCESS);
	/* A segment that is not memory: found when it is written. */
	guest_start(g);
	guest_events(g, 0);
	guest_events_set(g, 0, 1, 16);
	guest_put32(g, g->mem + AT_ERST, 0x40000000);
	guest_intr_set(g, 0, XHCI_ERDP, 0x40000000);
	no_op(g);
	assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_HSE);
	/* This error can be cleared and the controller run on. */
	guest_op_set(g, XHCI_USBSTS, XHCI_USBSTS_HSE);
	guest_events_set(g, 0, 1, 16);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_RS);
	assert_int_equal(guest_events(g, 0), 2);
}

/* ---- interrupts ---- */

static void test_line(void **state)
{
	struct guest *g = *state;

	/* Run told two ports; nobody has looked yet. */
	assert_true(g->fake.line[GSI]);
	assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_EINT);
	assert_int_equal(guest_intr(g, 0, XHCI_IMAN), 3);
	assert_true(guest_intr(g, 0, XHCI_ERDP) & XHCI_ERDP_EHB);
	guest_op_set(g, XHCI_USBSTS, XHCI_USBSTS_EINT);
	assert_true(g->fake.line[GSI]);
	guest_intr_set(g, 0, XHCI_IMAN, XHCI_IMAN_IE | XHCI_IMAN_IP);
	assert_false(g->fake.line[GSI]);
	/* While the handler is busy (EHB) there is no other interrupt. */
	no_op(g);
	assert_false(g->fake.line[GSI]);
	/* It goes without having seen the last event: again. */
	guest_intr_set(g, 0, XHCI_ERDP,
		       ((uint32_t)g->mem + AT_EVENT + 32) | XHCI_ERDP_EHB);
	assert_true(g->fake.line[GSI]);
	guest_intr_set(g, 0, XHCI_IMAN, XHCI_IMAN_IE | XHCI_IMAN_IP);
	guest_events(g, 0);
	assert_false(g->fake.line[GSI]);
	assert_int_equal(g->fake.rises[GSI], 2);
	assert_int_equal(g->msis, 0);
}

static void test_line_enables(void **state)
{
	struct guest *g = *state;

	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_RS);
	assert_false(g->fake.line[GSI]);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_RS | XHCI_USBCMD_INTE);
	assert_true(g->fake.line[GSI]);
	guest_intr_set(g, 0, XHCI_IMAN, 0);
	assert_false(g->fake.line[GSI]);
	guest_intr_set(g, 0, XHCI_IMAN, XHCI_IMAN_IE);
	assert_true(g->fake.line[GSI]);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_HCRST);
	assert_false(g->fake.line[GSI]);
}

static void msi_on(struct guest *g, unsigned log2)
{
	fake_cfg_write(&g->fake, GUEST_ADDR, MSI_CTRL + 2, 4, 0xfee00000);
	fake_cfg_write(&g->fake, GUEST_ADDR, MSI_CTRL + 10, 2, 0x40);
	fake_cfg_write(&g->fake, GUEST_ADDR, MSI_CTRL, 2, log2 << 4 | 1);
}

static void test_msi(void **state)
{
	struct guest *g = *state;

	assert_int_equal(fake_cfg_read(&g->fake, GUEST_ADDR, MSI_CTRL - 2, 1),
			 PCI_CAP_ID_MSI);
	assert_true(g->fake.line[GSI]);
	/* What is pending goes out as a message at once, the line falls. */
	msi_on(g, 0);
	assert_false(g->fake.line[GSI]);
	assert_int_equal(g->msis, 1);
	assert_int_equal(g->msi.data, 0x40);
	assert_int_equal(guest_intr(g, 0, XHCI_IMAN), XHCI_IMAN_IE);
	guest_events(g, 0);
	no_op(g);
	assert_int_equal(g->msis, 2);
	no_op(g);
	assert_int_equal(g->msis, 2);
	guest_events(g, 0);
	assert_int_equal(g->msis, 2);
}

/* A second interrupter's message: its own, or the first one's when it has to
 * share. */
static void second_interrupter(struct guest *g)
{
	unsigned slot;

	guest_events_set(g, 1, 1, 16);
	guest_intr_set(g, 1, XHCI_IMOD, 0);
	guest_intr_set(g, 1, XHCI_IMAN, XHCI_IMAN_IE);
	slot = guest_attach(g, TABLET_PORT);
	assert_int_not_equal(slot, 0);
	g->msis = 0;
	guest_enqueue(
	    g, &g->ep[slot][1],
	    (struct xhci_trb){
		.status = 1u << XHCI_TRB_INTR_SHIFT,
		.control = XHCI_NO_OP << XHCI_TRB_TYPE_SHIFT | XHCI_TRB_IOC,
	    });
	guest_doorbell(g, slot, 1);
	assert_event(g, 1, XHCI_TRANSFER_EVENT, XHCI_CC_SUCCESS);
	assert_int_equal(g->msis, 1);
}

static void test_msi_shared(void **state)
{
	struct guest *g = *state;

	msi_on(g, 0);
	second_interrupter(g);
	assert_int_equal(g->msi.data, 0x40);
}

static void test_msi_own(void **state)
{
	struct guest *g = *state;

	msi_on(g, 3);
	second_interrupter(g);
	assert_int_equal(g->msi.data, 0x41);
}

static void msix_set(struct guest *g, unsigned vector, uint32_t control)
{
	guest_write(g, TABLE + 16 * vector, 0xfee01000);
	guest_write(g, TABLE + 16 * vector + 4, 0);
	guest_write(g, TABLE + 16 * vector + 8, 0x80 + vector);
	guest_write(g, TABLE + 16 * vector + 12, control);
}

static void test_msix(void **state)
{
	struct guest *g = *state;

	assert_int_equal(fake_cfg_read(&g->fake, GUEST_ADDR, MSIX_CTRL - 2, 1),
			 PCI_CAP_ID_MSIX);
	assert_int_equal(fake_cfg_read(&g->fake, GUEST_ADDR, MSIX_CTRL, 2), 7);
	msix_set(g, 0, 0);
	msix_set(g, 1, 0);
	fake_cfg_write(&g->fake, GUEST_ADDR, MSIX_CTRL, 2, 0x8000);
	assert_int_equal(g->msis, 1);
	assert_int_equal(g->msi.data, 0x80);
	assert_false(g->fake.line[GSI]);
	second_interrupter(g);
	assert_int_equal(g->msi.data, 0x81);
	assert_int_equal(g->msi.addr, 0xfee01000);
}

static void test_msix_masked(void **state)
{
	struct guest *g = *state;

	msix_set(g, 0, 1);
	fake_cfg_write(&g->fake, GUEST_ADDR, MSIX_CTRL, 2, 0x8000);
	assert_int_equal(g->msis, 0);
	assert_int_equal(guest_read(g, PBA), 1);
	guest_write(g, TABLE + 12, 0);
	assert_int_equal(g->msis, 1);
	assert_int_equal(guest_read(g, PBA), 0);
}

/* ---- moderation, microframes ---- */

static void test_moderation(void **state)
{
	struct guest *g = *state;

	guest_events(g, 0);
	guest_intr_set(g, 0, XHCI_IMAN, 3);
	guest_intr_set(g, 0, XHCI_IMOD, 4000);
	no_op(g);
	assert_true(g->fake.line[GSI]); /* the first one at once */
	guest_intr_set(g, 0, XHCI_IMAN, 3);
	guest_events(g, 0);
	fake_advance(&g->fake, 300000);
	no_op(g);
	assert_false(g->fake.line[GSI]); /* the next 1 ms later */
	assert_int_equal(fake_next_timer(&g->fake), 700000);
	assert_int_equal(guest_intr(g, 0, XHCI_IMOD), 2800u << 16 | 4000);
	fake_advance(&g->fake, 699999);
	assert_false(g->fake.line[GSI]);
	fake_advance(&g->fake, 1);
	assert_true(g->fake.line[GSI]);
	/* Nobody waits: no timer. */
	assert_int_equal(fake_next_timer(&g->fake), FAKE_NO_TIMER);
}

static void test_moderation_ends(void **state)
{
	struct guest *g = *state;

	guest_intr_set(g, 0, XHCI_IMOD, 4000);
	guest_events(g, 0);
	guest_intr_set(g, 0, XHCI_IMAN, 3);
	no_op(g);
	guest_intr_set(g, 0, XHCI_IMAN, 3);
	guest_events(g, 0);
	no_op(g);
	assert_false(g->fake.line[GSI]);
	/* The events were read by polling: no interrupt any more. */
	guest_events(g, 0);
	fake_advance(&g->fake, NS_PER_S);
	assert_false(g->fake.line[GSI]);
	/* A counter of zero ends the wait. */
	no_op(g);
	guest_intr_set(g, 0, XHCI_IMAN, 3);
	guest_events(g, 0);
	no_op(g);
	assert_false(g->fake.line[GSI]);
	guest_intr_set(g, 0, XHCI_IMOD, 4000);
	assert_true(g->fake.line[GSI]);
}

static void test_mfindex(void **state)
{
	struct guest *g = *state;

	assert_int_equal(guest_read(g, g->rt), 0);
	fake_advance(&g->fake, 125000ull * 1000 + 124999);
	assert_int_equal(guest_read(g, g->rt), 1000);
	fake_advance(&g->fake, 125000ull * 16384);
	assert_int_equal(guest_read(g, g->rt), 1000);
	assert_int_equal(fake_next_timer(&g->fake), FAKE_NO_TIMER);
	guest_op_set(g, XHCI_USBCMD, 0);
	assert_int_equal(guest_read(g, g->rt), 0);
}

static void test_mfindex_wrap(void **state)
{
	const uint64_t wrap = 125000ull * 16384;
	struct guest *g = *state;

	guest_events(g, 0);
	fake_advance(&g->fake, wrap + 5);
	assert_int_equal(guest_events(g, 0), 0);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_RS | XHCI_USBCMD_EWE);
	assert_int_equal(guest_events(g, 0), 0);
	fake_advance(&g->fake, wrap - 6);
	assert_int_equal(guest_events(g, 0), 0);
	fake_advance(&g->fake, 1);
	assert_event(g, 0, XHCI_MFINDEX_WRAP, XHCI_CC_SUCCESS);
	fake_advance(&g->fake, wrap);
	assert_event(g, 0, XHCI_MFINDEX_WRAP, XHCI_CC_SUCCESS);
	guest_op_set(g, XHCI_USBCMD, XHCI_USBCMD_RS);
	fake_advance(&g->fake, 3 * wrap);
	assert_int_equal(guest_events(g, 0), 0);
	assert_int_equal(fake_next_timer(&g->fake), FAKE_NO_TIMER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    check_test(test_ring_wraps),
	    check_test(test_ring_segments),
	    check_test(test_ring_full),
	    check_test(test_ring_full_slowly),
	    check_test(test_port_event_waits),
	    check_test(test_stop_event_waits),
	    check_test(test_dequeue_nowhere),
	    check_test(test_ring_off),
	    check_test(test_bad_tables),
	    check_test(test_line),
	    check_test(test_line_enables),
	    check_test(test_msi),
	    check_test(test_msi_shared),
	    check_test(test_msi_own),
	    check_test(test_msix),
	    check_test(test_msix_masked),
	    check_test(test_moderation),
	    check_test(test_moderation_ends),
	    check_test(test_mfindex),
	    check_test(test_mfindex_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
