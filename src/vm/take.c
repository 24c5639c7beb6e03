/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking a guest's devices for a run, and giving them back: claims_take() and
 * claims_return() of claims.h.
 *
 * Theory of operation
 *
 * All happens in this process's turn, so what was seen to be free stays so.
 * For each passthruN: find what is meant, check it function by function, then
 * take them; of a pool the first member that passes. A managed device is
 * written into the guest's lock before its driver is touched: whoever finds the
 * lock after a crash can give it back. IOMMU groups are looked at in the end,
 * when all members that the guest takes have been bound.
 */
#include <fcntl.h>
#include <string.h>

#include "vm/claims.h"
#include "vm/devlog.h"

struct taker {
	const struct claims_request *rq;
	struct err *err;
	struct hostpci *host;
	struct pcinames names;
	struct claims claims;
	struct words devices;
	struct words keep;  /* devices, and siblings bound with them */
	char *known_text;   /* what CLAIMS_KNOWN is to be */
	struct conf *known; /* what it is, NULL none */
	bool managed, siblings;
	unsigned accepted; /* HOSTPCI_RISK_* */
	struct plan_functions *functions;
};

/* One passthruN. */
struct want {
	unsigned n;
	char key[16]; /* "passthru3" */
	struct plan_passthru pt;
	bool optional;
	bool alone; /* of a pool */
};

static int no_memory(struct taker *t)
{
	return err_set(t->err, -ENOMEM, "out of memory");
}

/* ---- managed devices ---- */

static bool list_has(const char *list, const char *bdf)
{
	CLEANUP_WORDS struct words words = {0};

	words_split(&words, list);
	return words_contain(&words, bdf);
}

static int managed_write(struct taker *t, const char *bdf)
{
	char *list = t->rq->lock->info.managed;
	size_t size = sizeof(t->rq->lock->info.managed), len = strlen(list);

	if (list_has(list, bdf))
		return 0;
	if (len + strlen(bdf) + 2 > size)
		return err_set(t->err, -E2BIG, "%s: too many passthru devices",
			       t->rq->conf->path);
	snprintf(list + len, size - len, "%s%s", len ? " " : "", bdf);
	return runlock_write(t->rq->lock, t->err);
}

static int managed_bind(struct taker *t, const struct hostpci_dev *dev)
{
	char former[sizeof(dev->driver)];
	int rc;

	if (hostpci_ready(dev))
		return 0;
	strcpy(former, dev->driver);
	rc = managed_write(t, dev->bdf);
	if (rc == 0)
		rc = hostpci_reserve(t->host, dev, 0, t->err);
	if (rc == 0)
		warner_say(&t->rq->note, "passthru %s (%s): taken from %s",
			   dev->selector, dev->bdf,
			   former[0] ? former : "the host, without a driver");
	return rc;
}

/* What else the host drives in its IOMMU group. */
static int siblings_bind(struct taker *t, const struct hostpci_dev *dev)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < hostpci_count(t->host); i++) {
		const struct hostpci_dev *other = hostpci_at(t->host, i);

		if (other == dev || other->iommu_group != dev->iommu_group ||
		    dev->iommu_group == HOSTPCI_NO_GROUP || !other->driver[0] ||
		    hostpci_is_bridge(other))
			continue;
		rc = managed_bind(t, other);
		words_add(&t->keep, "%s", other->bdf);
	}
	return rc;
}

/* ---- checks ---- */

/*
 * Is this the device the guest had here before? By an address alone another
 * card would be handed over once bus numbers have moved.
 */
static int known_check(struct taker *t, const struct want *want,
		       const struct hostpci_dev *dev)
{
	const char *entry = conf_get(t->known, "%s", want->key);
	struct hostpci_identity then;
	struct hostpci_found found;
	const char *text = entry ? strstr(entry, " = ") : NULL;
	char why[384];
	size_t len = strlen(want->pt.address);

	/* Another address than before is a new wish. */
	if (!text || (size_t)(text - entry) != len ||
	    strncmp(entry, want->pt.address, len) != 0 ||
	    hostpci_identity_parse(text + 3, &then) < 0)
		return 0;
	hostpci_recognise(t->host, &then, &found);
	if (found.dev == dev &&
	    (found.sight == HOSTPCI_SAME ||
	     (found.sight == HOSTPCI_UNSURE && !then.serial_known)))
		return 0;
	if (found.sight == HOSTPCI_SAME)
		snprintf(why, sizeof(why),
			 "%s (%s) is not the device this guest had there; that "
			 "is at %s (%s) now",
			 dev->bdf, dev->selector, found.dev->bdf,
			 pcidev_typed(found.dev));
	else
		pcinames_tell(&then, &found, why, sizeof(why));
	return err_set(t->err, -ENODEV,
		       "%s; write what is meant, or 'vm passthru accept %s' "
		       "takes what is there now",
		       why, t->rq->guest->name);
}

static int known_add(struct taker *t, const struct want *want,
		     const struct hostpci_identity *identity)
{
	char text[HOSTPCI_IDENTITY_MAX],
	    value[sizeof(text) + PLAN_ADDRESS_MAX + 4];
	char *changed;

	if (want->alone || pciname_like(want->pt.address))
		return 0;
	hostpci_identity_format(identity, text);
	snprintf(value, sizeof(value), "%s = %s", want->pt.address, text);
	changed = conf_text_set(t->known_text, want->key, value);
	if (!changed)
		return no_memory(t);
	free(t->known_text);
	t->known_text = changed;
	return 0;
}

static int function_check(struct taker *t, const struct hostpci_dev *dev,
			  const struct hostpci_identity *identity)
{
	char key[DEVLOG_KEY_MAX];
	char who[HOSTPCI_WHO_MAX];
	int rc;

	if (words_contain(&t->devices, dev->bdf))
		return err_set(t->err, -EINVAL, "%s is given twice", dev->bdf);
	devlog_key(identity, key);
	rc = claims_check(&t->claims, t->host, dev, t->err);
	if (rc == 0)
		rc = quarantine_check(t->rq->place, key, dev, t->err);
	if (rc == 0 && t->managed)
		rc = managed_bind(t, dev);
	if (rc == 0 && t->siblings)
		rc = siblings_bind(t, dev);
	if (rc == 0 && !t->managed)
		rc = hostpci_usable(t->host, dev, t->err);
	if (rc == 0)
		rc = hostpci_check_risks(t->host, dev, t->accepted, t->err);
	if (rc < 0)
		return rc;
	/* Where the holder cannot be found, byway will be told by VFIO. */
	if (hostpci_group_user(t->host, dev->iommu_group, who) == 0 && who[0])
		return err_set(t->err, -EBUSY,
			       "%s (%s): IOMMU group %d is in use by %s",
			       dev->bdf, dev->selector, dev->iommu_group, who);
	return 0;
}

/* A pool's member that cannot have the sizes is not free. */
static int bars_fit(struct taker *t, const struct want *want,
		    const struct hostpci_dev *dev)
{
	const char *opts = conf_get(t->rq->conf, "%s_options", want->key);
	struct hostpci_bars bars;
	int rc = hostpci_bars_options(opts ? opts : "", t->err, &bars);

	if (rc == 0)
		rc = hostpci_bars_resize(t->host, dev, &bars, t->err);
	if (rc > 0)
		warner_say(&t->rq->note,
			   "passthru %s (%s): BARs resized for %s",
			   dev->selector, dev->bdf, opts);
	return rc < 0 ? rc : 0;
}

/* ---- taking ---- */

static struct plan_function *list_add(struct plan_functions *list,
				      const struct want *want)
{
	struct plan_function *fn;

	if (list->count == PLAN_PASSTHRU_MAX)
		return NULL;
	fn = &list->fn[list->count++];
	*fn = (struct plan_function){
	    .n = want->n,
	    .alone = want->alone,
	    .optional = want->optional,
	};
	return fn;
}

static bool list_add_devs(struct plan_functions *list, const struct want *want,
			  const struct pcidevs *devs)
{
	bool plain = !devs->named && !devs->all;

	for (size_t i = 0; i < devs->count; i++) {
		const struct hostpci_dev *dev = devs->dev[i];
		struct plan_function *fn = list_add(list, want);

		if (!fn)
			return false;
		snprintf(fn->address, sizeof(fn->address), "%s",
			 plain ? want->pt.address : dev->bdf);
		snprintf(fn->bdf, sizeof(fn->bdf), "%s", dev->bdf);
		fn->first = i == 0;
		fn->all = devs->all;
		fn->func = dev->addr.func;
	}
	return true;
}

/* What a guest does without keeps its place in the guest. */
static bool list_add_nothing(struct plan_functions *list,
			     const struct want *want)
{
	struct plan_function *fn = list_add(list, want);

	if (!fn)
		return false;
	snprintf(fn->address, sizeof(fn->address), "%s", want->pt.address);
	fn->first = fn->dropped = true;
	return true;
}

/*
 * A process serves it, or a driver of the host gives it away: nothing of the
 * host is taken, byway asks for it.
 */
static bool list_add_foreign(struct plan_functions *list,
			     const struct want *want)
{
	struct plan_function *fn = list_add(list, want);

	if (!fn)
		return false;
	strcpy(fn->address, want->pt.address);
	fn->first = fn->alone = true;
	return true;
}

static int list_full(struct taker *t)
{
	return err_set(t->err, -E2BIG,
		       "%s: more than %u passed-through "
		       "functions",
		       t->rq->conf->path, PLAN_PASSTHRU_MAX);
}

static int devs_check(struct taker *t, const struct want *want,
		      const struct pcidevs *devs,
		      struct hostpci_identity *identity)
{
	for (size_t i = 0; i < devs->count; i++) {
		const struct hostpci_dev *dev = devs->dev[i];
		int rc = hostpci_identify(t->host, dev, t->err, &identity[i]);

		if (rc == 0)
			rc = function_check(t, dev, &identity[i]);
		if (rc == 0 && i == 0)
			rc = bars_fit(t, want, dev);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int devs_add(struct taker *t, const struct want *want,
		    const struct pcidevs *devs,
		    const struct hostpci_identity *identity)
{
	unsigned before = t->functions->count;

	if (!list_add_devs(t->functions, want, devs))
		return list_full(t);
	for (size_t i = 0; i < devs->count; i++) {
		devlog_key(&identity[i], t->functions->fn[before + i].key);
		words_add(&t->devices, "%s", devs->dev[i]->bdf);
		words_add(&t->keep, "%s", devs->dev[i]->bdf);
	}
	return known_add(t, want, &identity[0]);
}

static int devs_take(struct taker *t, const struct want *want, const char *text)
{
	struct hostpci_identity identity[PCISLOT_FUNCTIONS];
	struct pcidevs devs;
	int rc = pcinames_resolve(&t->names, text, true, t->err, &devs);

	if (rc == 0 && devs.all && want->pt.pinned && want->pt.func)
		rc = err_set(t->err, -EINVAL,
			     "the functions of a slot keep their numbers; "
			     "expected =%u after it",
			     want->pt.slot);
	if (rc == 0 && !devs.named)
		rc = known_check(t, want, devs.dev[0]);
	if (rc == 0)
		rc = devs_check(t, want, &devs, identity);
	return rc < 0 ? rc : devs_add(t, want, &devs, identity);
}

/* The first free one. */
static int pool_take(struct taker *t, struct want *want)
{
	const char *pool = want->pt.address + strlen(POOL_PREFIX);
	CLEANUP_WORDS struct words members = {0};
	struct err *err = t->err, why = {0};
	char list[ERR_MSG_MAX / 2] = "";
	int rc = pcinames_pool(&t->names, pool, err, &members);

	if (rc < 0)
		return rc;
	want->alone = true;
	for (size_t i = 0; i < members.count; i++) {
		size_t len = strlen(list);

		t->err = &why;
		rc = devs_take(t, want, members.word[i]);
		t->err = err;
		if (rc == 0) {
			warner_say(&t->rq->note, "%s: %s of pool '%s'",
				   want->key, members.word[i], pool);
			return 0;
		}
		snprintf(list + len, sizeof(list) - len, "; %s: %.160s",
			 members.word[i], why.msg);
	}
	return err_set(err, -EBUSY,
		       "none of the %zu devices of pool '%s' is "
		       "free%s",
		       members.count, pool, list);
}

static int want_drop(struct taker *t, const struct want *want)
{
	warner_say(&t->rq->warner, "the guest is started without %s: %s",
		   want->key, t->err->msg);
	*t->err = (struct err){0};
	return list_add_nothing(t->functions, want) ? 0 : list_full(t);
}

static bool want_is_pool(const struct want *want)
{
	return strncmp(want->pt.address, POOL_PREFIX, strlen(POOL_PREFIX)) == 0;
}

static int want_take(struct taker *t, unsigned n)
{
	const struct conf *conf = t->rq->conf;
	struct want want = {.n = n};
	unsigned before = t->functions->count;
	char key[32];
	int rc = plan_passthru_parse(conf, n, t->err, &want.pt);

	if (rc < 0)
		return rc;
	snprintf(want.key, sizeof(want.key), "passthru%u", n % 1000);
	snprintf(key, sizeof(key), "%s_required", want.key);
	want.optional = !conf_bool(conf, key, true);
	if (want.pt.foreign)
		return list_add_foreign(t->functions, &want) ? 0 : list_full(t);
	if (want_is_pool(&want))
		rc = pool_take(t, &want);
	else
		rc = devs_take(t, &want, want.pt.address);
	if (rc == 0)
		return 0;
	if (want.optional && rc != -E2BIG) {
		t->functions->count = before;
		return want_drop(t, &want);
	}
	return err_prefix(t->err, "%s:%u: %s", conf->path,
			  conf_line(conf, want.key), want.key);
}

/* Groups, once all that the guest takes is bound. */
static int groups_check(struct taker *t)
{
	for (unsigned i = 0; t->managed && i < t->functions->count; i++) {
		const struct plan_function *fn = &t->functions->fn[i];
		const struct hostpci_dev *dev;
		struct hostpci_addr addr;
		int rc = 0;

		if (fn->dropped || !fn->bdf[0])
			continue;
		rc = hostpci_parse_addr(fn->bdf, t->err, &addr);
		if (rc == 0)
			rc = hostpci_lookup(t->host, addr, t->err, &dev);
		if (rc == 0)
			rc = hostpci_usable(t->host, dev, t->err);
		if (rc == 0)
			continue;
		if (!t->siblings && strlen(t->err->msg) < 512)
			strcat(t->err->msg,
			       ", or let passthru_siblings=\"yes\" take it");
		return rc;
	}
	return 0;
}

/* ---- what the guest had ---- */

static int known_load(struct taker *t)
{
	char path[GUEST_PATH_MAX];
	int rc;

	t->known_text = strdup("");
	if (!t->known_text)
		return no_memory(t);
	snprintf(path, sizeof(path), "%s/" CLAIMS_KNOWN, t->rq->guest->dir);
	rc = conf_load(t->rq->guest->dirfd, CLAIMS_KNOWN, path, NULL, t->err,
		       &t->known);
	return rc == -ENOENT ? 0 : rc;
}

/* A device the guest did without is remembered all the same. */
static void known_save(struct taker *t)
{
	CLEANUP_FREE char *old = NULL;
	char path[GUEST_PATH_MAX];
	struct err err = {0};

	for (unsigned i = 0; i < t->functions->count; i++) {
		const struct plan_function *fn = &t->functions->fn[i];
		const char *value = conf_get(t->known, "passthru%u", fn->n);
		char key[32], *changed;

		snprintf(key, sizeof(key), "passthru%u", fn->n);
		changed = fn->dropped && value
			      ? conf_text_set(t->known_text, key, value)
			      : NULL;
		if (!changed)
			continue;
		free(t->known_text);
		t->known_text = changed;
	}
	snprintf(path, sizeof(path), "%s/" CLAIMS_KNOWN, t->rq->guest->dir);
	if (conf_read_text(t->rq->guest->dirfd, CLAIMS_KNOWN, path, NULL,
			   &old) == 0 &&
	    strcmp(old, t->known_text) == 0)
		return;
	if (!old && !t->known_text[0])
		return;
	if (conf_write_text(t->rq->guest->dirfd, CLAIMS_KNOWN, path,
			    t->known_text, &err) < 0)
		warner_say(&t->rq->warner, "%s", err.msg);
}

/* ---- the whole ---- */

static int taker_open(struct taker *t)
{
	const struct conf *conf = t->rq->conf;
	int rc = hostpci_open(t->rq->place->host_root, t->err, &t->host);

	t->managed = conf_bool(conf, "passthru_managed", false);
	t->siblings = t->managed && conf_bool(conf, "passthru_siblings", false);
	if (rc == 0)
		rc = plan_passthru_unsafe(conf, t->err, &t->accepted);
	if (rc == 0)
		rc = pcinames_load(t->rq->place, t->host, t->err, &t->names);
	if (rc == 0)
		rc = claims_load(t->rq->place, &t->names, t->rq->guest->name,
				 t->err, &t->claims);
	return rc < 0 ? rc : known_load(t);
}

static void taker_close(struct taker *t)
{
	claims_free(&t->claims);
	pcinames_free(&t->names);
	words_free(&t->devices);
	words_free(&t->keep);
	conf_free(t->known);
	free(t->known_text);
	hostpci_close(t->host);
}

static int taker_run(struct taker *t)
{
	CLEANUP_FREE char *list = NULL;
	struct run_info *info = &t->rq->lock->info;
	int rc = taker_open(t);

	for (unsigned n = 0; rc == 0 && n < plan_passthru_count(t->rq->conf);
	     n++)
		rc = want_take(t, n);
	if (rc == 0)
		rc = groups_check(t);
	if (rc == 0)
		rc = words_check(&t->devices, t->err);
	if (rc == 0)
		rc = words_check(&t->keep, t->err);
	if (rc < 0)
		return rc;
	list = t->devices.count ? words_join(&t->devices, ' ') : strdup("");
	if (!list)
		return no_memory(t);
	if (strlen(list) >= sizeof(info->devices))
		return err_set(t->err, -E2BIG, "%s: too many passthru devices",
			       t->rq->conf->path);
	strcpy(info->devices, list);
	rc = runlock_write(t->rq->lock, t->err);
	if (rc == 0)
		known_save(t);
	return rc;
}

int claims_take(const struct claims_request *request, struct err *err,
		struct plan_functions *ret_functions)
{
	CLEANUP_CLOSE int turn = -1;
	struct taker t = {.rq = request, .err = err};
	int rc;

	ret_functions->count = 0;
	t.functions = ret_functions;
	if (plan_passthru_count(request->conf) == 0)
		return 0;
	rc = claims_turn(request->place, err, &turn);
	if (rc == 0)
		rc = taker_run(&t);
	/* What a crash left of a run with other devices. */
	if (rc == 0)
		claims_return(request, &t.keep);
	taker_close(&t);
	return rc;
}

/* ---- only looking ---- */

/* The device of a pool that would be taken, were all of them free. */
static int pool_resolve(const struct pcinames *names, const char *pool,
			struct pcidevs *devs)
{
	CLEANUP_WORDS struct words members = {0};
	int rc = pcinames_pool(names, pool, NULL, &members);

	if (rc < 0)
		return rc;
	rc = -ENODEV;
	for (size_t i = 0; rc < 0 && i < members.count; i++)
		rc =
		    pcinames_resolve(names, members.word[i], false, NULL, devs);
	return rc;
}

void claims_resolve(const struct pcinames *names, const struct conf *conf,
		    struct plan_functions *ret_functions)
{
	bool room = true;

	ret_functions->count = 0;
	for (unsigned n = 0; room && n < plan_passthru_count(conf); n++) {
		struct want want = {.n = n};
		struct pcidevs devs;
		int rc = plan_passthru_parse(conf, n, NULL, &want.pt);

		if (rc < 0)
			continue;
		if (want.pt.foreign) {
			room = list_add_foreign(ret_functions, &want);
			continue;
		}
		want.alone = want_is_pool(&want);
		if (want.alone)
			rc = pool_resolve(names,
					  want.pt.address + strlen(POOL_PREFIX),
					  &devs);
		else
			rc = pcinames_resolve(names, want.pt.address, false,
					      NULL, &devs);
		if (rc == 0)
			room = list_add_devs(ret_functions, &want, &devs);
		else
			room = list_add_nothing(ret_functions, &want);
	}
}

/* ---- giving back ---- */

static void return_one(const struct claims_request *rq, struct hostpci *host,
		       const struct claims *claims, const char *bdf)
{
	const struct claim *claim = claims_find(claims, bdf);
	const struct hostpci_dev *dev;
	struct hostpci_addr addr;
	struct err err = {0};

	if (claim && claim->running) {
		warner_say(&rq->warner,
			   "passthru %s: not given back, guest '%s' has it",
			   bdf, claim->guest);
		return;
	}
	if (hostpci_parse_addr(bdf, &err, &addr) < 0 ||
	    hostpci_lookup(host, addr, &err, &dev) < 0) {
		warner_say(&rq->warner, "passthru %s: not given back: %s", bdf,
			   err.msg);
		return;
	}
	if (!hostpci_ready(dev) && dev->driver[0])
		return; /* somebody was quicker */
	if (hostpci_release(host, dev, &err) < 0)
		warner_say(&rq->warner, "passthru %s (%s): not given back: %s",
			   dev->selector, dev->bdf, err.msg);
	else
		warner_say(&rq->note, "passthru %s (%s): given back to %s",
			   dev->selector, dev->bdf,
			   dev->driver[0] ? dev->driver : "the host");
}

void claims_return(const struct claims_request *rq, const struct words *keep)
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	CLEANUP_PCINAMES struct pcinames names = {0};
	CLEANUP_CLAIMS struct claims claims = {0};
	CLEANUP_WORDS struct words managed = {0};
	char *list = rq->lock->info.managed;
	char kept[sizeof(rq->lock->info.managed)] = "";
	struct err err = {0};

	words_split(&managed, list);
	if (managed.count == 0)
		return;
	if (hostpci_open(rq->place->host_root, &err, &host) < 0) {
		warner_say(&rq->warner, "%s", err.msg);
		return;
	}
	/* Without names and claims VFIO still knows who has a device. */
	if (pcinames_load(rq->place, host, &err, &names) < 0 ||
	    claims_load(rq->place, &names, rq->guest->name, &err, &claims) < 0)
		warner_say(&rq->warner, "%s", err.msg);
	for (size_t i = 0; i < managed.count; i++) {
		size_t len = strlen(kept);

		if (keep && words_contain(keep, managed.word[i]))
			snprintf(kept + len, sizeof(kept) - len, "%s%s",
				 len ? " " : "", managed.word[i]);
		else
			return_one(rq, host, &claims, managed.word[i]);
	}
	strcpy(list, kept);
	if (runlock_write(rq->lock, &err) < 0)
		warner_say(&rq->warner, "%s", err.msg);
}
