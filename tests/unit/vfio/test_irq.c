/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts beyond the golden scripts: growing vector blocks, hosts without
 * enough vectors, lines that cannot be used, errors and requests, threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "fake_world.h"

#define DEV(w) ((w)->kernel.dev[0])

static void vector_write(struct world *w, unsigned n, bool masked)
{
	struct pci_dev *dev =
	    pci_host_find(w->host, (struct pci_addr){0, 6, 0});
	uint64_t at = dev->msix_table_off + 16 * n;

	world_bar_write(w, 6, dev->msix_bar, at, 4, 0xfee00000);
	world_bar_write(w, 6, dev->msix_bar, at + 8, 4, 0x40 + n);
	world_bar_write(w, 6, dev->msix_bar, at + 12, 4, masked);
}

/* An NVMe with 300 vectors; the guest has unmasked vectors 0 and 1. */
static void many_vectors(struct world *w, uint32_t noresize)
{
	struct fake_device *dev = fake_nvme();

	fake_put16(dev->cfg + dev->msix + PCI_MSIX_FLAGS, 300 - 1);
	fake_put32(dev->cfg + dev->msix + PCI_MSIX_PBA, 0x3800);
	dev->irq[VFIO_PCI_MSIX_IRQ_INDEX].count = 300;
	dev->irq[VFIO_PCI_MSIX_IRQ_INDEX].flags =
	    VFIO_IRQ_INFO_EVENTFD | noresize;
	world_one(w, dev, "3/0/0");
	world_enable(w, 6);
	world_write(w, 6, 0x42, 2, 0x8000);
	vector_write(w, 0, false);
	vector_write(w, 1, false);
	assert_int_equal(world_delivered(w, 24), 0);
	(void)fake_trace(&w->kernel);
}

/* A block that cannot grow is made anew; what fell into the gap is repeated. */
static void test_regrow(void **state UNUSED)
{
	struct world w;

	many_vectors(&w, VFIO_IRQ_INFO_NORESIZE);
	assert_int_equal(DEV(&w)->vectors, 32);
	vector_write(&w, 40, false);
	assert_int_equal(DEV(&w)->vectors, 64);
	assert_non_null(strstr(fake_trace(&w.kernel),
			       "irq 03:00.0 MSI-X off\n"
			       "irq 03:00.0 MSI-X trigger 0+64 e5 e6 -"));
	assert_int_equal(world_delivered(&w, 24), 1);
	assert_int_equal(world_delivered(&w, 25), 1);
	assert_true(fake_fire(DEV(&w), 40));
	assert_true(world_delivered(&w, 26) > 0);
	/* Never more than the device has. */
	vector_write(&w, 299, false);
	assert_int_equal(DEV(&w)->vectors, 300);
	world_fini(&w);
}

/* Newer kernels add vectors one by one. */
static void test_grows_in_place(void **state UNUSED)
{
	struct world w;

	many_vectors(&w, 0);
	assert_int_equal(DEV(&w)->vectors, 2);
	vector_write(&w, 40, false);
	assert_null(strstr(fake_trace(&w.kernel), "off"));
	assert_int_equal(DEV(&w)->vectors, 41);
	assert_int_equal(world_delivered(&w, 24), 0);
	assert_true(fake_fire(DEV(&w), 40));
	assert_int_equal(world_delivered(&w, 26), 1);
	world_fini(&w);
}

/* The host has only 20 vectors left: the guest gets those. */
static void test_host_short(void **state UNUSED)
{
	unsigned teardowns;
	struct world w;

	many_vectors(&w, VFIO_IRQ_INFO_NORESIZE);
	DEV(&w)->vectors_max = 20;
	vector_write(&w, 40, false);
	assert_int_equal(DEV(&w)->vectors, 20);
	assert_true(fake_fire(DEV(&w), 0));
	assert_true(world_delivered(&w, 24) > 0);
	assert_false(fake_fire(DEV(&w), 40));
	/* One that there is still works. */
	vector_write(&w, 5, false);
	assert_true(fake_fire(DEV(&w), 5));
	/* Asking for more again disturbs nobody: the host's number is known. */
	teardowns = DEV(&w)->teardowns;
	vector_write(&w, 40, true);
	vector_write(&w, 40, false);
	vector_write(&w, 30, false);
	assert_int_equal(DEV(&w)->teardowns, teardowns);
	assert_int_equal(DEV(&w)->vectors, 20);
	world_fini(&w);
}

static void test_msi_short(void **state UNUSED)
{
	struct world w;

	world_one(&w, fake_gpu(), "3/0/0");
	DEV(&w)->vectors_max = 1;
	world_enable(&w, 6);
	world_write(&w, 6, 0x6c, 4, 0xfee00000);
	world_write(&w, 6, 0x6a, 2, 0x0021);
	assert_int_equal(DEV(&w)->vectors, 1);
	assert_true(fake_fire(DEV(&w), 0));
	assert_int_equal(world_delivered(&w, 24), 1);
	world_fini(&w);
}

/* A vector without a use costs nothing. */
static void test_lazy(void **state UNUSED)
{
	struct world w;
	unsigned n, used = 0;

	world_one(&w, fake_nvme(), "3/0/0");
	world_enable(&w, 6);
	world_write(&w, 6, 0x42, 2, 0xc000);
	for (n = 0; n < 17; n++)
		vector_write(&w, n, true);
	world_write(&w, 6, 0x42, 2, 0x8000);
	for (n = 0; n < WORLD_GSIS; n++)
		used += w.gsi[n].used;
	assert_int_equal(used, 0);
	/* The device itself has MSI-X on, as its driver expects. */
	assert_true(DEV(&w)->cfg[DEV(&w)->msix + PCI_MSIX_FLAGS + 1] & 0x80);
	world_fini(&w);
}

/* Routes run out: the vector is dead, the others and the guest live. */
static void test_no_routes(void **state UNUSED)
{
	struct world w;
	unsigned n;

	many_vectors(&w, VFIO_IRQ_INFO_NORESIZE);
	for (n = WORLD_FIRST_MSI; n < WORLD_GSIS; n++)
		if (!w.gsi[n].used)
			w.gsi[n] = (struct world_gsi){.used = true, .fd = -1};
	vector_write(&w, 3, false);
	assert_false(fake_fire(DEV(&w), 3));
	assert_true(fake_fire(DEV(&w), 0));
	assert_int_equal(world_delivered(&w, 24), 1);
	for (n = WORLD_FIRST_MSI + 2; n < WORLD_GSIS; n++)
		w.gsi[n].used = false;
	world_fini(&w);
}

/* A line the host shares with others: said once, and not tried again. */
static void test_intx_busy(void **state UNUSED)
{
	struct fake_device *dev = fake_nvme();
	struct world w;

	dev->intx_error = -EBUSY;
	world_one(&w, dev, "3/0/0");
	assert_int_equal(dev->irq_index, -1);
	world_enable(&w, 6);
	world_write(&w, 6, PCI_COMMAND, 2, 0x407);
	world_write(&w, 6, PCI_COMMAND, 2, 0x7);
	assert_null(strstr(fake_trace(&w.kernel), "INTx"));
	/* MSI-X is not affected. */
	world_write(&w, 6, 0x42, 2, 0x8000);
	vector_write(&w, 0, false);
	assert_true(fake_fire(dev, 0));
	world_fini(&w);
}

/* Pending when masked before, fired when the function mask goes. */
static void test_pending_two_masks(void **state UNUSED)
{
	struct world w;

	many_vectors(&w, VFIO_IRQ_INFO_NORESIZE);
	world_write(&w, 6, 0x42, 2, 0xc000);
	vector_write(&w, 1, true);
	assert_true(fake_fire(DEV(&w), 0));
	assert_true(fake_fire(DEV(&w), 1));
	assert_int_equal(evloop_step(w.loop, 1000), 0);
	assert_int_equal(world_bar_read(&w, 6, 0, 0x3800, 8), 3);
	world_write(&w, 6, 0x42, 2, 0x8000);
	assert_int_equal(world_bar_read(&w, 6, 0, 0x3800, 8), 2);
	assert_int_equal(world_delivered(&w, 24), 1);
	assert_int_equal(world_delivered(&w, 25), 0);
	vector_write(&w, 1, false);
	assert_int_equal(world_bar_read(&w, 6, 0, 0x3800, 8), 0);
	assert_int_equal(world_delivered(&w, 25), 1);
	world_fini(&w);
}

/* Switching MSI-X off forgets what was pending. */
static void test_pending_forgotten(void **state UNUSED)
{
	struct world w;

	many_vectors(&w, VFIO_IRQ_INFO_NORESIZE);
	vector_write(&w, 0, true);
	assert_true(fake_fire(DEV(&w), 0));
	assert_int_equal(evloop_step(w.loop, 1000), 0);
	world_write(&w, 6, 0x42, 2, 0);
	world_write(&w, 6, 0x42, 2, 0x8000);
	vector_write(&w, 0, false);
	assert_int_equal(world_delivered(&w, 24), 0);
	world_fini(&w);
}

static void test_error(void **state UNUSED)
{
	const uint64_t one = 1;
	struct world w;

	many_vectors(&w, VFIO_IRQ_INFO_NORESIZE);
	assert_int_equal(write(DEV(&w)->err_fd, &one, sizeof(one)), 8);
	assert_int_equal(evloop_step(w.loop, 1000), 0);
	assert_true(w.ended);
	assert_int_equal(w.end, VM_END_ERROR);
	assert_string_equal(
	    w.why,
	    "0000:03:00.0: reported an uncorrectable error (the host's kernel"
	    " log has it under AER); the guest was stopped");
	assert_false(DEV(&w)->cfg[PCI_COMMAND] & PCI_COMMAND_MASTER);
	assert_int_equal(DEV(&w)->irq_index, -1);
	world_fini(&w);
}

static void test_request(void **state UNUSED)
{
	const uint64_t one = 1;
	struct world w;

	many_vectors(&w, VFIO_IRQ_INFO_NORESIZE);
	assert_int_equal(write(DEV(&w)->req_fd, &one, sizeof(one)), 8);
	assert_int_equal(evloop_step(w.loop, 1000), 0);
	assert_true(w.ended);
	assert_int_equal(w.end, VM_END_POWEROFF);
	assert_string_equal(
	    w.why,
	    "the host asked for 0000:03:00.0 back (unbound, or removed)");
	world_fini(&w);
}

/* A vCPU masks and unmasks while the device fires and the loop runs. */
struct masker {
	struct world *w;
	unsigned rounds;
};

static void *mask_loop(void *arg)
{
	struct masker *m = arg;
	unsigned i;

	for (i = 0; i < m->rounds; i++) {
		vector_write(m->w, 0, i % 2 == 0);
		vector_write(m->w, 1, i % 3 == 0);
	}
	vector_write(m->w, 0, false);
	vector_write(m->w, 1, false);
	return NULL;
}

static void test_threads(void **state UNUSED)
{
	struct masker m = {.rounds = 3000};
	pthread_t thread;
	struct world w;
	unsigned i;

	many_vectors(&w, VFIO_IRQ_INFO_NORESIZE);
	m.w = &w;
	w.kernel.quiet = true;
	assert_int_equal(pthread_create(&thread, NULL, mask_loop, &m), 0);
	for (i = 0; i < 3000; i++) {
		assert_true(fake_fire(DEV(&w), i % 2));
		assert_int_equal(evloop_step(w.loop, 0), 0);
	}
	pthread_join(thread, NULL);
	/* The last interrupt was not lost. */
	assert_true(world_delivered(&w, 24) > 0);
	assert_true(world_delivered(&w, 25) > 0);
	assert_int_equal(world_bar_read(&w, 6, 0, 0x3800, 8), 0);
	world_fini(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_regrow),
	    cmocka_unit_test(test_grows_in_place),
	    cmocka_unit_test(test_host_short),
	    cmocka_unit_test(test_msi_short),
	    cmocka_unit_test(test_lazy),
	    cmocka_unit_test(test_no_routes),
	    cmocka_unit_test(test_intx_busy),
	    cmocka_unit_test(test_pending_two_masks),
	    cmocka_unit_test(test_pending_forgotten),
	    cmocka_unit_test(test_error),
	    cmocka_unit_test(test_request),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
