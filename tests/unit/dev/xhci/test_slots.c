/* SPDX-License-Identifier: BSD-2-Clause */
/* Device slots, contexts and the commands on endpoints. */
#include <string.h>

#include "check.h"

#define EP_COMMAND(dci) ((uint32_t)(dci) << XHCI_TRB_EP_SHIFT)

static void test_all_slots(void **state)
{
	struct guest *g = *state;
	unsigned i;

	for (i = 1; i <= GUEST_SLOTS; i++) {
		guest_log_clear(g);
		assert_int_equal(guest_enable_slot(g), i);
	}
	guest_log_clear(g);
	assert_int_equal(guest_command(g, XHCI_ENABLE_SLOT, 0, 0, 0),
			 XHCI_CC_NO_SLOTS);
	guest_log_clear(g);
	assert_int_equal(guest_command(g, XHCI_DISABLE_SLOT, 7, 0, 0),
			 XHCI_CC_SUCCESS);
	assert_int_equal(guest_enable_slot(g), 7);
}

static void test_slots_enabled(void **state)
{
	struct guest *g = *state;

	guest_op_set(g, XHCI_CONFIG, 0);
	assert_int_equal(guest_enable_slot(g), 0);
	guest_op_set(g, XHCI_CONFIG, 1);
	assert_int_equal(guest_enable_slot(g), 1);
	assert_int_equal(guest_enable_slot(g), 0);
	/* More than there are. */
	guest_op_set(g, XHCI_CONFIG, 255);
	assert_int_equal(guest_enable_slot(g), 2);
}

static void test_no_such_slot(void **state)
{
	static const uint8_t types[] = {
	    XHCI_DISABLE_SLOT,	   XHCI_ADDRESS_DEVICE, XHCI_CONFIGURE_ENDPOINT,
	    XHCI_EVALUATE_CONTEXT, XHCI_RESET_ENDPOINT, XHCI_STOP_ENDPOINT,
	    XHCI_SET_TR_DEQUEUE,   XHCI_RESET_DEVICE};
	static const uint8_t slots[] = {0, 1, 32, 33, 255};
	struct guest *g = *state;
	unsigned i, k;

	for (i = 0; i < sizeof(types); i++)
		for (k = 0; k < sizeof(slots); k++) {
			guest_log_clear(g);
			assert_int_equal(guest_command(g, types[i], slots[k],
						       g->mem + AT_INPUT,
						       EP_COMMAND(1)),
					 XHCI_CC_SLOT_NOT_ENABLED);
		}
	/* Their doorbells are not heard. */
	for (k = 0; k < sizeof(slots); k++)
		guest_doorbell(g, slots[k], 1);
	assert_int_equal(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_HCH, 0);
}

/* ---- Address Device ---- */

static void test_address(void **state)
{
	struct guest *g = *state;
	uint64_t out;

	guest_port_reset(g, TABLET_PORT);
	assert_int_equal(guest_enable_slot(g), 1);
	assert_int_equal(guest_address(g, 1, TABLET_PORT, true),
			 XHCI_CC_SUCCESS);
	out = guest_out_context(g, 1);
	assert_int_equal(guest_get32(g, out), 0x08300000);
	assert_int_equal(guest_get32(g, out + 4), TABLET_PORT << 16);
	assert_int_equal(guest_get32(g, out + 12),
			 (uint32_t)XHCI_SLOT_DEFAULT << XHCI_SLOT_STATE_SHIFT);
	assert_int_equal(guest_ep_state(g, 1, 1), XHCI_EP_RUNNING);
	assert_int_equal(guest_get32(g, out + 32 + 4), 0x00400026);
	assert_int_equal(guest_get32(g, out + 32 + 8),
			 (uint32_t)g->ep[1][1].base | 1);
	assert_int_equal(guest_address(g, 1, TABLET_PORT, true),
			 XHCI_CC_CONTEXT_STATE);
	/* Once more with an address; BSR is too late then, too. */
	assert_int_equal(guest_address(g, 1, TABLET_PORT, false),
			 XHCI_CC_SUCCESS);
	assert_int_equal(
	    guest_get32(g, out + 12),
	    (uint32_t)XHCI_SLOT_ADDRESSED << XHCI_SLOT_STATE_SHIFT | 1);
	assert_int_equal(guest_address(g, 1, TABLET_PORT, true),
			 XHCI_CC_CONTEXT_STATE);
	assert_int_equal(guest_address(g, 1, TABLET_PORT, false),
			 XHCI_CC_CONTEXT_STATE);
	/* Another slot for the same device: it has its address already. */
	assert_int_equal(guest_enable_slot(g), 2);
	assert_int_equal(guest_address(g, 2, TABLET_PORT, false),
			 XHCI_CC_TRANSACTION);
	guest_port_reset(g, TABLET_PORT);
	assert_int_equal(guest_address(g, 2, TABLET_PORT, false),
			 XHCI_CC_SUCCESS);
}

static void test_address_nobody(void **state)
{
	struct guest *g = *state;

	assert_int_equal(guest_enable_slot(g), 1);
	/* Not reset, so not enabled; empty; empty USB 3. */
	assert_int_equal(guest_address(g, 1, TABLET_PORT, false),
			 XHCI_CC_TRANSACTION);
	assert_int_equal(guest_address(g, 1, 3, false), XHCI_CC_TRANSACTION);
	assert_int_equal(guest_address(g, 1, 8, false), XHCI_CC_TRANSACTION);
	assert_int_equal(guest_address(g, 1, 0, false), XHCI_CC_PARAMETER);
	assert_int_equal(guest_address(g, 1, 9, false), XHCI_CC_PARAMETER);
	assert_int_equal(guest_address(g, 1, 255, false), XHCI_CC_PARAMETER);
	assert_int_equal(guest_slot_state(g, 1), XHCI_SLOT_DISABLED);
}

static void test_address_contexts(void **state)
{
	static const struct {
		uint32_t at, value;
	} bad[] = {
	    {4, 0},			  /* nothing added */
	    {4, 1},			  /* no endpoint 0 */
	    {32, 0},			  /* no context entries */
	    {32, 1u << 27 | 1},		  /* behind a hub */
	    {64 + 4, 64u << 16 | 2 << 3}, /* a bulk endpoint */
	    {64 + 4, 4u << 3},		  /* packets of no bytes */
	};
	struct guest *g = *state;
	uint64_t in = g->mem + AT_INPUT;
	uint32_t old;
	unsigned i;

	guest_port_reset(g, TABLET_PORT);
	assert_int_equal(guest_enable_slot(g), 1);
	/* Fills the contexts in. */
	assert_int_equal(guest_address(g, 1, 3, false), XHCI_CC_TRANSACTION);
	guest_put32(g, in + 36, TABLET_PORT << 16);
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		old = guest_get32(g, in + bad[i].at);
		guest_put32(g, in + bad[i].at, bad[i].value);
		guest_log_clear(g);
		assert_int_equal(
		    guest_command(g, XHCI_ADDRESS_DEVICE, 1, in, 0),
		    XHCI_CC_PARAMETER);
		guest_put32(g, in + bad[i].at, old);
	}
	/* No output context. */
	guest_put32(g, g->mem + AT_DCBAA + 8, 0);
	assert_int_equal(guest_command(g, XHCI_ADDRESS_DEVICE, 1, in, 0),
			 XHCI_CC_PARAMETER);
	assert_int_equal(guest_address(g, 1, TABLET_PORT, false),
			 XHCI_CC_SUCCESS);
}

/* Contexts outside memory: a host system error, and nothing is told. */
static void test_contexts_nowhere(void **state)
{
	struct guest *g = *state;
	uint64_t in = g->mem + AT_INPUT;
	unsigned i;

	for (i = 0; i < 3; i++) {
		guest_start(g);
		guest_port_reset(g, TABLET_PORT);
		assert_int_equal(guest_enable_slot(g), 1);
		assert_int_equal(guest_address(g, 1, 3, false),
				 XHCI_CC_TRANSACTION);
		guest_put32(g, in + 36, TABLET_PORT << 16);
		guest_log_clear(g);
		if (i == 0)
			in = GUEST_RAM - 64; /* its end is outside */
		else if (i == 1)
			guest_put32(g, g->mem + AT_DCBAA + 12, 0x80);
		else
			guest_op_set(g, XHCI_DCBAAP + 4, 0x80);
		assert_int_equal(
		    guest_command(g, XHCI_ADDRESS_DEVICE, 1, in, 0), 0);
		assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_HSE);
		assert_true(guest_op(g, XHCI_USBSTS) & XHCI_USBSTS_HCH);
		in = g->mem + AT_INPUT;
	}
	guest_start(g);
	assert_int_equal(guest_attach(g, TABLET_PORT), 1);
}

/* ---- Configure Endpoint, Evaluate Context, Reset Device ---- */

static void test_configure(void **state)
{
	struct guest *g = *state;
	uint64_t out = guest_out_context(g, 1), in = g->mem + AT_INPUT;

	assert_int_equal(guest_enable_slot(g), 1);
	assert_int_equal(guest_configure(g, 1), XHCI_CC_CONTEXT_STATE);
	guest_command(g, XHCI_DISABLE_SLOT, 1, 0, 0);
	assert_int_equal(guest_attach(g, TABLET_PORT), 1);
	assert_int_equal(guest_configure(g, 1), XHCI_CC_SUCCESS);
	assert_int_equal(guest_slot_state(g, 1), XHCI_SLOT_CONFIGURED);
	assert_int_equal(guest_get32(g, out), 3u << 27 | 3u << 20);
	assert_int_equal(guest_ep_state(g, 1, 3), XHCI_EP_RUNNING);
	assert_int_equal(guest_ep_state(g, 1, 2), XHCI_EP_DISABLED);
	/* Drop it. */
	guest_put32(g, in, BIT(3));
	guest_put32(g, in + 4, 1);
	guest_put32(g, in + 32, 1u << 27);
	assert_int_equal(guest_command(g, XHCI_CONFIGURE_ENDPOINT, 1, in, 0),
			 XHCI_CC_SUCCESS);
	assert_int_equal(guest_slot_state(g, 1), XHCI_SLOT_ADDRESSED);
	assert_int_equal(guest_ep_state(g, 1, 3), XHCI_EP_DISABLED);
	/* Drop and add in one go, then deconfigure. */
	assert_int_equal(guest_configure(g, 1), XHCI_CC_SUCCESS);
	guest_put32(g, in, BIT(3));
	assert_int_equal(guest_command(g, XHCI_CONFIGURE_ENDPOINT, 1, in, 0),
			 XHCI_CC_SUCCESS);
	assert_int_equal(guest_ep_state(g, 1, 3), XHCI_EP_RUNNING);
	assert_int_equal(
	    guest_command(g, XHCI_CONFIGURE_ENDPOINT, 1, 0, XHCI_TRB_DC),
	    XHCI_CC_SUCCESS);
	assert_int_equal(guest_slot_state(g, 1), XHCI_SLOT_ADDRESSED);
	assert_int_equal(guest_ep_state(g, 1, 3), XHCI_EP_DISABLED);
	assert_int_equal(guest_ep_state(g, 1, 1), XHCI_EP_RUNNING);
}

static void test_configure_bad(void **state)
{
	static const struct {
		uint32_t at, value;
	} bad[] = {
	    {0, BIT(0)},		     /* drops the slot */
	    {0, BIT(1)},		     /* drops endpoint 0 */
	    {4, BIT(0) | BIT(1)},	     /* adds endpoint 0 */
	    {32, 0},			     /* no context entries */
	    {128 + 4, 8u << 16},	     /* type 0 */
	    {128 + 4, 8u << 16 | 3 << 3},    /* out, for an in endpoint */
	    {128 + 4, 8u << 16 | 4 << 3},    /* control */
	    {128 + 4, 0u << 16 | 7 << 3},    /* packets of no bytes */
	    {128 + 4, 1025u << 16 | 7 << 3}, /* of too many */
	    {128, 1u << 10},		     /* streams */
	    {4, BIT(0) | BIT(3) | 1u << 31}, /* one more, of type 0 */
	};
	struct guest *g = *state;
	uint64_t in = g->mem + AT_INPUT;
	uint32_t old;
	unsigned i;

	assert_int_equal(guest_attach(g, TABLET_PORT), 1);
	assert_int_equal(guest_configure(g, 1), XHCI_CC_SUCCESS);
	guest_command(g, XHCI_CONFIGURE_ENDPOINT, 1, 0, XHCI_TRB_DC);
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		old = guest_get32(g, in + bad[i].at);
		guest_put32(g, in + bad[i].at, bad[i].value);
		guest_log_clear(g);
		assert_int_equal(
		    guest_command(g, XHCI_CONFIGURE_ENDPOINT, 1, in, 0),
		    XHCI_CC_PARAMETER);
		assert_int_equal(guest_slot_state(g, 1), XHCI_SLOT_ADDRESSED);
		assert_int_equal(guest_ep_state(g, 1, 3), XHCI_EP_DISABLED);
		guest_put32(g, in + bad[i].at, old);
	}
}

static void test_evaluate(void **state)
{
	struct guest *g = *state;
	uint64_t out = guest_out_context(g, 1), in = g->mem + AT_INPUT;

	assert_int_equal(guest_attach(g, TABLET_PORT), 1);
	guest_put32(g, in + 4, 3);
	guest_put32(g, in + 36, 0xff << 16 | 0x1234);
	guest_put32(g, in + 40, 5u << 22 | 7);
	guest_put32(g, in + 64 + 4, 32u << 16 | 7 << 3);
	assert_int_equal(guest_command(g, XHCI_EVALUATE_CONTEXT, 1, in, 0),
			 XHCI_CC_SUCCESS);
	/* Exit latency, interrupter and packet size; nothing else. */
	assert_int_equal(guest_get32(g, out + 4), TABLET_PORT << 16 | 0x1234);
	assert_int_equal(guest_get32(g, out + 8), 5u << 22);
	assert_int_equal(guest_get32(g, out + 32 + 4), 0x00200026);
	guest_put32(g, in + 64 + 4, 0);
	assert_int_equal(guest_command(g, XHCI_EVALUATE_CONTEXT, 1, in, 0),
			 XHCI_CC_PARAMETER);
	/* Contexts that are not named are not read. */
	guest_put32(g, GUEST_RAM - 28, 0);
	assert_int_equal(
	    guest_command(g, XHCI_EVALUATE_CONTEXT, 1, GUEST_RAM - 32, 0),
	    XHCI_CC_SUCCESS);
}

static void test_reset_device(void **state)
{
	struct guest *g = *state;
	uint64_t out = guest_out_context(g, 1);

	assert_int_equal(guest_setup(g, TABLET_PORT), 1);
	guest_port_reset(g, TABLET_PORT);
	assert_int_equal(guest_command(g, XHCI_RESET_DEVICE, 1, 0, 0),
			 XHCI_CC_SUCCESS);
	assert_int_equal(guest_get32(g, out + 12),
			 (uint32_t)XHCI_SLOT_DEFAULT << XHCI_SLOT_STATE_SHIFT);
	assert_int_equal(guest_get32(g, out) >> 27, 1);
	assert_int_equal(guest_ep_state(g, 1, 1), XHCI_EP_RUNNING);
	assert_int_equal(guest_ep_state(g, 1, 3), XHCI_EP_DISABLED);
	assert_int_equal(guest_command(g, XHCI_RESET_DEVICE, 1, 0, 0),
			 XHCI_CC_CONTEXT_STATE);
	/* And up again, without another slot. */
	assert_int_equal(guest_address(g, 1, TABLET_PORT, false),
			 XHCI_CC_SUCCESS);
	assert_int_equal(guest_configure(g, 1), XHCI_CC_SUCCESS);
}

static void test_disable(void **state)
{
	const struct input_pointer event = {.x = 5, .y = 6};
	struct guest *g = *state;

	assert_int_equal(guest_setup(g, TABLET_PORT), 1);
	guest_poll(g, 1, 8);
	assert_int_equal(guest_command(g, XHCI_DISABLE_SLOT, 1, 0, 0),
			 XHCI_CC_SUCCESS);
	assert_int_equal(guest_slot_state(g, 1), XHCI_SLOT_DISABLED);
	assert_int_equal(guest_ep_state(g, 1, 1), XHCI_EP_DISABLED);
	assert_int_equal(guest_ep_state(g, 1, 3), XHCI_EP_DISABLED);
	/* What was waiting is gone. */
	input_pointer(g->hub, &event);
	guest_doorbell(g, 1, 3);
	assert_int_equal(guest_events(g, 0), 0);
	/* The slot's next life starts with nothing. */
	assert_int_equal(guest_setup(g, TABLET_PORT), 1);
	assert_int_equal(guest_events(g, 0), 0);
}

/* A dropped endpoint's transfer never happens. */
static void test_drop_under_way(void **state)
{
	const struct input_pointer event = {.x = 5, .y = 6};
	struct guest *g = *state;

	assert_int_equal(guest_setup(g, TABLET_PORT), 1);
	guest_poll(g, 1, 8);
	assert_int_equal(
	    guest_command(g, XHCI_CONFIGURE_ENDPOINT, 1, 0, XHCI_TRB_DC),
	    XHCI_CC_SUCCESS);
	input_pointer(g->hub, &event);
	guest_doorbell(g, 1, 3);
	assert_int_equal(guest_events(g, 0), 0);
}

/* ---- commands on endpoints ---- */

static unsigned ep_command(struct guest *g, unsigned type, unsigned dci)
{
	guest_log_clear(g);
	return guest_command(g, type, 1, g->ep[1][1].base | 1, EP_COMMAND(dci));
}

static void test_wrong_states(void **state)
{
	struct guest *g = *state;
	unsigned dci;

	assert_int_equal(guest_setup(g, TABLET_PORT), 1);
	for (dci = 0; dci < 32; dci++) {
		assert_int_equal(ep_command(g, XHCI_RESET_ENDPOINT, dci),
				 XHCI_CC_CONTEXT_STATE);
		assert_int_equal(ep_command(g, XHCI_SET_TR_DEQUEUE, dci),
				 XHCI_CC_CONTEXT_STATE);
		assert_int_equal(ep_command(g, XHCI_STOP_ENDPOINT, dci),
				 dci == 1 || dci == 3 ? XHCI_CC_SUCCESS
						      : XHCI_CC_CONTEXT_STATE);
		assert_int_equal(ep_command(g, XHCI_STOP_ENDPOINT, dci),
				 XHCI_CC_CONTEXT_STATE);
	}
	guest_log_clear(g);
	assert_int_equal(
	    guest_command(g, XHCI_SET_TR_DEQUEUE, 1, 0, EP_COMMAND(1)),
	    XHCI_CC_SUCCESS);
	assert_int_equal(guest_get32(g, guest_out_context(g, 1) + 40), 0);
	/* A stream's ring. */
	guest_enqueue(
	    g, &g->cmd,
	    (struct xhci_trb){
		.status = 1u << 16,
		.control = XHCI_SET_TR_DEQUEUE << XHCI_TRB_TYPE_SHIFT |
			   EP_COMMAND(1) | 1u << XHCI_TRB_SLOT_SHIFT,
	    });
	guest_doorbell(g, 0, 0);
	assert_event(g, 0, XHCI_COMMAND_COMPLETION, XHCI_CC_TRB);
}

static void test_stop_and_go(void **state)
{
	const struct input_pointer event = {.x = 0x0102, .y = 0x0304};
	struct guest *g = *state;
	struct xhci_trb told;
	uint8_t report[8];
	uint64_t at;

	assert_int_equal(guest_setup(g, TABLET_PORT), 1);
	at = guest_poll(g, 1, 8);
	guest_log_clear(g);
	assert_int_equal(ep_command(g, XHCI_STOP_ENDPOINT, 3), XHCI_CC_SUCCESS);
	/* The transfer under way is told first (4.6.9). */
	assert_int_equal(g->logged, 2);
	told = g->log[0];
	assert_int_equal(told.param, at);
	assert_int_equal(told.status, XHCI_CC_STOPPED << 24 | 8);
	assert_int_equal(guest_ep_state(g, 1, 3), XHCI_EP_STOPPED);
	assert_int_equal(guest_get32(g, guest_out_context(g, 1) + 32 * 3 + 8),
			 (uint32_t)at | 1);
	input_pointer(g->hub, &event);
	assert_int_equal(guest_events(g, 0), 0);
	/* The doorbell starts it again where it was. */
	guest_doorbell(g, 1, 3);
	assert_int_equal(guest_ep_state(g, 1, 3), XHCI_EP_RUNNING);
	assert_int_equal(guest_report(g, 1, report), 6);
	assert_memory_equal(report, "\0\x02\x01\x04\x03\0", 6);
	assert_int_equal(g->log[0].param, at);
	/* Nothing under way, nothing told. */
	assert_int_equal(ep_command(g, XHCI_STOP_ENDPOINT, 3), XHCI_CC_SUCCESS);
	assert_int_equal(g->logged, 1);
}

static void test_set_dequeue_skips(void **state)
{
	const struct input_pointer event = {.x = 1, .y = 1};
	struct guest *g = *state;
	uint8_t report[8];
	uint64_t second;

	assert_int_equal(guest_setup(g, TABLET_PORT), 1);
	guest_poll(g, 1, 8);
	second = guest_poll(g, 1, 8);
	assert_int_equal(ep_command(g, XHCI_STOP_ENDPOINT, 3), XHCI_CC_SUCCESS);
	assert_int_equal(
	    guest_command(g, XHCI_SET_TR_DEQUEUE, 1, second | 1, EP_COMMAND(3)),
	    XHCI_CC_SUCCESS);
	guest_doorbell(g, 1, 3);
	input_pointer(g->hub, &event);
	assert_int_equal(guest_report(g, 1, report), 6);
	assert_int_equal(g->log[0].param, second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    check_test(test_all_slots),
	    check_test(test_slots_enabled),
	    check_test(test_no_such_slot),
	    check_test(test_address),
	    check_test(test_address_nobody),
	    check_test(test_address_contexts),
	    check_test(test_contexts_nowhere),
	    check_test(test_configure),
	    check_test(test_configure_bad),
	    check_test(test_evaluate),
	    check_test(test_reset_device),
	    check_test(test_disable),
	    check_test(test_drop_under_way),
	    check_test(test_wrong_states),
	    check_test(test_stop_and_go),
	    check_test(test_set_dequeue_skips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
