/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of libhostpci share: the handle, reading below the root, the
 * few acts that change or probe the live system (replaceable for tests), and
 * the journal of former drivers.
 *
 * All paths are relative to the root ("sys/bus/pci/devices").
 */
#ifndef HOSTPCI_HOSTPCI_INTERNAL_H
#define HOSTPCI_HOSTPCI_INTERNAL_H

#include <dirent.h>
#include <limits.h>

#include "hostpci/hostpci.h"

#define SYS_DEVICES "sys/bus/pci/devices"
#define SYS_DRIVERS "sys/bus/pci/drivers"
#define VFIO_PCI    "vfio-pci"
#define LABEL_MAX   48
#define DRIVER_MAX  64

/*
 * What reading files cannot do. kernel_host() acts on the machine; tests put
 * a player of the kernel's part in its place.
 */
struct hostpci_kernel {
	/*
	 * Writes `text` to a sysfs attribute. -ETIMEDOUT when that has not
	 * returned in time: the write goes on in a process of its own, which
	 * holds the function's lock until it ends.
	 */
	int (*write)(struct hostpci *host, const char *path, const char *text,
		     unsigned timeout_ms);
	/* Loads a kernel module; whether it helped shows in sysfs. */
	int (*load)(struct hostpci *host, const char *module);
	/* -EBUSY when something holds block device `name` exclusively. */
	int (*claim)(struct hostpci *host, const char *name);
	uint64_t (*now_ns)(struct hostpci *host);
	void (*pause)(struct hostpci *host); /* a little time passes */
};

const struct hostpci_kernel *kernel_host(void);

struct hostpci {
	int root_fd;
	int lock_fd; /* of the function being bound, -1 */
	bool real;   /* the root is "/" */
	char *root;  /* resolved, without the final slash: "" for "/" */
	const struct hostpci_kernel *kernel;
	struct hostpci_dev *devs;
	size_t count;
};

MUST_CHECK int hostpci_open_with(const char *root,
				 const struct hostpci_kernel *kernel,
				 struct err *err, struct hostpci **ret_host);

/* --- sysfs.c: reading below the root ------------------------------------ */

struct list {
	struct dirent **entry; /* sorted, without "." and ".." */
	int count;
};
void list_free(struct list *list);
#define CLEANUP_LIST __attribute__((cleanup(list_free)))

/* A directory that does not exist is an empty list. */
MUST_CHECK int sysfs_list(const struct hostpci *host, struct list *ret_list,
			  const char *fmt, ...) PRINTF_LIKE(3, 4);
/*
 * First bytes of a file, as a string without the white space at its end; ""
 * after an error.
 */
MUST_CHECK int sysfs_text(const struct hostpci *host, char *buf, size_t size,
			  const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The whole file, to be freed by the caller. */
MUST_CHECK int sysfs_file(const struct hostpci *host, const char *path,
			  char **ret_text);
/* Where a symbolic link points. */
MUST_CHECK int sysfs_link(const struct hostpci *host, char *buf, size_t size,
			  const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Last component of that; `buf` is "" when there is no link. */
MUST_CHECK int sysfs_link_name(const struct hostpci *host, char *buf,
			       size_t size, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
bool sysfs_exists(const struct hostpci *host, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
/* A number in C notation; `none` when missing or malformed. */
long long sysfs_number(const struct hostpci *host, long long none,
		       const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Is `name` a component of `path`? */
bool path_has(const char *path, const char *name);

/* --- scan.c ------------------------------------------------------------- */

/* Reads one function again. -ENODEV when it has gone. */
MUST_CHECK int dev_read(const struct hostpci *host, struct hostpci_addr addr,
			struct hostpci_dev *ret_dev);
/*
 * Nobody answers: ids and class read as ones. (A virtual function has no ids
 * in its registers.)
 */
#define HEADER_SILENT_BYTES 12
bool header_is_silent(const uint8_t header[HEADER_SILENT_BYTES]);
/* The driver only: never waits for the kernel. "" when unbound. */
void dev_read_driver(const struct hostpci *host, struct hostpci_dev *dev);

/* --- addr.c ------------------------------------------------------------- */

/* Exactly as the kernel writes it: "0000:03:00.0". */
MUST_CHECK int addr_from_bdf(const char *text, struct hostpci_addr *ret_addr);
int addr_compare(struct hostpci_addr a, struct hostpci_addr b);
/* "0000:03:00.0 (3/0/0)"; without brackets where 3/0/0 would mislead. */
const char *dev_label(const struct hostpci_dev *dev, char buf[LABEL_MAX]);
/* What to type for it in a command. */
const char *dev_typed(const struct hostpci_dev *dev);

/* --- answers.c ---------------------------------------------------------- */

/* The sentence for a function that reads as ff; -EIO. */
int dev_silent(const struct hostpci *host, const struct hostpci_dev *dev,
	       struct err *err);

/* --- group.c ------------------------------------------------------------ */

bool driver_is_vfio(const char *driver);
bool dev_is_bridge(const struct hostpci_dev *dev);
/* The sentence for a function without an IOMMU group. */
int group_missing(const struct hostpci *host, const struct hostpci_dev *dev,
		  struct err *err);

/* --- process.c ---------------------------------------------------------- */

/*
 * Finds a process that has one of `count` absolute paths open. 0 and pid, or 0
 * and pid 0; -EACCES as in hostpci_group_user(). ret_which may be NULL.
 */
MUST_CHECK int process_with_open(const struct hostpci *host,
				 const char (*paths)[PATH_MAX], size_t count,
				 int *ret_pid, size_t *ret_which);
/* "guest 'web' (byway, process 12)", "qemu-system-x86 (process 12)". */
void process_label(const struct hostpci *host, int pid,
		   char label[HOSTPCI_WHO_MAX]);

/* --- usage*.c ----------------------------------------------------------- */

/* The more important use wins, then the smaller weight, then the first. */
enum usage_rank {
	USAGE_MOUNT,
	USAGE_SWAP,
	USAGE_DEFAULT_ROUTE,
	USAGE_CONSOLE,
	USAGE_BUILT_ON,
	USAGE_EXCLUSIVE,
	USAGE_ROUTE,
	USAGE_KEYBOARD,
	USAGE_OPEN,
	USAGE_FUNCTIONS,
	USAGE_NONE,
};

struct usage {
	enum usage_rank rank;
	size_t weight;
	char text[512];
};

void usage_offer(struct usage *usage, enum usage_rank rank, size_t weight,
		 const char *fmt, ...) PRINTF_LIKE(4, 5);

MUST_CHECK int usage_block(struct hostpci *host, const struct hostpci_dev *dev,
			   struct err *err, struct usage *usage);
MUST_CHECK int usage_net(const struct hostpci *host,
			 const struct hostpci_dev *dev, struct err *err,
			 struct usage *usage);
MUST_CHECK int usage_console(const struct hostpci *host,
			     const struct hostpci_dev *dev, struct err *err,
			     struct usage *usage);

/* --- journal.c ---------------------------------------------------------- */

/* What a function was before byway took it. */
struct journal {
	char driver[DRIVER_MAX];   /* "" unbound */
	char override[DRIVER_MAX]; /* "" none */
};

/*
 * One process at a time binds a function: -EBUSY with the sentence otherwise.
 * The lock also shows that a write to the function still hangs (see there).
 */
MUST_CHECK int journal_lock(struct hostpci *host, const struct hostpci_dev *dev,
			    struct err *err);
void journal_unlock(struct hostpci *host);
/* Is a process binding the function, or stuck in it? */
bool journal_locked(const struct hostpci *host, const char *bdf);

MUST_CHECK int journal_write(const struct hostpci *host, const char *bdf,
			     const struct journal *journal);
/* -ENOENT when there is none. */
MUST_CHECK int journal_read(const struct hostpci *host, const char *bdf,
			    struct journal *ret_journal);
void journal_remove(const struct hostpci *host, const char *bdf);

/* The sizes that resized BARs had, 0: not resized. */
MUST_CHECK int journal_bars_write(const struct hostpci *host, const char *bdf,
				  const struct hostpci_bars *bars);
MUST_CHECK int journal_bars_read(const struct hostpci *host, const char *bdf,
				 struct hostpci_bars *ret_bars);
void journal_bars_remove(const struct hostpci *host, const char *bdf);

/* --- rebar.c: the function is locked and has no driver ------------------ */

/*
 * Writes the sizes and reads `dev` again. After -ETIMEDOUT the function is out
 * of reach; after other errors it was tried to undo it, see the sentence.
 */
MUST_CHECK int rebar_apply(struct hostpci *host, struct hostpci_dev *dev,
			   const struct hostpci_bars *bars, struct err *err);
/* Puts what BARs to be resized have now into the journal. */
MUST_CHECK int rebar_remember(struct hostpci *host,
			      const struct hostpci_dev *dev,
			      const struct hostpci_bars *bars, struct err *err);
/* Applies the journal and removes it; no journal is success. */
MUST_CHECK int rebar_restore(struct hostpci *host, struct hostpci_dev *dev,
			     struct err *err);

#endif
