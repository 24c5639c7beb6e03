/* SPDX-License-Identifier: BSD-2-Clause */
/* What the USB tests share: cmocka, the guest, a table of its set-ups. */
#ifndef TESTS_XHCI_CHECK_H
#define TESTS_XHCI_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "driver.h"

#define TABLET_PORT   1u
#define KEYBOARD_PORT 2u

/* A started controller with tablet and keyboard. */
static inline int check_setup(void **state)
{
	struct guest *g = guest_create("tablet,kbd", 0, NULL);

	assert_non_null(g);
	guest_start(g);
	*state = g;
	return 0;
}

static inline int check_teardown(void **state)
{
	guest_destroy(*state);
	return 0;
}

#define check_test(fn) \
	cmocka_unit_test_setup_teardown(fn, check_setup, check_teardown)

/* The only event there is, after it was read. */
static inline struct xhci_trb check_event(struct guest *g, unsigned n)
{
	guest_log_clear(g);
	assert_int_equal(guest_events(g, n), 1);
	return g->log[0];
}

#define assert_event(g, n, want_type, want_cc)                               \
	do {                                                                 \
		struct xhci_trb event_ = check_event(g, n);                  \
		assert_int_equal(event_.control >> XHCI_TRB_TYPE_SHIFT & 63, \
				 want_type);                                 \
		assert_int_equal(guest_cc(&event_), want_cc);                \
	} while (0)

#endif
