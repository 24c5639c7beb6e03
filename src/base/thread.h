/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helper threads: with a stack of their own choice, and without signals, which
 * are the main thread's business.
 *
 * Threads: any.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

#include "base/base.h"

/*
 * Starts main(ctx) with `stack` bytes for itself, besides what the C library
 * takes of each stack. 0 or negative errno; then *ret_thread is not changed.
 */
MUST_CHECK int thread_start(size_t stack, void *(*main)(void *), void *ctx,
			    pthread_t *ret_thread);

#endif
