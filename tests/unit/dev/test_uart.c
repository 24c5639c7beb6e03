/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the 16550A with a fake tty and interrupt: golden traces of what
 * drivers do, and what a trace cannot say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dev/com.h"
#include "dev/uart.h"
#include "fakes.h"
#include "golden.h"

static const char *golden_dir;

struct chip {
	struct fake fake;
	struct uart *uart;
	FILE *trace;
	bool level;
};

static void set_irq(void *ctx, bool level)
{
	struct chip *chip = ctx;

	assert_int_not_equal(chip->level, level); /* changes only */
	chip->level = level;
	if (chip->trace)
		fprintf(chip->trace, "  irq %d\n", level);
}

static int setup(void **state)
{
	struct chip *chip = calloc(1, sizeof(*chip));
	struct uart_params params = {
	    .name = "com1", .where = "stdio", .irq = set_irq};
	struct err err;

	if (!chip)
		return -1;
	fake_init(&chip->fake);
	params.loop = chip->fake.env.loop;
	params.irq_ctx = chip;
	if (uart_create(&params, &err, &chip->uart))
		return -1;
	*state = chip;
	return 0;
}

static int teardown(void **state)
{
	struct chip *chip = *state;

	uart_destroy(chip->uart);
	if (chip->level)
		return -1; /* destroy lets go of the line */
	fake_fini(&chip->fake);
	free(chip);
	return 0;
}

static uint8_t rd(struct chip *chip, unsigned offset)
{
	uint8_t value;

	pthread_mutex_lock(uart_lock(chip->uart));
	value = uart_read(chip->uart, offset);
	pthread_mutex_unlock(uart_lock(chip->uart));
	return value;
}

static void wr(struct chip *chip, unsigned offset, uint8_t value)
{
	pthread_mutex_lock(uart_lock(chip->uart));
	uart_write(chip->uart, offset, value);
	pthread_mutex_unlock(uart_lock(chip->uart));
}

static size_t rx(struct chip *chip, const void *data, size_t len)
{
	struct tty *tty = fake_tty(&chip->fake, 0);

	return tty->receive(tty->ctx, data, len);
}

/* ---- golden traces ---- */

/* Offset by the data sheet's name; the device must agree on the name. */
static unsigned offset_of(const char *name)
{
	static const struct {
		const char *name;
		unsigned offset;
	} names[] = {
	    {"RBR", 0}, {"THR", 0}, {"DLL", 0}, {"DLM", 1},
	    {"IER", 1}, {"IIR", 2}, {"FCR", 2}, {"LCR", 3},
	    {"MCR", 4}, {"LSR", 5}, {"MSR", 6}, {"SCR", 7},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(name, names[i].name))
			return names[i].offset;
	return UART_PORTS;
}

static void trace_rx(struct chip *chip, const char *bytes, FILE *out)
{
	uint8_t data[64];
	size_t len = 0;
	int used;

	/* The effects come before the result is known: collect them. */
	fprintf(out, "rx%s\n", bytes);
	while (len < sizeof(data) &&
	       sscanf(bytes, " %2hhx%n", &data[len], &used) == 1) {
		bytes += used;
		len++;
	}
	fprintf(out, "  took %zu of %zu\n", rx(chip, data, len), len);
}

static void trace_line(void *ctx, const char *line, FILE *out)
{
	struct chip *chip = ctx;
	const char *known;
	char name[8] = "";
	unsigned value = 0, offset;

	chip->trace = out;
	fake_trace(&chip->fake, out);
	if (sscanf(line, "w %7s %2x", name, &value) == 2) {
		offset = offset_of(name);
		known = uart_reg_name(chip->uart, offset, true);
		fprintf(out, "w %s %02x\n", known ? known : name, value);
		wr(chip, offset, (uint8_t)value);
		if (!known)
			fprintf(out, "  no such register\n");
	} else if (!strncmp(line, "r ", 2) &&
		   sscanf(line, "r %7s", name) == 1) {
		CLEANUP_FREE char *effects = NULL;
		size_t size;

		offset = offset_of(name);
		known = uart_reg_name(chip->uart, offset, false);
		/* The value stands before the effects of reading it. */
		chip->trace = open_memstream(&effects, &size);
		assert_non_null(chip->trace);
		fake_trace(&chip->fake, chip->trace);
		value = rd(chip, offset);
		fclose(chip->trace);
		fprintf(out, "r %s = %02x\n%s", known ? known : name, value,
			effects);
	} else if (!strncmp(line, "rx ", 3)) {
		trace_rx(chip, line + 2, out);
	} else if (!strcmp(line, "reset")) {
		fprintf(out, "reset\n");
		uart_reset(chip->uart);
	} else {
		fprintf(out, "  unknown command: %s\n", line);
	}
	chip->trace = NULL;
	fake_trace(&chip->fake, NULL);
}

static void golden(void **state, const char *name)
{
	assert_true(golden_run(golden_dir, name, trace_line, *state));
}

static void golden_registers(void **state)
{
	golden(state, "uart-registers.txt");
}

static void golden_receive(void **state)
{
	golden(state, "uart-receive.txt");
}

static void golden_transmit(void **state)
{
	golden(state, "uart-transmit.txt");
}

static void golden_loopback(void **state)
{
	golden(state, "uart-loopback.txt");
}

static void golden_linux_probe(void **state)
{
	golden(state, "uart-linux-probe.txt");
}

/* ---- what a trace cannot say ---- */

static void every_byte_goes_out_in_order(void **state)
{
	struct chip *chip = *state;
	unsigned i;

	for (i = 0; i < 1000; i++) {
		assert_true(rd(chip, 5) & 0x20);
		wr(chip, 0, (uint8_t)(i * 3));
	}
	assert_int_equal(fake_tty(&chip->fake, 0)->out_len, 1000);
	for (i = 0; i < 1000; i++)
		assert_int_equal(fake_tty(&chip->fake, 0)->out[i],
				 (uint8_t)(i * 3));
}

/* The back end's protocol: offer the rest again when told to resume. */
static void every_byte_comes_in_with_back_pressure(void **state)
{
	static const unsigned fcr[] = {0x00, 0x01, 0x41, 0x81, 0xc1};
	struct chip *chip = *state;
	struct tty *tty = fake_tty(&chip->fake, 0);
	uint8_t sent[500], got[500];
	size_t i, mode;

	for (i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 5 + 1);
	for (mode = 0; mode < ARRAY_LEN(fcr); mode++) {
		size_t offered = 0, have = 0;
		unsigned resumes = tty->resumes;

		wr(chip, 2, (uint8_t)fcr[mode]);
		offered += rx(chip, sent, sizeof(sent));
		assert_int_equal(offered, fcr[mode] ? 16 : 1);
		while (have < sizeof(sent)) {
			assert_true(rd(chip, 5) & 0x01);
			got[have++] = rd(chip, 0);
			if (tty->resumes == resumes)
				continue;
			resumes = tty->resumes;
			offered +=
			    rx(chip, sent + offered, sizeof(sent) - offered);
		}
		assert_memory_equal(got, sent, sizeof(sent));
		assert_false(rd(chip, 5) & 0x1f);
	}
}

static void reset_asks_for_what_was_refused(void **state)
{
	struct chip *chip = *state;
	struct tty *tty = fake_tty(&chip->fake, 0);

	assert_int_equal(rx(chip, "abc", 3), 1);
	pthread_mutex_lock(uart_lock(chip->uart));
	uart_reset(chip->uart);
	pthread_mutex_unlock(uart_lock(chip->uart));
	assert_int_equal(tty->resumes, 1);
	assert_false(rd(chip, 5) & 0x01);
}

static void offsets_without_a_register(void **state)
{
	struct chip *chip = *state;

	assert_null(uart_reg_name(chip->uart, 5, true));
	assert_null(uart_reg_name(chip->uart, 6, true));
	assert_string_equal(uart_reg_name(chip->uart, 0, true), "THR");
	assert_string_equal(uart_reg_name(chip->uart, 0, false), "RBR");
	wr(chip, 3, 0x80);
	assert_string_equal(uart_reg_name(chip->uart, 0, true), "DLL");
	assert_string_equal(uart_reg_name(chip->uart, 1, false), "DLM");
}

/* ---- on the bus ---- */

static void com_ports_share_an_interrupt(void **state)
{
	struct fake *fake = &((struct chip *)*state)->fake;
	struct com *com1 = NULL, *com3 = NULL, *again = NULL;
	struct err err;

	assert_int_equal(com_create(&fake->env, 0, NULL, &err, &com1), 0);
	assert_int_equal(com_create(&fake->env, 2, "tcp=::1:1", &err, &com3),
			 0);
	assert_int_equal(com_create(&fake->env, 0, NULL, &err, &again),
			 -EEXIST);
	assert_null(again);
	fake_out8(fake, 0x3f9, 0x02);
	assert_true(fake->line[4]);
	fake_out8(fake, 0x3e9, 0x02);
	assert_int_equal(fake->rises[4], 1);
	assert_int_equal(fake_in8(fake, 0x3fa), 0x02);
	assert_true(fake->line[4]); /* com3 still wants it */
	assert_int_equal(fake_in8(fake, 0x3ea), 0x02);
	assert_false(fake->line[4]);
	fake_out8(fake, 0x3e9, 0x00);
	fake_out8(fake, 0x3e9, 0x02);
	assert_true(fake->line[4]);
	com_destroy(com3);
	assert_false(fake->line[4]);
	assert_int_equal(fake_in8(fake, 0x3ed), 0xff);
	com_destroy(com1);
	com_destroy(NULL);
}

static void com_port_takes_wide_accesses_byte_by_byte(void **state)
{
	struct fake *fake = &((struct chip *)*state)->fake;
	struct com *com2 = NULL;
	struct err err;

	assert_int_equal(com_create(&fake->env, 1, NULL, &err, &com2), 0);
	fake_out8(fake, 0x2fb, 0x83);
	fake_out16(fake, 0x2f8, 0x0180); /* DLL and DLM in one go */
	assert_int_equal(fake_in16(fake, 0x2f8), 0x0180);
	assert_int_equal(fake_in32(fake, 0x2f8), 0x83010180);
	com_destroy(com2);
}

static void com_port_names_itself_in_errors(void **state)
{
	struct fake *fake = &((struct chip *)*state)->fake;
	struct com *com = NULL;
	struct err err;

	assert_int_equal(com_create(&fake->env, 3, "/bad", &err, &com),
			 -ENOENT);
	assert_string_equal(err.msg, "com4: cannot open /bad");
	assert_null(com);
	assert_int_equal(fake_in8(fake, 0x2ed), 0xff);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    TEST(golden_registers),
	    TEST(golden_receive),
	    TEST(golden_transmit),
	    TEST(golden_loopback),
	    TEST(golden_linux_probe),
	    TEST(every_byte_goes_out_in_order),
	    TEST(every_byte_comes_in_with_back_pressure),
	    TEST(reset_asks_for_what_was_refused),
	    TEST(offsets_without_a_register),
	    TEST(com_ports_share_an_interrupt),
	    TEST(com_port_takes_wide_accesses_byte_by_byte),
	    TEST(com_port_names_itself_in_errors),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: test_uart GOLDEN_DIR\n");
		return 2;
	}
	golden_dir = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
