/* SPDX-License-Identifier: BSD-2-Clause */
/* Reset ports and progress ports; the contract is in reset_ports.h. */
#include "dev/reset_ports.h"

#include <pthread.h>

#define PORT92_RESET 0x01u
#define PORT92_A20   0x02u

#define CF9_FULL 0x08u /* also power off and on: the same to a guest */
#define CF9_CPU	 0x04u /* going from 0 to 1 resets */
#define CF9_SYS	 0x02u

#define PROGRESS_PORTS 2u

struct progress {
	struct aspace_region region;
	uint8_t value;
};

struct reset_ports {
	struct aspace *pio;
	struct pci_host *pci;
	vm_end_fn *end;
	void *end_ctx;
	struct aspace_region region92, region_cf9;
	bool has_cf9;

	/* Locking: lock guards the bytes of all ports. */
	pthread_mutex_t lock;
	uint8_t port92, cf9;
	struct progress progress[PROGRESS_PORTS];
};

static uint64_t port92_read(void *ctx, uint64_t offset UNUSED,
			    unsigned size UNUSED)
{
	const struct reset_ports *ports = ctx;

	return ports->port92;
}

static void port92_write(void *ctx, uint64_t offset UNUSED,
			 unsigned size UNUSED, uint64_t value)
{
	struct reset_ports *ports = ctx;

	ports->port92 = value & PORT92_A20;
	if (value & PORT92_RESET)
		ports->end(ports->end_ctx, VM_END_REBOOT, "reset by port 92");
}

static uint64_t cf9_read(void *ctx, uint64_t offset UNUSED,
			 unsigned size UNUSED)
{
	const struct reset_ports *ports = ctx;

	return ports->cf9;
}

static void cf9_write(void *ctx, uint64_t offset UNUSED, unsigned size UNUSED,
		      uint64_t value)
{
	struct reset_ports *ports = ctx;

	/* CF9_CPU never reads as one: each write of it is a rising edge. */
	ports->cf9 = value & (CF9_FULL | CF9_SYS);
	if (value & CF9_CPU)
		ports->end(ports->end_ctx, VM_END_REBOOT, "reset by port cf9");
}

static uint64_t progress_read(void *ctx, uint64_t offset UNUSED,
			      unsigned size UNUSED)
{
	const struct progress *progress = ctx;

	return progress->value;
}

static void progress_write(void *ctx, uint64_t offset UNUSED,
			   unsigned size UNUSED, uint64_t value)
{
	struct progress *progress = ctx;

	progress->value = (uint8_t)value;
}

static int add_progress(struct reset_ports *ports, struct err *err)
{
	static const uint16_t port[PROGRESS_PORTS] = {0x80, 0x84};
	unsigned i;
	int r = 0;

	for (i = 0; i < PROGRESS_PORTS && !r; i++) {
		struct progress *progress = &ports->progress[i];

		progress->region = (struct aspace_region){
		    .name = "progress",
		    .size = 1,
		    .read = progress_read,
		    .write = progress_write,
		    .ctx = progress,
		    .lock = &ports->lock,
		    .min_size = 1,
		    .max_size = 1,
		};
		r = aspace_add(ports->pio, &progress->region, port[i], err);
	}
	return r;
}

static int add_ports(struct reset_ports *ports, struct err *err)
{
	int r;

	ports->region92 = (struct aspace_region){
	    .name = "port 92",
	    .size = 1,
	    .read = port92_read,
	    .write = port92_write,
	    .ctx = ports,
	    .lock = &ports->lock,
	    .min_size = 1,
	    .max_size = 1,
	};
	ports->region_cf9 = ports->region92;
	ports->region_cf9.name = "port cf9";
	ports->region_cf9.read = cf9_read;
	ports->region_cf9.write = cf9_write;
	r = aspace_add(ports->pio, &ports->region92, 0x92, err);
	if (!r)
		r = add_progress(ports, err);
	if (r)
		return r;
	pci_host_set_cf9(ports->pci, &ports->region_cf9);
	ports->has_cf9 = true;
	return 0;
}

int reset_ports_create(const struct model_env *env, struct err *err,
		       struct reset_ports **ret_ports)
{
	struct reset_ports *ports = calloc(1, sizeof(*ports));
	int r;

	if (!ports)
		return err_set(err, -ENOMEM, "reset ports: out of memory");
	ports->pio = env->pio;
	ports->pci = env->pci;
	ports->end = env->end;
	ports->end_ctx = env->end_ctx;
	ports->port92 = PORT92_A20;
	pthread_mutex_init(&ports->lock, NULL);
	r = add_ports(ports, err);
	if (r) {
		reset_ports_destroy(ports);
		return r;
	}
	*ret_ports = ports;
	return 0;
}

void reset_ports_destroy(struct reset_ports *ports)
{
	unsigned i;

	if (!ports)
		return;
	if (ports->has_cf9)
		pci_host_set_cf9(ports->pci, NULL);
	aspace_remove(ports->pio, &ports->region92);
	for (i = 0; i < PROGRESS_PORTS; i++)
		aspace_remove(ports->pio, &ports->progress[i].region);
	pthread_mutex_destroy(&ports->lock);
	free(ports);
}
