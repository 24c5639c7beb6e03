/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Brings guest RAM into memory before it is pinned: clearing pages is most of
 * what pinning costs, and VFIO would do it on one CPU.
 */
#include <pthread.h>

#include "vfio/vfio_internal.h"

#define POPULATE_THREADS 8u
/* Below this a second thread costs more than it brings. */
#define POPULATE_SLICE MIB(256)

struct slice {
	const struct vfio_ops *ops;
	uint8_t *host;
	size_t size;
	int result;
	bool started;
	pthread_t thread;
};

static void *populate_slice(void *arg)
{
	struct slice *slice = arg;

	slice->result =
	    slice->ops->populate(slice->ops->ctx, slice->host, slice->size);
	return NULL;
}

int vfio_populate(const struct vfio_ops *ops, void *host, uint64_t size)
{
	struct slice slice[POPULATE_THREADS] = {0};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t each, done = 0;
	unsigned n, i;
	int r = 0;

	n = (unsigned)MIN(size / POPULATE_SLICE + 1, POPULATE_THREADS);
	if (cpus > 0)
		n = MIN(n, (unsigned)cpus);
	each = align_up(size / n, MIB(2));
	for (i = 0; i < n && done < size; i++) {
		slice[i].ops = ops;
		slice[i].host = (uint8_t *)host + done;
		slice[i].size =
		    i == n - 1 ? size - done : MIN(each, size - done);
		done += slice[i].size;
		/* The last slice, and any without a thread, is done here. */
		slice[i].started =
		    done < size &&
		    pthread_create(&slice[i].thread, NULL, populate_slice,
				   &slice[i]) == 0;
		if (!slice[i].started)
			populate_slice(&slice[i]);
	}
	for (i = 0; i < n; i++) {
		if (slice[i].started)
			pthread_join(slice[i].thread, NULL);
		if (slice[i].result && !r)
			r = slice[i].result;
	}
	return r;
}
