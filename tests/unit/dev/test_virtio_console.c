/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-console with ttys of its own: two ports, a driver that has both. */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_pci.h>

#include "backend/tty.h"
#include "dev/virtio_models.h"
#include "driver.h"

#define ADDR ((struct pci_addr){0, 4, 0})
#define BUF  0x100000u
#define RX0  0u
#define TX0  1u
#define CRX  2u
#define CTX  3u
#define RX1  4u
#define TX1  5u

/* ---- ttys ---- */

struct tty {
	tty_receive_fn *receive;
	void *ctx;
	char where[64];
	uint8_t out[8192];
	size_t out_len;
	unsigned resumes;
	bool open;
};

static struct tty ttys[16];

int tty_open(const char *where, struct evloop *loop UNUSED,
	     tty_receive_fn *receive, void *ctx, struct err *err,
	     struct tty **ret_tty)
{
	struct tty *tty = ttys;

	if (strstr(where, "/bad"))
		return err_set(err, -EACCES, "cannot listen on %s", where);
	while (tty->open)
		tty++;
	*tty = (struct tty){.receive = receive, .ctx = ctx, .open = true};
	snprintf(tty->where, sizeof(tty->where), "%s", where);
	*ret_tty = tty;
	return 0;
}

void tty_close(struct tty *tty)
{
	if (tty)
		tty->open = false;
}

void tty_write(struct tty *tty, const uint8_t *data, size_t len)
{
	size_t room = MIN(len, sizeof(tty->out) - tty->out_len);

	memcpy(tty->out + tty->out_len, data, room);
	tty->out_len += room;
}

void tty_resume(struct tty *tty)
{
	tty->resumes++;
}

void tty_restore_all(void)
{
}

static size_t offer(unsigned n, const char *text)
{
	return ttys[n].receive(ttys[n].ctx, (const uint8_t *)text,
			       strlen(text));
}

/* ---- the driver ---- */

struct fixture {
	struct world w;
	struct driver d;
	unsigned next; /* buffer */
};

static int setup_with(void **state, uint64_t features)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct cfg *node;
	struct err err;

	assert_non_null(f);
	world_create(&f->w);
	node = world_node(&f->w, "");
	if (virtio_console_model.parse(node, "agent=/run/a,log=/run/b", &err) ||
	    virtio_console_model.create(&f->w.env, ADDR, node, &err))
		fail_msg("%s", err.msg);
	world_start(&f->w);
	assert_true(driver_probe(&f->d, &f->w, ADDR));
	driver_msix_enable(&f->d, 7);
	driver_up(&f->d, features, 6, 16);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, UINT64_MAX);
}

static int setup_single(void **state)
{
	return setup_with(state, ~BIT64(VIRTIO_CONSOLE_F_MULTIPORT));
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	world_destroy(&f->w);
	free(f);
	for (i = 0; i < ARRAY_LEN(ttys); i++)
		assert_false(ttys[i].open);
	return 0;
}

static bool broken(struct fixture *f)
{
	return driver_status(&f->d) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* A buffer for the device to write; its address. */
static uint64_t give(struct fixture *f, unsigned q, uint32_t len)
{
	uint64_t addr = BUF + f->next++ * 0x1000u;

	driver_add(&f->d, q, &(struct driver_buf){addr, len, true}, 1);
	driver_kick(&f->d, q);
	world_run(&f->w);
	return addr;
}

static void send(struct fixture *f, unsigned q, const void *data, uint32_t len)
{
	uint64_t addr = BUF + f->next++ * 0x1000u;

	mem_put(&f->w, addr, data, len);
	driver_add(&f->d, q, &(struct driver_buf){addr, len, false}, 1);
	driver_kick(&f->d, q);
	world_run(&f->w);
}

static uint32_t used(struct fixture *f, unsigned q)
{
	uint32_t id, len;

	return driver_used(&f->d, q, &id, &len) ? len : UINT32_MAX;
}

static void control(struct fixture *f, uint32_t id, uint16_t event,
		    uint16_t value)
{
	const struct virtio_console_control c = {htole32(id), htole16(event),
						 htole16(value)};

	send(f, CTX, &c, sizeof(c));
}

/* What the device told, in a buffer given before. */
static void told(struct fixture *f, uint64_t addr, uint32_t id, uint16_t event,
		 const char *name)
{
	char text[16] = "";

	assert_int_equal(used(f, CRX), 8 + strlen(name));
	assert_int_equal(mem_get32(&f->w, addr), id);
	assert_int_equal(mem_get16(&f->w, addr + 4), event);
	assert_int_equal(mem_get16(&f->w, addr + 6), 1);
	mem_get(&f->w, addr + 8, text, strlen(name));
	assert_string_equal(text, name);
}

/* ---- tests ---- */

static void test_identity(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(world_cfg_read(&f->w, ADDR, 2, 2), 0x1043);
	assert_int_equal(world_cfg_read(&f->w, ADDR, 10, 2), 0x0780);
	assert_int_equal(driver_config(&f->d, 4, 4), 2);
	assert_string_equal(ttys[0].where, "unix=/run/a");
	assert_string_equal(ttys[1].where, "unix=/run/b");
}

/* Buffers for control messages come late: nothing told is lost. */
static void test_ports_are_told(void **state)
{
	struct fixture *f = *state;
	uint64_t a;

	control(f, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	assert_int_equal(used(f, CRX), UINT32_MAX);
	a = give(f, CRX, 64);
	told(f, a, 0, VIRTIO_CONSOLE_PORT_ADD, "");
	a = give(f, CRX, 64);
	told(f, a, 1, VIRTIO_CONSOLE_PORT_ADD, "");
	a = give(f, CRX, 64);
	assert_int_equal(used(f, CRX), UINT32_MAX);
	control(f, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	told(f, a, 1, VIRTIO_CONSOLE_PORT_NAME, "log");
	a = give(f, CRX, 64);
	told(f, a, 1, VIRTIO_CONSOLE_PORT_OPEN, "");
	assert_false(broken(f));
}

static void test_to_the_guest(void **state)
{
	struct fixture *f = *state;
	char got[8] = "";
	uint64_t a, b;

	a = give(f, RX1, 4);
	/* Nobody there has opened it. */
	assert_int_equal(offer(1, "hello"), 0);
	ttys[1].resumes = 0;
	control(f, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_int_equal(ttys[1].resumes, 1);
	assert_int_equal(offer(1, "hello"), 4);
	assert_int_equal(used(f, RX1), 4);
	mem_get(&f->w, a, got, 4);
	assert_string_equal(got, "hell");
	assert_int_equal(offer(1, "o"), 0);
	b = give(f, RX1, 4);
	assert_int_equal(ttys[1].resumes, 2);
	assert_int_equal(offer(1, "o"), 1);
	assert_int_equal(used(f, RX1), 1);
	mem_get(&f->w, b, got, 1);
	assert_int_equal(got[0], 'o');
	give(f, RX1, 4);
	control(f, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	assert_int_equal(offer(1, "x"), 0);
}

static void test_from_the_guest(void **state)
{
	struct fixture *f = *state;
	char large[4097];

	send(f, TX0, "one", 3);
	send(f, TX1, "two", 3);
	assert_int_equal(used(f, TX0), 0);
	assert_int_equal(used(f, TX1), 0);
	assert_memory_equal(ttys[0].out, "one", 3);
	assert_int_equal(ttys[0].out_len, 3);
	assert_memory_equal(ttys[1].out, "two", 3);
	assert_int_equal(ttys[1].out_len, 3);
	memset(large, 'x', sizeof(large));
	large[4096] = 'y';
	send(f, TX1, large, sizeof(large));
	assert_int_equal(ttys[1].out_len, 3 + 4097);
	assert_int_equal(ttys[1].out[3 + 4096], 'y');
}

/* A driver that knows of one port only has it without asking. */
static void test_single(void **state)
{
	struct fixture *f = *state;

	give(f, RX0, 16);
	assert_int_equal(offer(0, "hello"), 5);
	assert_int_equal(used(f, RX0), 5);
	give(f, RX1, 16);
	assert_int_equal(offer(1, "hello"), 0);
	/* No control queues: what is there is not looked at. */
	control(f, 77, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_int_equal(used(f, CTX), UINT32_MAX);
	assert_false(broken(f));
}

static void test_reset_closes(void **state)
{
	struct fixture *f = *state;

	control(f, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	control(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	driver_up(&f->d, UINT64_MAX, 6, 16);
	give(f, RX0, 16);
	assert_int_equal(offer(0, "hello"), 0);
	give(f, CRX, 64);
	assert_int_equal(used(f, CRX), UINT32_MAX);
}

static void test_port_of_nobody(void **state)
{
	struct fixture *f = *state;

	control(f, 2, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_true(broken(f));
}

static void test_short_control(void **state)
{
	struct fixture *f = *state;

	send(f, CTX, "1234567", 7);
	assert_true(broken(f));
}

static void test_small_control_buffer(void **state)
{
	struct fixture *f = *state;

	give(f, CRX, 10);
	control(f, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_true(broken(f));
}

static void test_wrong_way_send(void **state)
{
	struct fixture *f = *state;

	give(f, TX0, 16);
	assert_true(broken(f));
}

static void test_wrong_way_receive(void **state)
{
	struct fixture *f = *state;

	control(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	send(f, RX0, "x", 1);
	assert_false(broken(f));
	assert_int_equal(offer(0, "hello"), 0);
	assert_true(broken(f));
}

static void test_too_much_at_once(void **state)
{
	struct fixture *f = *state;

	driver_add(&f->d, TX0,
		   &(struct driver_buf){BUF, (uint32_t)MIB(1) + 1, false}, 1);
	driver_kick(&f->d, TX0);
	world_run(&f->w);
	assert_true(broken(f));
	assert_int_equal(ttys[0].out_len, 0);
}

static void refused(const char *options, const char *text)
{
	struct world w;
	struct cfg *node;
	struct err err;

	world_create(&w);
	node = world_node(&w, "");
	if (!virtio_console_model.parse(node, options, &err))
		assert_true(
		    virtio_console_model.create(&w.env, ADDR, node, &err) < 0);
	if (!strstr(err.msg, text))
		fail_msg("%s: %s", options, err.msg);
	world_destroy(&w);
}

static void test_bad_options(void **state)
{
	char many[17 * 8] = "";
	unsigned i;

	(void)state;
	refused("", "virtio-console: no port given; name one, as in");
	refused("agent", "'agent': expected NAME=/SOCKET");
	refused("a=b", "'a=b': expected NAME=/SOCKET");
	refused("=/b", "'=/b': expected NAME=/SOCKET");
	refused("a2345678901234567890123456789012=/b", "expected NAME=/SOCKET");
	refused("a=/x,a=/y", "virtio-console: there are two ports 'a'");
	refused("a=/x,b=/bad", "virtio-console: port 'b': cannot listen on");
	for (i = 0; i < 17; i++)
		sprintf(many + strlen(many), "p%u=/p,", i);
	refused(many, "virtio-console: more than 16 ports");
}

static void test_sixteen_ports(void **state)
{
	char options[16 * 16] = "";
	struct driver d;
	struct world w;
	struct cfg *node;
	struct err err;
	unsigned i;

	(void)state;
	for (i = 0; i < 16; i++)
		sprintf(options + strlen(options), "p%u=/p%u,", i, i);
	world_create(&w);
	node = world_node(&w, "");
	if (virtio_console_model.parse(node, options, &err) ||
	    virtio_console_model.create(&w.env, ADDR, node, &err))
		fail_msg("%s", err.msg);
	world_start(&w);
	assert_true(driver_probe(&d, &w, ADDR));
	assert_int_equal(driver_read(&d, VIRTIO_PCI_COMMON_NUMQ, 2), 34);
	assert_int_equal(driver_config(&d, 4, 4), 16);
	assert_string_equal(ttys[15].where, "unix=/p15");
	world_destroy(&w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_identity),
	    T(test_ports_are_told),
	    T(test_to_the_guest),
	    T(test_from_the_guest),
	    cmocka_unit_test_setup_teardown(test_single, setup_single,
					    teardown),
	    T(test_reset_closes),
	    T(test_port_of_nobody),
	    T(test_short_control),
	    T(test_small_control_buffer),
	    T(test_wrong_way_send),
	    T(test_wrong_way_receive),
	    T(test_too_much_at_once),
	    cmocka_unit_test(test_sixteen_ports),
	    cmocka_unit_test(test_bad_options),
	};

	return cmocka_run_group_tests_name("virtio_console", tests, NULL, NULL);
}
