/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has which PCI device; the contract is claims.h. */
#include "vm/claims.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "vm/plan.h"

#define TURN_DEADLINE_MS 10000u
#define TURN_POLL_MS	 20u

/* The devices a stopped guest would use; a broken file has none. Which one of
 * a pool is found out at the start. */
static void configured_devices(const struct guest *guest,
			       const struct pcinames *names,
			       struct words *devices)
{
	CLEANUP_CONF struct conf *conf = NULL;
	struct plan_functions found;

	if (guest_conf(guest, NULL, NULL, &conf) < 0)
		return;
	claims_resolve(names, conf, &found);
	for (unsigned i = 0; i < found.count; i++)
		if (!found.fn[i].dropped && !found.fn[i].alone)
			words_add(devices, "%s", found.fn[i].bdf);
}

static void claim_fill(const struct guest *guest, const struct pcinames *names,
		       struct claim *claim)
{
	struct run_info info;

	*claim = (struct claim){0};
	strcpy(claim->guest, guest->name);
	switch (runlock_probe(guest, &info)) {
	case RUN_RUNNING:
		claim->pid = info.byway.pid;
		break;
	case RUN_STARTING:
		claim->pid = info.supervisor.pid;
		break;
	case RUN_LOCKED:
		break;
	case RUN_STOPPED:
	case RUN_UNKNOWN:
		configured_devices(guest, names, &claim->devices);
		return;
	}
	claim->running = true;
	words_split(&claim->devices, info.devices);
}

int claims_load(const struct place *place, const struct pcinames *names,
		const char *except, struct err *err, struct claims *ret_claims)
{
	CLEANUP_CLAIMS struct claims claims = {0};
	CLEANUP_WORDS struct words guests = {0};
	int rc = place_guests(place, err, &guests);

	if (rc < 0)
		return rc;
	claims.claim = calloc(guests.count + 1, sizeof(*claims.claim));
	if (!claims.claim)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < guests.count; i++) {
		CLEANUP_GUEST struct guest guest = GUEST_NONE;
		struct claim *claim = &claims.claim[claims.count];

		if ((except && strcmp(guests.word[i], except) == 0) ||
		    guest_open(place, guests.word[i], NULL, &guest) < 0)
			continue;
		claims.count++;
		claim_fill(&guest, names, claim);
		rc = words_check(&claim->devices, err);
		if (rc < 0)
			return rc;
	}
	*ret_claims = claims;
	claims = (struct claims){0};
	return 0;
}

void claims_free(struct claims *claims)
{
	for (size_t i = 0; i < claims->count; i++)
		words_free(&claims->claim[i].devices);
	free(claims->claim);
	*claims = (struct claims){0};
}

const struct claim *claims_find(const struct claims *claims, const char *bdf)
{
	const struct claim *found = NULL;

	for (size_t i = 0; i < claims->count; i++) {
		const struct claim *claim = &claims->claim[i];

		if (!words_contain(&claim->devices, bdf))
			continue;
		if (claim->running)
			return claim;
		if (!found)
			found = claim;
	}
	return found;
}

/* VFIO gives a whole IOMMU group to one process: look at the neighbours. */
int claims_check(const struct claims *claims, const struct hostpci *host,
		 const struct hostpci_dev *dev, struct err *err)
{
	for (size_t i = 0; i < hostpci_count(host); i++) {
		const struct hostpci_dev *other = hostpci_at(host, i);
		const struct claim *claim;

		if (other->iommu_group != dev->iommu_group ||
		    dev->iommu_group == HOSTPCI_NO_GROUP)
			continue;
		claim = claims_find(claims, other->bdf);
		if (!claim || !claim->running)
			continue;
		if (other == dev)
			return err_set(err, -EBUSY,
				       "%s (%s): in use by guest '%s' (pid %d)",
				       dev->bdf, dev->selector, claim->guest,
				       (int)claim->pid);
		return err_set(
		    err, -EBUSY,
		    "%s (%s): shares IOMMU group %d with %s, which is in use "
		    "by guest '%s' (pid %d)",
		    dev->bdf, dev->selector, dev->iommu_group, other->bdf,
		    claim->guest, (int)claim->pid);
	}
	return 0;
}

/* A file that all starts lock. */
int claims_turn(const struct place *place, struct err *err, int *ret_fd)
{
	CLEANUP_CLOSE int fd = -1;
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/.config", place->dir);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_cure_root(err_sys(err, -errno, "%s", path), err);
	snprintf(path, sizeof(path), "%s/.config/passthru.lock", place->dir);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_cure_root(err_sys(err, -errno, "%s", path), err);
	for (unsigned waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0;
	     waited += TURN_POLL_MS) {
		struct timespec ts = {0, TURN_POLL_MS * 1000000L};

		if (waited >= TURN_DEADLINE_MS)
			return err_set(
			    err, -EBUSY,
			    "%s: another process has held it for %u s", path,
			    TURN_DEADLINE_MS / 1000);
		nanosleep(&ts, NULL);
	}
	*ret_fd = take_fd(fd);
	return 0;
}
