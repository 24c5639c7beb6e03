/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm passthru attach, detach: devices of a guest that runs.
 *
 * Theory of operation
 *
 * byway does it, on a word over its control socket; the guest's supervisor
 * hears of what came and went and keeps the list in the guest's lock. So that
 * no other guest takes the device in between, this process has the turn for
 * claims until the lock names it. There is nothing to undo: a device that byway
 * refused is in no list. One that the guest does not switch on byway takes back
 * itself; who attaches waits for the one or the other.
 *
 * A byway that is an ordinary user (runas.h) may not open the device's IOMMU
 * group, so this process does and hands it over with the word. A group that
 * cannot be opened is one that byway or somebody else has: byway says which.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "vm/control.h"
#include "vm/devlog.h"
#include "vm/passthru.h"

#define LIST_WAIT_MS   5000u
#define ATTACH_WAIT_MS 40000u /* longer than byway's patience, too */
#define DETACH_WAIT_MS                                        \
	40000u /* longer than byway's patience with the guest \
		*/
#define LOOK_MS 50

static uint64_t now_ms(void)
{
	return clock_host()->mono_ns(clock_host()) / NS_PER_MS;
}

static int running_open(const struct place *place, const char *name,
			struct guest *guest)
{
	struct run_info info;
	struct err err = {0};

	if (guest_open(place, name, &err, guest) < 0)
		return say_error("%s", err.msg);
	if (runlock_probe(guest, &info) != RUN_RUNNING)
		return say_error("%s: does not run here; change its file "
				 "instead (passthruN)",
				 name);
	return 0;
}

/* "8=empty 9=3/0/0,leaving": the first empty slot, or the one that has `what`.
 */
static bool slot_find(const char *slots, const char *what, char *buf,
		      size_t size)
{
	CLEANUP_WORDS struct words words = {0};

	words_split(&words, slots);
	for (size_t i = 0; i < words.count; i++) {
		char *has = strchr(words.word[i], '=');

		if (!has)
			continue;
		*has++ = '\0';
		has[strcspn(has, ",")] = '\0';
		for (char *one = strsep(&has, "+"); one;
		     one = strsep(&has, "+"))
			if (strcmp(one, what) == 0) {
				snprintf(buf, size, "%s", words.word[i]);
				return true;
			}
	}
	return false;
}

/* What is in `slot`, with its state: "3/0/0,coming"; false: no such slot. */
static bool slot_holds(const char *slots, const char *slot, char *buf,
		       size_t size)
{
	CLEANUP_WORDS struct words words = {0};
	size_t len = strlen(slot);

	words_split(&words, slots);
	for (size_t i = 0; i < words.count; i++)
		if (strncmp(words.word[i], slot, len) == 0 &&
		    words.word[i][len] == '=') {
			snprintf(buf, size, "%s", words.word[i] + len + 1);
			return true;
		}
	return false;
}

/* Until the guest has switched the slot on; -ETIME: it did not. */
static int slot_wait(const struct guest *guest, const char *slot,
		     struct err *err)
{
	char slots[CONTROL_LINE_MAX], what[CONTROL_LINE_MAX];
	uint64_t end = now_ms() + ATTACH_WAIT_MS;
	int rc;

	for (;;) {
		rc = control_ask(guest, CONTROL_SLOTS, "", err, slots);
		if (rc < 0)
			return rc;
		if (!slot_holds(slots, slot, what, sizeof(what)) ||
		    strcmp(what, "empty") == 0)
			return -ETIME;
		if (!strstr(what, ",coming"))
			return 0;
		if (now_ms() >= end)
			break;
		poll(NULL, 0, LOOK_MS);
	}
	rc = control_ask(guest, CONTROL_DETACH, slot, err, slots);
	return rc < 0 ? rc : -ETIME;
}

/* All of them, or one at least. */
static bool lock_names(const struct guest *guest, const struct pcidevs *devs,
		       bool all)
{
	CLEANUP_WORDS struct words words = {0};
	struct run_info info;
	size_t n = 0;

	if (runlock_probe(guest, &info) != RUN_RUNNING)
		return false;
	words_split(&words, info.devices);
	for (size_t i = 0; i < devs->count; i++)
		n += words_contain(&words, devs->dev[i]->bdf);
	return all ? n == devs->count : n > 0;
}

/* Until the supervisor has written whether the guest has them. */
static bool lock_wait(const struct guest *guest, const struct pcidevs *devs,
		      bool in, unsigned ms)
{
	uint64_t end = now_ms() + ms;

	while (lock_names(guest, devs, in) != in) {
		if (now_ms() >= end)
			return false;
		poll(NULL, 0, LOOK_MS);
	}
	return true;
}

static int device_check(const struct pciview *view,
			const struct hostpci_dev *dev, struct err *err)
{
	struct hostpci_identity identity;
	char key[DEVLOG_KEY_MAX];
	int rc = claims_check(&view->claims, view->host, dev, err);

	if (rc == 0)
		rc = hostpci_identify(view->host, dev, err, &identity);
	if (rc == 0) {
		devlog_key(&identity, key);
		rc = quarantine_check(view->place, key, dev, err);
	}
	if (rc == 0)
		rc = hostpci_usable(view->host, dev, err);
	return rc;
}

#define ARGS_MAX (CONTROL_LINE_MAX - 16)

/* Options are for the first function of a slot. */
static int bars_fit(const struct pciview *view, const struct hostpci_dev *dev,
		    const char *opts, struct err *err)
{
	struct hostpci_bars bars;
	int rc = hostpci_bars_options(opts, err, &bars);

	if (rc == 0)
		rc = hostpci_bars_resize(view->host, dev, &bars, err);
	return rc < 0 ? rc : 0;
}

/* All functions that the name means, as byway wants them. */
static int words_attach(const struct pciview *view, const struct pcidevs *devs,
			const char *opts, struct err *err, char buf[ARGS_MAX])
{
	const size_t size = ARGS_MAX;
	size_t len = strlen(buf);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < devs->count; i++) {
		rc = device_check(view, devs->dev[i], err);
		if (rc == 0 && i == 0 && opts)
			rc = bars_fit(view, devs->dev[i], opts, err);
		if (rc == 0 && len < size)
			len += (size_t)snprintf(buf + len, size - len,
						" %s%s%s", devs->dev[i]->bdf,
						i == 0 && opts ? "," : "",
						i == 0 && opts ? opts : "");
	}
	if (rc == 0 && len >= size)
		rc = err_set(err, -E2BIG, "too long for byway");
	return rc;
}

static bool group_is_new(const struct pcidevs *devs, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (devs->dev[j]->iommu_group == devs->dev[i]->iommu_group)
			return false;
	return true;
}

/* "8" becomes "8 group=12", and the group's descriptor is in `fds`. */
static void groups_open(const struct place *place, const struct pcidevs *devs,
			char buf[ARGS_MAX], struct control_fds *fds)
{
	for (size_t i = 0; i < devs->count && fds->count < CONTROL_FDS_MAX;
	     i++) {
		int group = devs->dev[i]->iommu_group;
		char path[PATH_MAX + 32];
		size_t len = strlen(buf);
		int fd;

		if (!group_is_new(devs, i))
			continue;
		snprintf(path, sizeof(path), "%s/vfio/%d", place->dev, group);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		fds->fd[fds->count++] = fd;
		snprintf(buf + len, ARGS_MAX - len, " group=%d", group);
	}
}

/* Does byway have them? */
static int devices_give(const struct guest *guest, const struct pciview *view,
			const struct pcidevs *devs, const char *opts,
			const char *slot)
{
	char reply[CONTROL_LINE_MAX], args[ARGS_MAX], words[ARGS_MAX] = "";
	struct control_fds fds = {.count = 0};
	struct err err = {0};
	int rc = words_attach(view, devs, opts, &err, words);

	if (rc < 0)
		return say_error("%s", err.msg);
	/* Not before: whoever has a group open is in the way of the checks. */
	snprintf(args, sizeof(args), "%s", slot);
	groups_open(view->place, devs, args, &fds);
	if (strlen(args) + strlen(words) >= sizeof(args))
		rc = err_set(&err, -E2BIG, "too long for byway");
	else
		strcat(args, words);
	if (rc == 0)
		rc = control_ask_with(guest, CONTROL_ATTACH, args, &fds, &err,
				      reply);
	for (unsigned i = 0; i < fds.count; i++)
		close(fds.fd[i]);
	return rc < 0 ? say_error("%s", err.msg) : 0;
}

/* Into `slot`: byway has them, the lock names them, the guest sees them. */
static int slot_fill(const struct guest *guest, const struct pciview *view,
		     const struct pcidevs *devs, const char *opts,
		     const char *slot)
{
	const struct hostpci_dev *first = devs->dev[0];
	struct err err = {0};
	int rc;

	if (devices_give(guest, view, devs, opts, slot) != 0)
		return 1;
	if (!lock_wait(guest, devs, true, LIST_WAIT_MS))
		say_warning("%s: its lock does not name %s: other guests are "
			    "not kept from it by that",
			    guest->name, first->bdf);
	rc = slot_wait(guest, slot, &err);
	if (rc == -ETIME)
		return say_error("%s: the guest did not switch slot %s on for "
				 "%s (%s), which is as it was before; does it "
				 "have a driver for PCI Express hot-plug?",
				 guest->name, slot, first->bdf,
				 first->selector);
	if (rc < 0)
		return say_error("%s", err.msg);
	for (size_t i = 0; i < devs->count; i++)
		printf("%s: %s (%s) is in slot %s\n", guest->name,
		       devs->dev[i]->bdf, devs->dev[i]->selector, slot);
	return 0;
}

int passthru_attach(const struct command *cmd, const struct place *place,
		    int argc, char **argv)
{
	char slots[CONTROL_LINE_MAX], slot[32];
	CLEANUP_CLOSE int turn = -1;
	CLEANUP_PCIVIEW struct pciview view = {0};
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	const char *opts = NULL;
	struct pcidevs devs;
	struct err err = {0};
	int option;

	while ((option = option_next(cmd, argc, argv, "+:o:")) != -1) {
		if (option != 'o')
			return 1;
		opts = optarg;
	}
	if (argc - optind != 2)
		return say_usage(cmd, "%s: expected a guest and a device",
				 cmd->name);
	if (running_open(place, argv[optind], &guest) != 0 ||
	    pciview_open_device(place, argv[optind + 1], &turn, &view, &devs) !=
		0)
		return 1;
	if (control_ask(&guest, CONTROL_SLOTS, "", &err, slots) < 0)
		return say_error("%s", err.msg);
	if (!slot_find(slots, "empty", slot, sizeof(slot)))
		return say_error("%s: has no empty slot (%s); set "
				 "passthru_slots in its file, for its next "
				 "start",
				 guest.name, slots[0] ? slots : "none at all");
	return slot_fill(&guest, &view, &devs, opts, slot);
}

int passthru_detach(const struct command *cmd, const struct place *place,
		    int argc, char **argv)
{
	char slots[CONTROL_LINE_MAX], slot[32];
	CLEANUP_PCIVIEW struct pciview view = {0};
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	struct pcidevs devs;
	struct err err = {0};

	if (option_next(cmd, argc, argv, "+:") != -1)
		return 1;
	if (argc - optind != 2)
		return say_usage(cmd, "%s: expected a guest and a device",
				 cmd->name);
	if (running_open(place, argv[optind], &guest) != 0 ||
	    pciview_open(place, &view) != 0)
		return 1;
	if (pcinames_resolve(&view.names, argv[optind + 1], true, &err, &devs) <
		0 ||
	    control_ask(&guest, CONTROL_SLOTS, "", &err, slots) < 0)
		return say_error("%s", err.msg);
	if (!slot_find(slots, devs.dev[0]->selector, slot, sizeof(slot)))
		return say_error("%s: %s (%s) is in none of its slots (%s)",
				 guest.name, devs.dev[0]->bdf,
				 devs.dev[0]->selector,
				 slots[0] ? slots : "none at all");
	if (control_ask(&guest, CONTROL_DETACH, slot, &err, slots) < 0)
		return say_error("%s", err.msg);
	if (!lock_wait(&guest, &devs, false, DETACH_WAIT_MS))
		return say_error("%s: the guest does not let go of %s (%s); "
				 "its log says more",
				 guest.name, devs.dev[0]->bdf,
				 devs.dev[0]->selector);
	for (size_t i = 0; i < devs.count; i++)
		printf("%s: %s (%s) was detached\n", guest.name,
		       devs.dev[i]->bdf, devs.dev[i]->selector);
	return 0;
}
