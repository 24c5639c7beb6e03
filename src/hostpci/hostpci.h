/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libhostpci: the host's PCI devices, read and prepared for a guest.
 *
 * Used by the manager (`vm passthru`) and by the passthrough code. All host
 * state comes from sysfs and procfs below a root directory, which is "/" on a
 * real host and a fixture tree in tests (members: sys/, proc/, dev/). Reading
 * needs no privilege (what an ordinary user may not read is marked unknown);
 * writing (reserve, release) needs root.
 *
 * Call order: hostpci_open() takes a snapshot of all functions; queries work
 * on the snapshot; hostpci_reserve()/hostpci_release() act on the live system
 * and update the snapshot of the functions they touched. hostpci_close().
 *
 * Threads: one handle belongs to one thread.
 * Limits: HOSTPCI_BARS regions a function; addresses up to domain ffffffff.
 * Errors: negative errno and a sentence in `struct err`.
 * Sources: Linux Documentation/ABI/testing/sysfs-bus-pci, sysfs-kernel-
 * iommu_groups, driver-api/vfio.rst; PCI 3.0 ch. 6.
 */
#ifndef HOSTPCI_HOSTPCI_H
#define HOSTPCI_HOSTPCI_H

#include "base/base.h"
#include "base/err.h"

#define HOSTPCI_BARS	 7  /* six BARs and the ROM */
#define HOSTPCI_BDF_MAX	 20 /* "ffffffff:ff:1f.7" and more */
#define HOSTPCI_NO_GROUP (-1)

struct hostpci;

struct hostpci_addr {
	uint32_t domain;
	uint8_t bus, slot, func;
};

struct hostpci_bar {
	uint64_t start, size; /* size 0: absent; start 0: unassigned */
	uint64_t flags;	      /* IORESOURCE_* as sysfs prints them */
};

/* One PCI function as the snapshot saw it. */
struct hostpci_dev {
	struct hostpci_addr addr;
	char bdf[HOSTPCI_BDF_MAX]; /* "0000:03:00.0" */
	char selector[16];	   /* "3/0/0", decimal, without domain */
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class; /* 24 bits: class, subclass, prog-if */
	uint8_t revision;
	uint8_t header_type; /* low 7 bits; 0xff when unreadable */
	bool multifunction;
	bool boot_vga;
	int iommu_group;	  /* HOSTPCI_NO_GROUP */
	int numa_node;		  /* -1 unknown */
	char driver[64];	  /* "" when unbound */
	char driver_override[64]; /* "" when none */
	char reset_methods[96];	  /* "flr bus", "" when none */
	struct hostpci_bar bar[HOSTPCI_BARS];
	char speed[32], max_speed[32]; /* as sysfs prints them, "" unknown */
	unsigned width, max_width;     /* lanes, 0 unknown */
	char parent[HOSTPCI_BDF_MAX];  /* bridge above, "" on a root bus */
};

/* `root` is "/" on a real host. */
MUST_CHECK int hostpci_open(const char *root, struct err *err,
			    struct hostpci **ret_host);
void hostpci_close(struct hostpci *host); /* NULL allowed */

/* Functions in address order. Pointers stay valid until hostpci_close(). */
size_t hostpci_count(const struct hostpci *host);
const struct hostpci_dev *hostpci_at(const struct hostpci *host, size_t i);
const struct hostpci_dev *hostpci_find(const struct hostpci *host,
				       struct hostpci_addr addr);
/* hostpci_find() for an address a person gave: -ENODEV with the sentence. */
MUST_CHECK int hostpci_lookup(const struct hostpci *host,
			      struct hostpci_addr addr, struct err *err,
			      const struct hostpci_dev **ret_dev);

/*
 * Every way users write an address: "3/0/0" (decimal bus/slot/function),
 * "pci3:0:0" and "pci0:3:0:0" (decimal, bhyve), "0000:03:00.0" and "03:00.0"
 * (hexadecimal, Linux). -EINVAL says what was expected.
 */
MUST_CHECK int hostpci_parse_addr(const char *text, struct err *err,
				  struct hostpci_addr *ret_addr);
void hostpci_format_bdf(struct hostpci_addr addr, char buf[HOSTPCI_BDF_MAX]);

/*
 * All functions of a slot: "3/0" (decimal bus/slot), "0000:03:00" and "03:00"
 * (hexadecimal). The function of *ret_addr is 0.
 */
MUST_CHECK int hostpci_parse_slot(const char *text, struct err *err,
				  struct hostpci_addr *ret_addr);

/*
 * What a function is, whatever its bus number: those are given out anew at
 * each boot, and move when a card is added.
 */
#define HOSTPCI_PLACE_MAX    96
#define HOSTPCI_IDENTITY_MAX 192 /* as text */

struct hostpci_identity {
	uint16_t vendor, device, subvendor, subdevice;
	/*
	 * Device Serial Number capability of its card (a VF's: of its PF), 0
	 * when there is none. Only root may read so far.
	 */
	bool serial_known;
	uint64_t serial;
	/*
	 * Its slot: root bus, then bridge after bridge by device.function,
	 * "0000:00/1c.0/00.1"; a VF's is its PF's and "/vf3".
	 */
	char place[HOSTPCI_PLACE_MAX];
	char bdf[HOSTPCI_BDF_MAX]; /* where it was then; not compared */
};

/* -ENAMETOOLONG when it is behind more bridges than a place can name. */
MUST_CHECK int hostpci_identify(const struct hostpci *host,
				const struct hostpci_dev *dev, struct err *err,
				struct hostpci_identity *ret_identity);
/* "10de:1bb3 10de:11d8 00-11-22-33-44-55-66-77 0000:00/1c.0/00.0 BDF" */
void hostpci_identity_format(const struct hostpci_identity *identity,
			     char buf[HOSTPCI_IDENTITY_MAX]);
/* -EINVAL for anything that the above does not write. */
MUST_CHECK int hostpci_identity_parse(const char *text,
				      struct hostpci_identity *ret_identity);

enum hostpci_sight {
	HOSTPCI_SAME,	  /* found where it was, `dev` */
	HOSTPCI_UNSURE,	  /* found, `dev`, but its serial may not be read */
	HOSTPCI_REPLACED, /* `dev` is in its slot and is another card */
	HOSTPCI_MOVED,	  /* its slot is empty, its serial is at `other` */
	HOSTPCI_GONE,
};

#define HOSTPCI_ALIKE 4

struct hostpci_found {
	enum hostpci_sight sight;
	const struct hostpci_dev *dev;
	/* Not SAME: where its serial is; NULL: nowhere. */
	const struct hostpci_dev *other;
	/* Not SAME and without a serial: others of its kind without one, any
	 * of which may be it; the first ones, NULL after the last. */
	const struct hostpci_dev *alike[HOSTPCI_ALIKE];
};

/*
 * Looks for the function that was `identity`: by slot, ids, and serial where
 * it has one. A serial that two cards bear counts for nothing elsewhere.
 */
void hostpci_recognise(const struct hostpci *host,
		       const struct hostpci_identity *identity,
		       struct hostpci_found *ret_found);

/*
 * The PF of a VF, or NULL; *ret_number is which of its VFs it is, from 0.
 */
const struct hostpci_dev *hostpci_physfn(const struct hostpci *host,
					 const struct hostpci_dev *dev,
					 unsigned *ret_number);

/*
 * Name from the PCI ID database (libpciaccess); "-" when not known. The
 * database is read once a process: one thread at a time.
 */
const char *hostpci_device_name(const struct hostpci_dev *dev);
const char *hostpci_vendor_name(const struct hostpci_dev *dev);

/* A bridge or another part of the host that no guest can have. */
bool hostpci_is_bridge(const struct hostpci_dev *dev);

/* Bound to vfio-pci (or a vfio-pci variant driver): a guest can have it. */
bool hostpci_ready(const struct hostpci_dev *dev);

/*
 * What the host is doing with the function: 0 and an empty text when nothing,
 * 1 and a phrase naming the use otherwise ("nvme0n1p2 is mounted on /",
 * "eth0 carries the default route", "sda1 is swap", "dm-0 (vg0-root) is built
 * on nvme0n1", "the console's frame buffer", "the keyboard of the console").
 * Looks through every block device, network interface, input and tty child,
 * through holders (dm, md, loop, bcache), mount tables and swaps.
 */
MUST_CHECK int hostpci_in_use(struct hostpci *host,
			      const struct hostpci_dev *dev, struct err *err,
			      char *buf, size_t size);

/*
 * Would VFIO accept the function's IOMMU group, as of the snapshot? -ENODEV:
 * no IOMMU; -EBUSY naming the member and driver that holds the group back
 * (bridges do not count).
 */
MUST_CHECK int hostpci_group_viable(const struct hostpci *host,
				    const struct hostpci_dev *dev,
				    struct err *err);

/*
 * Is the hardware in a state in which VFIO may be asked for it? -EIO when it
 * answers with all ones (naming its slot), -ENODEV when the host gave one of
 * its memory BARs no address (naming the firmware's setting). Opening such a
 * device can bring a host down. Reads the first words of sysfs `config` again.
 */
MUST_CHECK int hostpci_answers(const struct hostpci *host,
			       const struct hostpci_dev *dev, struct err *err);

/*
 * Can a guest have it now: endpoint, hostpci_answers(), driver, group. The
 * error has the cure.
 */
MUST_CHECK int hostpci_usable(const struct hostpci *host,
			      const struct hostpci_dev *dev, struct err *err);

#define HOSTPCI_BITS_UNKNOWN 64u
#define HOSTPCI_HOLES_MAX    16u

/* What the IOMMU above a function can translate. */
struct hostpci_iommu {
	char name[32];	/* "dmar0", "" unknown */
	unsigned bits;	/* address width, HOSTPCI_BITS_UNKNOWN */
	unsigned holes; /* addresses it keeps for itself or the firmware */
	struct {
		uint64_t start, end; /* end: the last one */
	} hole[HOSTPCI_HOLES_MAX];
};
void hostpci_iommu(const struct hostpci *host, const struct hostpci_dev *dev,
		   struct hostpci_iommu *ret_iommu);

/*
 * Host settings that take away what keeps a guest's device in its place:
 * allow_unsafe_interrupts of vfio_iommu_type1, and pcie_acs_override on the
 * kernel's command line. (VFIO's mode without an IOMMU cannot be accepted at
 * all: there DMA of a guest would go to the host's memory.)
 */
#define HOSTPCI_RISK_INTERRUPTS BIT(0)
#define HOSTPCI_RISK_ACS	BIT(1)
unsigned hostpci_risks(const struct hostpci *host);
/* "interrupts", "acs", both with + or a comma between; -EINVAL. */
MUST_CHECK int hostpci_risk_parse(const char *text, unsigned *ret_risks);
/* -EPERM naming the first risk that is not among those accepted. */
MUST_CHECK int hostpci_check_risks(const struct hostpci *host,
				   const struct hostpci_dev *dev,
				   unsigned accepted, struct err *err);

#define HOSTPCI_FORCE 1u /* also take what the host is using */

/*
 * Binds to vfio-pci through driver_override (loads the module when needed),
 * verifies the result, and remembers the former driver in
 * <root>/run/byway/pci/<BDF> so that release can give it back, also from
 * another process. Already reserved is success. Refuses bridges, functions in
 * use (unless forced) and hosts without an IOMMU. When anything fails the
 * function is given back to its driver.
 */
MUST_CHECK int hostpci_reserve(struct hostpci *host,
			       const struct hostpci_dev *dev, unsigned flags,
			       struct err *err);

/*
 * Gives the function back to the driver it had (or lets the kernel choose
 * when that is not known) and verifies. -EBUSY when a process has it open
 * (the caller names the guest). Not reserved is success.
 */
MUST_CHECK int hostpci_release(struct hostpci *host,
			       const struct hostpci_dev *dev, struct err *err);

/*
 * The process that holds /dev/vfio/<group> open, in words: "guest 'web'
 * (byway, process 12)", "qemu-system-x86 (process 12)"; "" none. -EACCES when
 * none was found but some processes could not be looked into (not root).
 */
#define HOSTPCI_WHO_MAX 256
MUST_CHECK int hostpci_group_user(const struct hostpci *host, int group,
				  char who[HOSTPCI_WHO_MAX]);

/*
 * Sizes for BARs 0 to 5, in bytes, 0: as it is. Only resizable ones can be
 * given another, of those in hostpci_bar_sizes().
 */
struct hostpci_bars {
	uint64_t size[HOSTPCI_BARS - 1];
};

/* An option of a device: 1 when it was "barNsize", 0 another, -EINVAL. */
MUST_CHECK int hostpci_bars_set(struct hostpci_bars *bars, const char *key,
				const char *value, struct err *err);
/* Those among "KEY=VALUE,...", whatever else there is. */
MUST_CHECK int hostpci_bars_options(const char *opts, struct err *err,
				    struct hostpci_bars *ret_bars);
/*
 * Bit n: the BAR can have 2^n MiB. 0: not resizable, or the kernel does not
 * tell (before 5.19). Read now, not from the snapshot.
 */
uint64_t hostpci_bar_sizes(const struct hostpci *host,
			   const struct hostpci_dev *dev, unsigned bar);
/* 0: it has these sizes; 1: it can be given them; else the sentence. */
MUST_CHECK int hostpci_bars_check(const struct hostpci *host,
				  const struct hostpci_dev *dev,
				  const struct hostpci_bars *bars,
				  struct err *err);
/*
 * Gives a reserved function's BARs these sizes, for which it is without its
 * driver for a moment; release gives them back what they had. 1: done; 0:
 * nothing had to be. -EBUSY when it is not reserved or a process has it (or
 * its group) open; -ENOSPC when the bridge above has no room. After an error
 * the BARs are as before, or the sentence says that they are not.
 */
MUST_CHECK int hostpci_bars_resize(struct hostpci *host,
				   const struct hostpci_dev *dev,
				   const struct hostpci_bars *bars,
				   struct err *err);

/*
 * Mediated devices: parts of a device that its driver gives away by UUID, which
 * are no PCI functions of the host. They have neither identity nor history.
 */
#define HOSTPCI_UUID_MAX 37
/* A UUID, or its path /sys/bus/mdev/devices/UUID, in small letters. -EINVAL. */
MUST_CHECK int hostpci_mdev_parse(const char *text,
				  char uuid[HOSTPCI_UUID_MAX]);
/* Its IOMMU group; -ENODEV with the cure. Read now, not from the snapshot. */
MUST_CHECK int hostpci_mdev_find(const struct hostpci *host, const char *uuid,
				 struct err *err, int *ret_group);

struct hostpci_sriov {
	unsigned total; /* 0: cannot have virtual functions */
	unsigned count;
};
void hostpci_sriov(const struct hostpci *host, const struct hostpci_dev *dev,
		   struct hostpci_sriov *ret_sriov);

/* The virtual function `number` of a PF, NULL when there is none. */
const struct hostpci_dev *hostpci_virtfn(const struct hostpci *host,
					 const struct hostpci_dev *dev,
					 unsigned number);

/*
 * Gives the function `count` virtual functions, which no driver of the host is
 * bound to; what there are of another number are removed first. -EBUSY when
 * one of those is in use. The snapshot is not renewed.
 */
MUST_CHECK int hostpci_sriov_set(struct hostpci *host,
				 const struct hostpci_dev *dev, unsigned count,
				 struct err *err);

#endif
