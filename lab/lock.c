/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library to preload into the emulated host's QEMU 7.2, for a bug of its
 * nested virtualisation: when a guest in the emulated host writes CR8 while
 * its hypervisor waits for an interrupt window, QEMU raises an interrupt
 * without holding its lock, notices, and aborts. UEFI firmware writes CR8 at
 * the end of each interrupt, so such guests end the emulated host within
 * seconds. QEMU 10.0 does the same.
 *
 * The accelerator is a module whose own tcg_handle_interrupt() gives way to
 * this one: it takes the lock when it is not held, and calls the module's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>

#define MODULE "/accel-tcg-x86_64.so"

/* Of QEMU's. */
struct CPUState;
extern bool qemu_mutex_iothread_locked(void) __attribute__((weak));
extern void qemu_mutex_lock_iothread_impl(const char *file, int line)
	__attribute__((weak));
extern void qemu_mutex_unlock_iothread(void) __attribute__((weak));
void tcg_handle_interrupt(struct CPUState *cpu, int mask);

typedef void handle_fn(struct CPUState *cpu, int mask);

static int
find_module(struct dl_phdr_info *info, size_t size, void *data)
{
	const char *end = strrchr(info->dlpi_name, '/');

	(void)size;
	if (!end || strcmp(end, MODULE) != 0)
		return 0;
	*(void **)data = dlopen(info->dlpi_name, RTLD_NOLOAD | RTLD_LAZY);
	return 1;
}

static handle_fn *
of_module(void)
{
	void *module = NULL, *found = NULL;

	dl_iterate_phdr(find_module, &module);
	if (module)
		found = dlsym(module, "tcg_handle_interrupt");
	if (!found || found == (void *)tcg_handle_interrupt)
		errx(1, "lock.c: no " MODULE " with tcg_handle_interrupt()");
	return (handle_fn *)found;
}

void
tcg_handle_interrupt(struct CPUState *cpu, int mask)
{
	static handle_fn *handle;
	bool locked = qemu_mutex_iothread_locked();

	if (!handle)
		handle = of_module();
	if (!locked)
		qemu_mutex_lock_iothread_impl(__FILE__, __LINE__);
	handle(cpu, mask);
	if (!locked)
		qemu_mutex_unlock_iothread();
}
