/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-rnd, with a generator that can be "not ready" (getrandom wrapped). */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <sys/random.h>

#include "dev/virtio_models.h"
#include "driver.h"

#define ADDR ((struct pci_addr){0, 4, 0})
#define BUF  0x100000u

static struct {
	bool not_ready;
	unsigned calls;
} host;

ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags)
{
	assert_true(flags & GRND_NONBLOCK);
	if (host.not_ready) {
		errno = EAGAIN;
		return -1;
	}
	/* Countable: each call gives bytes of its own number. */
	memset(buf, (int)++host.calls, len);
	return (ssize_t)len;
}

struct fixture {
	struct world w;
	struct driver d;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	assert_non_null(f);
	memset(&host, 0, sizeof(host));
	world_create(&f->w);
	if (virtio_rnd_model.create(&f->w.env, ADDR, world_node(&f->w, ""),
				    &err))
		fail_msg("%s", err.msg);
	world_start(&f->w);
	assert_true(driver_probe(&f->d, &f->w, ADDR));
	driver_msix_enable(&f->d, 2);
	driver_up(&f->d, UINT64_MAX, 1, 16);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	world_destroy(&f->w);
	free(f);
	return 0;
}

static void ask(struct fixture *f, const struct driver_buf *bufs, unsigned n)
{
	driver_add(&f->d, 0, bufs, n);
	driver_kick(&f->d, 0);
	world_run(&f->w);
}

static uint32_t given(struct fixture *f)
{
	uint32_t id, len;

	return driver_used(&f->d, 0, &id, &len) ? len : UINT32_MAX;
}

static void test_identity(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(world_cfg_read(&f->w, ADDR, 2, 2), 0x1044);
	assert_int_equal(f->d.device_len, 0);
}

static void test_bytes(void **state)
{
	struct fixture *f = *state;
	const struct driver_buf bufs[] = {{BUF, 300, true},
					  {BUF + 0x1000, 10, true}};
	uint8_t a[301], b[11];

	ask(f, bufs, 2);
	assert_int_equal(given(f), 310);
	assert_int_equal(world_msis(&f->w), 1);
	mem_get(&f->w, BUF, a, sizeof(a));
	mem_get(&f->w, BUF + 0x1000, b, sizeof(b));
	assert_int_equal(a[0], 1);
	assert_int_equal(a[255], 1);
	assert_int_equal(a[256], 2);
	assert_int_equal(a[299], 2);
	assert_int_equal(a[300], 0);
	assert_int_equal(b[9], 2);
	assert_int_equal(b[10], 0);
}

static void test_large_request_is_cut(void **state)
{
	struct fixture *f = *state;

	ask(f, &(struct driver_buf){BUF, (uint32_t)MIB(3), true}, 1);
	assert_int_equal(given(f), 4096);
}

static void test_empty_request(void **state)
{
	struct fixture *f = *state;

	ask(f, &(struct driver_buf){BUF, 0, true}, 1);
	assert_int_equal(given(f), 0);
}

static void test_readable_buffer(void **state)
{
	struct fixture *f = *state;

	ask(f, &(struct driver_buf){BUF, 16, false}, 1);
	assert_true(driver_status(&f->d) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(given(f), UINT32_MAX);
}

static void test_generator_not_ready(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	host.not_ready = true;
	ask(f, &(struct driver_buf){BUF, 16, true}, 1);
	ask(f, &(struct driver_buf){BUF + 64, 16, true}, 1);
	assert_int_equal(given(f), UINT32_MAX);
	host.not_ready = false;
	/* No kick from the guest: the timer looks again. */
	for (i = 0; i < 100 && !mem_get16(&f->w, f->d.q[0].used + 2); i++)
		assert_int_equal(evloop_step(f->w.loop, 100), 0);
	world_run(&f->w);
	assert_int_equal(given(f), 16);
	assert_int_equal(given(f), 16);
}

static void test_unknown_option(void **state)
{
	struct fixture *f = *state;
	struct cfg *node;
	struct err err;

	assert_int_equal(cfg_make(f->w.root, "pci.0.5.0", &err, &node), 0);
	assert_int_equal(cfg_set_list(node, "rate=5", &err), 0);
	assert_int_not_equal(virtio_rnd_model.create(&f->w.env,
						     (struct pci_addr){0, 5, 0},
						     node, &err),
			     0);
	assert_string_equal(err.msg,
			    "pci.0.5.0.rate: unknown option, known: device");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_identity),
	    T(test_bytes),
	    T(test_large_request_is_cut),
	    T(test_empty_request),
	    T(test_readable_buffer),
	    T(test_generator_not_ready),
	    T(test_unknown_option),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
