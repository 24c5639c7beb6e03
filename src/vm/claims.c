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

int claims_address(const struct conf *conf, unsigned n, struct err *err,
		   struct hostpci_addr *ret_addr)
{
	struct plan_passthru pt;
	char key[32];
	int rc = plan_passthru_parse(conf, n, err, &pt);

	if (rc < 0)
		return rc;
	rc = hostpci_parse_addr(pt.address, err, ret_addr);
	if (rc == 0)
		return 0;
	snprintf(key, sizeof(key), "passthru%u", n);
	return err_prefix(err, "%s:%u: %s", conf->path, conf_line(conf, key),
			  key);
}

/* The devices a stopped guest would use; a broken file has none. */
static void configured_devices(const struct guest *guest, struct words *devices)
{
	CLEANUP_CONF struct conf *conf = NULL;

	if (guest_conf(guest, NULL, NULL, &conf) < 0)
		return;
	for (unsigned n = 0; n < plan_passthru_count(conf); n++) {
		struct hostpci_addr addr;
		char bdf[HOSTPCI_BDF_MAX];

		if (claims_address(conf, n, NULL, &addr) < 0)
			continue;
		hostpci_format_bdf(addr, bdf);
		words_add(devices, "%s", bdf);
	}
}

static void claim_fill(const struct guest *guest, struct claim *claim)
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
		configured_devices(guest, &claim->devices);
		return;
	}
	claim->running = true;
	words_split(&claim->devices, info.devices);
}

int claims_load(const struct place *place, const char *except, struct err *err,
		struct claims *ret_claims)
{
	CLEANUP_CLAIMS struct claims claims = {0};
	CLEANUP_WORDS struct words names = {0};
	int rc = place_guests(place, err, &names);

	if (rc < 0)
		return rc;
	claims.claim = calloc(names.count + 1, sizeof(*claims.claim));
	if (!claims.claim)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP_GUEST struct guest guest = GUEST_NONE;
		struct claim *claim = &claims.claim[claims.count];

		if ((except && strcmp(names.word[i], except) == 0) ||
		    guest_open(place, names.word[i], NULL, &guest) < 0)
			continue;
		claims.count++;
		claim_fill(&guest, claim);
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
static int group_check(const struct hostpci *host,
		       const struct hostpci_dev *dev,
		       const struct claims *claims, struct err *err)
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

static int device_check(const struct hostpci *host, struct hostpci_addr addr,
			unsigned accepted, const struct claims *claims,
			struct err *err)
{
	const struct hostpci_dev *dev;
	int pid = 0, rc = hostpci_lookup(host, addr, err, &dev);

	if (rc < 0)
		return rc;
	rc = group_check(host, dev, claims, err);
	if (rc == 0)
		rc = hostpci_usable(host, dev, err);
	if (rc == 0)
		rc = hostpci_check_risks(host, dev, accepted, err);
	if (rc < 0)
		return rc;
	/* Where the holder cannot be found, byway will be told by VFIO. */
	if (hostpci_group_user(host, dev->iommu_group, &pid) == 0 && pid > 0)
		return err_set(
		    err, -EBUSY,
		    "%s (%s): IOMMU group %d is in use by process %d", dev->bdf,
		    dev->selector, dev->iommu_group, pid);
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

static int devices_check(const struct place *place, const struct guest *guest,
			 const struct conf *conf, struct words *devices,
			 struct err *err)
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	CLEANUP_CLAIMS struct claims claims = {0};
	unsigned accepted;
	int rc = claims_load(place, guest->name, err, &claims);

	if (rc == 0)
		rc = plan_passthru_unsafe(conf, err, &accepted);
	if (rc == 0)
		rc = hostpci_open(place->host_root, err, &host);
	for (unsigned n = 0; rc == 0 && n < plan_passthru_count(conf); n++) {
		struct hostpci_addr addr;
		char bdf[HOSTPCI_BDF_MAX];

		rc = claims_address(conf, n, err, &addr);
		if (rc < 0)
			return rc;
		hostpci_format_bdf(addr, bdf);
		if (words_contain(devices, bdf))
			return err_set(err, -EINVAL,
				       "%s: passthru%u: %s is given twice",
				       conf->path, n, bdf);
		words_add(devices, "%s", bdf);
		rc = device_check(host, addr, accepted, &claims, err);
	}
	return rc < 0 ? rc : words_check(devices, err);
}

int claims_take(const struct place *place, const struct guest *guest,
		const struct conf *conf, struct runlock *lock, struct err *err)
{
	CLEANUP_CLOSE int turn = -1;
	CLEANUP_WORDS struct words devices = {0};
	CLEANUP_FREE char *list = NULL;
	int rc;

	if (plan_passthru_count(conf) == 0)
		return 0;
	rc = claims_turn(place, err, &turn);
	if (rc == 0)
		rc = devices_check(place, guest, conf, &devices, err);
	if (rc < 0)
		return rc;
	list = words_join(&devices, ' ');
	if (!list)
		return err_set(err, -ENOMEM, "out of memory");
	if (strlen(list) >= sizeof(lock->info.devices))
		return err_set(err, -E2BIG, "%s: too many passthru devices",
			       conf->path);
	strcpy(lock->info.devices, list);
	return runlock_write(lock, err);
}
