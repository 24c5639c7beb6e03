/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting threads; the contract is thread.h. */
#include "base/thread.h"

#include <signal.h>
#include <unistd.h>

int thread_start(size_t stack, void *(*main)(void *), void *ctx,
		 pthread_t *ret_thread)
{
	long least = sysconf(_SC_THREAD_STACK_MIN);
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	int r = pthread_attr_init(&attr);

	if (r)
		return -r;
	sigfillset(&all);
	r = pthread_attr_setsigmask_np(&attr, &all);
	if (!r)
		r = pthread_attr_setstacksize(
		    &attr, stack + (least > 0 ? (size_t)least : 0));
	if (!r)
		r = pthread_create(&thread, &attr, main, ctx);
	pthread_attr_destroy(&attr);
	if (!r)
		*ret_thread = thread;
	return -r;
}
