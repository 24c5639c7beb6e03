/* SPDX-License-Identifier: BSD-2-Clause */
/* vm passthru reserve and release. */
#include <string.h>

#include "vm/devlog.h"
#include "vm/passthru.h"
#include "vm/persist.h"

#define DEVICES_MAX 256u

/* The functions of a command line, each once. */
struct devlist {
	const struct hostpci_dev *dev[DEVICES_MAX];
	size_t count;
};

static bool devlist_add(struct devlist *list, const struct hostpci_dev *dev)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->dev[i] == dev)
			return true;
	if (list->count == DEVICES_MAX)
		return false;
	list->dev[list->count++] = dev;
	return true;
}

/* All are looked up before the first device is touched. */
static int devices_find(const struct pcinames *names, int count, char **texts,
			struct devlist *list)
{
	struct err err = {0};
	int status = 0;

	for (int i = 0; i < count; i++) {
		struct pcidevs devs;

		if (pcinames_resolve(names, texts[i], true, &err, &devs) < 0) {
			status = say_error("%s", err.msg);
			continue;
		}
		for (size_t n = 0; n < devs.count; n++)
			if (!devlist_add(list, devs.dev[n]))
				return say_error("more than %u devices",
						 DEVICES_MAX);
	}
	return status;
}

/* What else the host drives in their IOMMU groups. */
static int siblings_add(const struct hostpci *host, struct devlist *list)
{
	size_t count = list->count;

	for (size_t n = 0; n < count; n++) {
		for (size_t i = 0; i < hostpci_count(host); i++) {
			const struct hostpci_dev *dev = hostpci_at(host, i);

			if (dev->iommu_group != list->dev[n]->iommu_group ||
			    dev->iommu_group == HOSTPCI_NO_GROUP ||
			    hostpci_is_bridge(dev) || !dev->driver[0])
				continue;
			if (!devlist_add(list, dev))
				return say_error("more than %u devices",
						 DEVICES_MAX);
		}
	}
	return 0;
}

/* What was reserved may still wait for the rest of its IOMMU group. */
static void groups_warn(const struct hostpci *host, const struct devlist *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct err err = {0};

		if (hostpci_group_viable(host, list->dev[i], &err) < 0)
			say_warning("%s", err.msg);
	}
}

/* A driver that had it since may have brought it back to life. */
static void quarantine_lift(const struct pciview *view,
			    const struct hostpci_dev *dev)
{
	struct hostpci_identity identity;
	char key[DEVLOG_KEY_MAX];
	struct err err = {0};

	if (hostpci_identify(view->host, dev, &err, &identity) < 0)
		return;
	devlog_key(&identity, key);
	if (quarantine_clear(view->place, key, &err) > 0)
		printf("%s (%s): out of quarantine\n", dev->selector, dev->bdf);
}

static void undo(struct hostpci *host, const struct devlist *taken)
{
	struct err err = {0};

	for (size_t i = taken->count; i-- > 0;) {
		const struct hostpci_dev *dev = taken->dev[i];

		if (hostpci_release(host, dev, &err) < 0)
			say_error("%s", err.msg);
		else
			printf("%s (%s): given back\n", dev->selector,
			       dev->bdf);
	}
}

/* All or none: devices taken before one that fails are given back. */
static int reserve_all(const struct pciview *view, const struct devlist *list,
		       unsigned flags)
{
	struct devlist taken = {.count = 0};
	struct err err = {0};

	for (size_t i = 0; i < list->count; i++) {
		const struct hostpci_dev *dev = list->dev[i];
		char former[sizeof(dev->driver)];

		if (hostpci_ready(dev)) {
			printf("%s (%s): already reserved\n", dev->selector,
			       dev->bdf);
			continue;
		}
		strcpy(former, dev->driver);
		if (hostpci_reserve(view->host, dev, flags, &err) < 0) {
			say_error("%s", err.msg);
			undo(view->host, &taken);
			return 1;
		}
		printf("%s (%s): reserved, was %s%s\n", dev->selector, dev->bdf,
		       former[0] ? "bound to " : "without a driver", former);
		quarantine_lift(view, dev);
		(void)devlist_add(&taken, dev);
	}
	groups_warn(view->host, list);
	return 0;
}

static int release_one(const struct pciview *view,
		       const struct hostpci_dev *dev)
{
	const struct claim *claim = claims_find(&view->claims, dev->bdf);
	struct err err = {0};
	bool was_ready;

	if (claim && claim->running)
		return say_error(
		    "%s (%s): in use by guest '%s' (pid %d); stop it first",
		    dev->bdf, dev->selector, claim->guest, (int)claim->pid);
	was_ready = hostpci_ready(dev);
	if (hostpci_release(view->host, dev, &err) < 0)
		return say_error("%s", err.msg);
	if (!was_ready)
		printf("%s (%s): was not reserved\n", dev->selector, dev->bdf);
	else
		printf("%s (%s): given back to %s\n", dev->selector, dev->bdf,
		       dev->driver[0] ? dev->driver
				      : "the host, which has no "
					"driver for it");
	return 0;
}

/* ---- what killed guests had taken ---- */

static void note_print(void *ctx UNUSED, const char *text)
{
	printf("%s\n", text);
}

/* Takes the lock that a crash left, which a start would have to wait for. */
static int left_release(const struct place *place, const char *name, bool *any)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	struct runlock lock = RUNLOCK_NONE;
	struct run_info left;
	struct err err = {0};
	struct claims_request request = {.place = place,
					 .guest = &guest,
					 .lock = &lock,
					 .warner = {warn_say, NULL},
					 .note = {note_print, NULL}};

	if (guest_open(place, name, NULL, &guest) < 0)
		return 0;
	runlock_left(&guest, &left);
	if (!left.managed[0])
		return 0;
	*any = true;
	if (runlock_take(&guest, &err, &lock, &left) < 0)
		return say_error("%s", err.msg);
	claims_return(&request, NULL);
	/* Its network devices are for the next start, which reads the file. */
	if (left.taps[0])
		runlock_close(&lock);
	else
		runlock_drop(&lock);
	return 0;
}

static int release_left(const struct place *place)
{
	CLEANUP_CLOSE int turn = -1;
	CLEANUP_WORDS struct words guests = {0};
	struct err err = {0};
	bool any = false;
	int status = 0;

	if (place_guests(place, &err, &guests) < 0 ||
	    (guests.count && claims_turn(place, &err, &turn) < 0))
		return say_error("%s", err.msg);
	for (size_t i = 0; i < guests.count; i++)
		status |= left_release(place, guests.word[i], &any);
	if (!any)
		printf("No guest has left a device behind.\n");
	return status;
}

/* ---- at each boot ---- */

/* All devices or none; a VF is made anew after each boot. */
static int persist_extend(const struct pciview *view,
			  const struct devlist *list, struct persist *persist)
{
	struct err err = {0};

	if (persist_load(view->place, &err, persist) < 0)
		return say_error("%s", err.msg);
	for (size_t i = 0; i < list->count; i++) {
		const struct hostpci_dev *dev = list->dev[i];
		struct hostpci_identity identity;
		unsigned number;

		if (hostpci_physfn(view->host, dev, &number))
			return say_error("%s (%s): a virtual function is made "
					 "anew after each boot and cannot be "
					 "reserved for it",
					 dev->bdf, dev->selector);
		if (hostpci_is_bridge(dev))
			return say_error("%s (%s): a bridge; a guest can only "
					 "have the devices behind it",
					 dev->bdf, dev->selector);
		if (hostpci_identify(view->host, dev, &err, &identity) < 0 ||
		    persist_add(persist, &identity, &err) < 0)
			return say_error("%s", err.msg);
	}
	return 0;
}

/* A line for the initial RAM file system, which we leave to the person. */
static void hint_print(const struct place *place)
{
	const char *hint = persist_hint(place);

	if (hint[0])
		printf("To have it so before the root file system is there as "
		       "well: %s\n",
		       hint);
}

static void forget_one(const struct pciview *view,
		       const struct hostpci_dev *dev, struct persist *persist,
		       bool *changed)
{
	struct hostpci_identity identity;

	if (hostpci_identify(view->host, dev, NULL, &identity) == 0 &&
	    persist_remove(persist, &identity)) {
		printf("%s (%s): no longer reserved at boot\n", dev->selector,
		       dev->bdf);
		*changed = true;
	}
}

/* What is given back is not taken again at the next boot. */
static int persist_forget(const struct pciview *view,
			  const struct devlist *list)
{
	struct persist persist;
	struct err err = {0};
	bool changed = false;

	if (persist_load(view->place, &err, &persist) < 0)
		return say_error("%s", err.msg);
	for (size_t i = 0; i < list->count; i++)
		forget_one(view, list->dev[i], &persist, &changed);
	if (!changed)
		return 0;
	if (persist_save(view->place, &persist, &err) < 0)
		return say_error("%s", err.msg);
	hint_print(view->place);
	return 0;
}

/* ---- commands ---- */

struct reserve_options {
	unsigned flags;
	bool group, persist, dry, yes;
};

static int reserve_options(const struct command *cmd, int argc, char **argv,
			   struct reserve_options *opts)
{
	static const char *const words[] = {"persist p", NULL};
	int option;

	options_shorten(words, argc, argv);
	while ((option = option_next(cmd, argc, argv, "+:fgpny")) != -1) {
		switch (option) {
		case 'f':
			opts->flags |= HOSTPCI_FORCE;
			opts->yes = true;
			break;
		case 'g':
			opts->group = true;
			break;
		case 'p':
			opts->persist = true;
			break;
		case 'n':
			opts->dry = true;
			break;
		case 'y':
			opts->yes = true;
			break;
		default:
			return 1;
		}
	}
	if (opts->dry && !opts->persist)
		return say_usage(cmd, "%s: -n goes with --persist", cmd->name);
	if (optind == argc)
		return say_usage(cmd,
				 "%s: expected an address such as 3/0/0, a "
				 "slot such as 3/0 or a name",
				 cmd->name);
	return 0;
}

/* Shows what would be written, asks. Nobody's turn: a person takes time. */
static int persist_ask(const struct place *place,
		       const struct reserve_options *opts, int count,
		       char **texts)
{
	CLEANUP_PCIVIEW struct pciview view = {0};
	struct devlist list = {.count = 0};
	struct persist persist;

	if (pciview_open(place, &view) != 0 ||
	    devices_find(&view.names, count, texts, &list) != 0 ||
	    (opts->group && siblings_add(view.host, &list) != 0) ||
	    persist_extend(&view, &list, &persist) != 0)
		return 1;
	persist_show(place, &persist, stdout);
	if (!opts->dry && !opts->yes && !confirm("Write this"))
		return say_error("nothing was changed");
	return 0;
}

static int reserve_persist(const struct pciview *view,
			   const struct devlist *list, unsigned flags)
{
	struct persist persist;
	struct err err = {0};

	if (persist_extend(view, list, &persist) != 0 ||
	    reserve_all(view, list, flags) != 0)
		return 1;
	if (persist_save(view->place, &persist, &err) < 0)
		return say_error("%s; what was reserved is so until the next "
				 "boot",
				 err.msg);
	hint_print(view->place);
	return 0;
}

int passthru_reserve(const struct command *cmd, const struct place *place,
		     int argc, char **argv)
{
	CLEANUP_CLOSE int turn = -1;
	CLEANUP_PCIVIEW struct pciview view = {0};
	struct reserve_options opts = {0};
	struct devlist list = {.count = 0};

	if (reserve_options(cmd, argc, argv, &opts) != 0)
		return 1;
	argc -= optind;
	argv += optind;
	if (opts.persist && persist_ask(place, &opts, argc, argv) != 0)
		return 1;
	if (opts.dry)
		return 0;
	if (pciview_open_turn(place, &turn, &view) != 0 ||
	    devices_find(&view.names, argc, argv, &list) != 0 ||
	    (opts.group && siblings_add(view.host, &list) != 0))
		return 1;
	return opts.persist ? reserve_persist(&view, &list, opts.flags)
			    : reserve_all(&view, &list, opts.flags);
}

int passthru_release(const struct command *cmd, const struct place *place,
		     int argc, char **argv)
{
	CLEANUP_CLOSE int turn = -1;
	CLEANUP_PCIVIEW struct pciview view = {0};
	struct devlist list = {.count = 0}, given = {.count = 0};
	int status = 0;

	if (option_next(cmd, argc, argv, "+:") != -1)
		return 1;
	if (optind == argc)
		return release_left(place);
	if (pciview_open_turn(place, &turn, &view) != 0 ||
	    devices_find(&view.names, argc - optind, argv + optind, &list) != 0)
		return 1;
	for (size_t i = 0; i < list.count; i++) {
		int failed = release_one(&view, list.dev[i]);

		status |= failed;
		if (!failed)
			(void)devlist_add(&given, list.dev[i]);
	}
	return status | persist_forget(&view, &given);
}
