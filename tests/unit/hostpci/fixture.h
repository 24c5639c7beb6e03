/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host made of files: a tree with sys/, proc/ and dev/ below a temporary
 * folder, and a player of the kernel's part in binding drivers.
 *
 * The player keeps the tree true: what is written to driver_override, unbind,
 * bind and drivers_probe moves the function's `driver` link as the kernel
 * would, or fails in the way a test asks for.
 */
#ifndef TESTS_HOSTPCI_FIXTURE_H
#define TESTS_HOSTPCI_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hostpci/hostpci_internal.h"

#define NATIVE_MAX 16

struct fixture {
	struct hostpci_kernel ops; /* first: the player is found through it */
	char root[64];
	char log[8192]; /* "PATH=TEXT\n" of each write, "load X\n" */
	uint64_t now_ns;
	struct {
		char bdf[HOSTPCI_BDF_MAX], driver[DRIVER_MAX];
	} native[NATIVE_MAX]; /* which driver knows which function */
	size_t natives;
	const char *refuse;    /* this driver binds nothing */
	const char *hang;      /* a write to a path ending so times out */
	const char *deny;      /* a write to a path ending so: -EACCES */
	const char *claimed;   /* a block device the kernel holds */
	uint64_t room;	       /* a BAR of more: -ENOSPC; 0: no limit */
	bool lose_address;     /* resizing leaves BAR 0 without an address */
	bool make_fewer;       /* one virtual function less than asked for */
	const char *available; /* the one module that can be loaded */
};

/* One function; `at` is its place below pci0000:00, bridges first. */
struct fixture_dev {
	const char *at;
	const char *driver; /* NULL: unbound; also the one that knows it */
	uint32_t class;
	uint16_t vendor, device;
	int group; /* -1 none */
	uint8_t header;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

void fixture_file(struct fixture *f, const char *path, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void fixture_bytes(struct fixture *f, const char *path, const void *data,
		   size_t size);
void fixture_link(struct fixture *f, const char *path, const char *target);
void fixture_remove(struct fixture *f, const char *path);
bool fixture_exists(struct fixture *f, const char *path);
void fixture_dev(struct fixture *f, const struct fixture_dev *dev);
/* A class device (or a plain one) at sys/devices/<at>. */
void fixture_class(struct fixture *f, const char *class, const char *name,
		   const char *at);
void fixture_driver(struct fixture *f, const char *driver);

/*
 * 00:00.0 host bridge, 00:1c.0..2 root ports; behind them, each in a group of
 * its own, 01:00.0 NVMe, 02:00.0 e1000e, 03:00.0 xHCI.
 */
void fixture_plain(struct fixture *f);
/* A disk or partition; below `at`, "" for a virtual one. */
void fixture_block(struct fixture *f, const char *name, const char *at,
		   const char *number);

struct hostpci *fixture_open(struct fixture *f);
const struct hostpci_dev *fixture_find(struct hostpci *host, const char *bdf);

#define assert_text(err, text) assert_string_equal((err).msg, text)

#endif
