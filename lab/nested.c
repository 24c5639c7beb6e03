/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library to preload into the emulated host's QEMU 7.2, for two bugs of its
 * nested virtualisation. Its accelerator is a module, whose own
 * tcg_handle_interrupt() gives way to the one here.
 *
 * Lost interrupts: VMRUN and #VMEXIT change the processor's word of pending
 * requests without QEMU's lock. A request that another thread sets at that
 * moment is lost: the timer's, and the processor sleeps for ever with the
 * interrupt pending in its local APIC. Here requests from other threads to
 * look at the APIC are made a second time, a millisecond later.
 *
 * Abort: a guest in the emulated host that writes CR8 while its hypervisor
 * waits for an interrupt window makes QEMU raise an interrupt without its
 * lock, which it checks. UEFI firmware writes CR8 at the end of each
 * interrupt. Here the lock is taken first. QEMU 10.0 does the same.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define MODULE	"/accel-tcg-x86_64.so"
#define CPUS	16
#define POLL	0x10	/* CPU_INTERRUPT_POLL: look at the local APIC */
#define WAIT_US 1000

/* Of QEMU's. */
struct CPUState;
extern bool qemu_mutex_iothread_locked(void) __attribute__((weak));
extern void qemu_mutex_lock_iothread_impl(const char *file, int line)
	__attribute__((weak));
extern void qemu_mutex_unlock_iothread(void) __attribute__((weak));
extern bool qemu_cpu_is_self(struct CPUState *cpu) __attribute__((weak));
void tcg_handle_interrupt(struct CPUState *cpu, int mask);

typedef void handle_fn(struct CPUState *cpu, int mask);

static handle_fn *handle;

/* Processors to ask again; guarded by lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static struct CPUState *waiting[CPUS];

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
		errx(1, "nested.c: no " MODULE " with tcg_handle_interrupt()");
	return (handle_fn *)found;
}

/* Takes one that waits, waiting for it. */
static struct CPUState *
next_waiting(void)
{
	struct CPUState *cpu = NULL;
	int i;

	pthread_mutex_lock(&lock);
	while (!cpu) {
		for (i = 0; i < CPUS && !waiting[i]; i++)
			;
		if (i == CPUS) {
			pthread_cond_wait(&wake, &lock);
			continue;
		}
		cpu = waiting[i];
		waiting[i] = NULL;
	}
	pthread_mutex_unlock(&lock);
	return cpu;
}

static void *
ask_again(void *unused)
{
	for (;;) {
		struct CPUState *cpu = next_waiting();

		usleep(WAIT_US);
		qemu_mutex_lock_iothread_impl(__FILE__, __LINE__);
		handle(cpu, POLL);
		qemu_mutex_unlock_iothread();
	}
	return unused;
}

static void
ask_later(struct CPUState *cpu)
{
	int i, room = -1;

	pthread_mutex_lock(&lock);
	for (i = 0; i < CPUS && waiting[i] != cpu; i++)
		if (!waiting[i])
			room = i;
	if (i == CPUS && room >= 0) {
		waiting[room] = cpu;
		pthread_cond_signal(&wake);
	}
	pthread_mutex_unlock(&lock);
}

static void
start(void)
{
	pthread_t thread;

	handle = of_module();
	if (pthread_create(&thread, NULL, ask_again, NULL) != 0)
		errx(1, "nested.c: no thread");
}

void
tcg_handle_interrupt(struct CPUState *cpu, int mask)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	bool locked = qemu_mutex_iothread_locked();

	pthread_once(&once, start);
	if (!locked)
		qemu_mutex_lock_iothread_impl(__FILE__, __LINE__);
	handle(cpu, mask);
	if (!locked)
		qemu_mutex_unlock_iothread();
	if ((mask & POLL) && !qemu_cpu_is_self(cpu))
		ask_later(cpu);
}
