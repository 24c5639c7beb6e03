/* SPDX-License-Identifier: BSD-2-Clause */
/* The golden trace of a guest that finds a tablet and a keyboard. */
#include <endian.h>
#include <string.h>

#include "check.h"
#include "golden.h"

static void put_bytes(FILE *out, const uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		fprintf(out, "%s%02x", i && i % 16 == 0 ? "\n   " : " ",
			bytes[i]);
	fputc('\n', out);
}

static void put_config(struct guest *g, unsigned off, FILE *out)
{
	uint8_t bytes[16];
	unsigned i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] =
		    (uint8_t)fake_cfg_read(&g->fake, GUEST_ADDR, off + i, 1);
	fprintf(out, "config %02x =", off);
	put_bytes(out, bytes, sizeof(bytes));
}

static void put_context(struct guest *g, unsigned slot, unsigned dci, FILE *out)
{
	unsigned i;

	fprintf(out, "context %u %u =", slot, dci);
	for (i = 0; i < 5; i++)
		fprintf(out, " %08x",
			guest_get32(g, guest_out_context(g, slot) + 32 * dci +
					   4 * i));
	fputc('\n', out);
}

/* control SLOT TYPE REQUEST VALUE INDEX LENGTH */
static void put_control(struct guest *g, unsigned slot, const unsigned v[5],
			FILE *out)
{
	const struct usb_setup setup = {
	    .bmRequestType = (uint8_t)v[0],
	    .bRequest = (uint8_t)v[1],
	    .wValue = htole16((uint16_t)v[2]),
	    .wIndex = htole16((uint16_t)v[3]),
	    .wLength = htole16((uint16_t)v[4]),
	};
	uint8_t data[256] = {0};
	int r = guest_control(g, slot, setup, data);

	fprintf(out, "control %u %02x %02x %04x %x %x =", slot, v[0], v[1],
		v[2], v[3], v[4]);
	if (r >= 0 && v[0] & USB_DIR_IN) {
		put_bytes(out, data, (size_t)r);
		return;
	}
	if (r >= 0)
		fprintf(out, " %d\n", r);
	else
		fprintf(out, " error %d\n", -r);
	if (r == -XHCI_CC_STALL && guest_recover(g, slot, 1) != XHCI_CC_SUCCESS)
		fail_msg("no recovery from a stall");
}

/* Reports that have come on endpoint 1. */
static void put_reports(struct guest *g, FILE *out)
{
	uint8_t report[8];
	unsigned i;

	guest_log_clear(g);
	guest_events(g, 0);
	for (i = 0; i < g->logged; i++) {
		uint32_t control = g->log[i].control;
		unsigned slot = control >> XHCI_TRB_SLOT_SHIFT;

		if ((control >> XHCI_TRB_EP_SHIFT & XHCI_TRB_EP_MASK) != 3)
			continue;
		guest_get(g, g->mem + AT_REPORT(slot), report, 8);
		fprintf(out, "  report %u code %u:", slot,
			guest_cc(&g->log[i]));
		put_bytes(out, report,
			  8 - (g->log[i].status & XHCI_EVENT_LENGTH));
	}
}

static void golden_do(struct guest *g, const char *line, FILE *out)
{
	unsigned a, b, c, d;

	fprintf(out, "%s\n", line);
	if (sscanf(line, "w %x %x", &a, &b) == 2)
		guest_write(g, a, b);
	else if (sscanf(line, "reset-port %u", &a) == 1)
		guest_port_reset(g, a);
	else if (sscanf(line, "poll %u", &a) == 1)
		guest_poll(g, a, 8);
	else if (sscanf(line, "key %x %u", &a, &b) == 2)
		input_key(g->hub, (uint8_t)a, b);
	else if (sscanf(line, "pointer %u %u %x %d", &a, &b, &c, (int *)&d) ==
		 4)
		input_pointer(g->hub,
			      &(struct input_pointer){.x = (uint16_t)a,
						      .y = (uint16_t)b,
						      .buttons = (uint8_t)c,
						      .wheel = (int)d});
	else if (!strcmp(line, "start"))
		guest_start(g);
	else
		fail_msg("golden trace: what is '%s'?", line);
	put_reports(g, out);
}

static void golden_line(void *ctx, const char *line, FILE *out)
{
	struct guest *g = ctx;
	unsigned a, b, v[5];

	if (sscanf(line, "config %x", &a) == 1)
		put_config(g, a, out);
	else if (line[1] == ' ' && sscanf(line, "r %x", &a) == 1)
		fprintf(out, "r %x = %x\n", a, guest_read(g, a));
	else if (!strncmp(line, "enable-slot", 11))
		fprintf(out, "enable-slot = %u\n", guest_enable_slot(g));
	else if (sscanf(line, "address %u %u", &a, &b) == 2)
		fprintf(out, "address %u %u = %u\n", a, b,
			guest_address(g, a, b, false));
	else if (sscanf(line, "configure %u", &a) == 1)
		fprintf(out, "configure %u = %u\n", a, guest_configure(g, a));
	else if (sscanf(line, "context %u %u", &a, &b) == 2)
		put_context(g, a, b, out);
	else if (sscanf(line, "control %u %x %x %x %x %x", &a, &v[0], &v[1],
			&v[2], &v[3], &v[4]) == 6)
		put_control(g, a, v, out);
	else
		golden_do(g, line, out);
}

static const char *golden_dir;

static void test_enumerate(void **state UNUSED)
{
	struct guest *g = guest_create("tablet,kbd", 0, NULL);
	bool same =
	    golden_run(golden_dir, "xhci-enumerate.txt", golden_line, g);

	guest_destroy(g);
	assert_true(same);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_enumerate),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s GOLDEN-DIR\n", argv[0]);
		return 2;
	}
	golden_dir = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
