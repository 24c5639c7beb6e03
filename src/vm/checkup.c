/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's part in the doctor's work; the contract is checkup.h. */
#include "vm/checkup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cfg.h"
#include "vm/claims.h"
#include "vm/devlog.h"
#include "vm/firmware.h"
#include "vm/plan.h"

#define LOG_TAIL     KIB(256)
#define SHORT_MS     500u /* a dead device must not keep a start waiting */
#define SHORT_MAX_MS 60000u
#define HANGS_MS     10000u

/* The end of what it said on its first serial port; NULL when nothing. */
static char *log_read(const struct guest *guest)
{
	CLEANUP_CLOSE int fd =
	    openat(guest->dirfd, "com1.log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	CLEANUP_FREE char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	text = malloc(LOG_TAIL + 1);
	if (!text)
		return NULL;
	n = pread(fd, text, LOG_TAIL,
		  MAX(st.st_size - (off_t)LOG_TAIL, (off_t)0));
	if (n <= 0)
		return NULL;
	for (ssize_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	text[n] = '\0';
	return take_ptr(text);
}

static int devs_add(struct checkup *checkup, const struct pcidevs *devs,
		    struct err *err)
{
	size_t *count = &checkup->request.addr_count;

	if (devs->count > DOCTOR_DEVICES_MAX - *count)
		return err_set(err, -E2BIG, "too many passthru devices");
	for (size_t i = 0; i < devs->count; i++)
		checkup->addrs[(*count)++] = devs->dev[i]->addr;
	return 0;
}

void checkup_names(struct checkup *checkup, const struct pcinames *names)
{
	struct doctor_request *request = &checkup->request;

	request->named = checkup->named;
	for (size_t i = 0; i < names->count; i++) {
		struct doctor_named *named =
		    &checkup->named[request->named_count];

		if (request->named_count == DOCTOR_NAMED_MAX)
			return;
		snprintf(named->name, sizeof(named->name), "%s",
			 names->entry[i].name);
		named->identity = names->entry[i].identity;
		named->wanted = false;
		request->named_count++;
	}
}

static void name_want(struct checkup *checkup, const struct pcinames *names,
		      const char *name)
{
	struct doctor_request *request = &checkup->request;

	if (request->named_count == 0)
		checkup_names(checkup, names);
	for (size_t i = 0; i < request->named_count; i++)
		if (strcmp(checkup->named[i].name, name) == 0)
			checkup->named[i].wanted = true;
	request->named_wanted = true;
}

/* NAME, or the NAME of NAME-vfN. */
static const struct pciname *name_of(const struct pcinames *names,
				     const char *text)
{
	const struct pciname *entry = pcinames_entry(names, text);
	char name[PCINAME_SIZE];
	const char *mark = strstr(text, "-vf");

	if (entry || !mark || mark - text > (ptrdiff_t)PCINAME_MAX)
		return entry;
	snprintf(name, sizeof(name), "%.*s", (int)(mark - text), text);
	return pcinames_entry(names, name);
}

/* A named device that is not what it was is a finding, not an error. */
static int member_add(struct checkup *checkup, const struct pcinames *names,
		      const char *text, struct err *err)
{
	const struct pciname *entry = name_of(names, text);
	struct pcidevs devs;
	int rc = pcinames_resolve(names, text, false, err, &devs);

	if (entry)
		name_want(checkup, names, entry->name);
	if (rc == -ENODEV && entry && entry->found.sight != HOSTPCI_SAME &&
	    entry->found.sight != HOSTPCI_UNSURE)
		return 0;
	return rc < 0 ? rc : devs_add(checkup, &devs, err);
}

void checkup_quarantine(struct checkup *checkup, const struct place *place,
			const struct hostpci *host)
{
	struct doctor_request *request = &checkup->request;
	char key[DEVLOG_KEY_MAX];

	request->shut_out = checkup->shut_out;
	request->shut_out_count = 0;
	for (size_t i = 0; i < request->addr_count; i++) {
		struct doctor_shut_out *out =
		    &checkup->shut_out[request->shut_out_count];
		const struct hostpci_dev *dev =
		    hostpci_find(host, checkup->addrs[i]);
		struct hostpci_identity identity;
		struct err err = {0};

		if (!dev || hostpci_identify(host, dev, &err, &identity) < 0)
			continue;
		devlog_key(&identity, key);
		if (quarantine_check(place, key, dev, &err) != -EHOSTDOWN)
			continue;
		out->addr = dev->addr;
		snprintf(out->why, sizeof(out->why), "%.399s", err.msg);
		request->shut_out_count++;
	}
}

int checkup_named(struct checkup *checkup, const struct pcinames *names,
		  const char *text, struct err *err)
{
	CLEANUP_WORDS struct words members = {0};
	size_t *count = &checkup->request.addr_count;
	size_t pool = strlen(POOL_PREFIX);
	int rc = 0;

	checkup->request.addrs = checkup->addrs;
	/* One that is not there is for the doctor to tell. */
	if (*count < DOCTOR_DEVICES_MAX &&
	    hostpci_parse_addr(text, NULL, &checkup->addrs[*count]) == 0) {
		++*count;
		return 0;
	}
	if (strncmp(text, POOL_PREFIX, pool) == 0)
		rc = pcinames_pool(names, text + pool, err, &members);
	else
		words_add(&members, "%s", text);
	for (size_t i = 0; i < members.count && rc == 0; i++)
		rc = member_add(checkup, names, members.word[i], err);
	return rc;
}

/* What the guest had by this address before (claims.h), if it is that still. */
static void known_add(struct checkup *checkup, const struct conf *known,
		      const char *key, const char *address)
{
	struct doctor_request *request = &checkup->request;
	struct doctor_named *named = &checkup->named[request->named_count];
	const char *entry = known ? conf_get(known, "%s", key) : NULL;
	const char *text = entry ? strstr(entry, " = ") : NULL;
	size_t len = strlen(address);

	if (!text || (size_t)(text - entry) != len ||
	    strncmp(entry, address, len) != 0 ||
	    request->named_count == DOCTOR_NAMED_MAX ||
	    hostpci_parse_addr(address, NULL, &named->addr) < 0 ||
	    hostpci_identity_parse(text + 3, &named->identity) < 0)
		return;
	snprintf(named->name, sizeof(named->name), "%s", key);
	named->wanted = named->by_address = true;
	request->named = checkup->named;
	request->named_count++;
	request->named_wanted = true;
}

static int devices_add(struct checkup *checkup, const struct place *place,
		       const struct guest *guest, const struct conf *conf,
		       struct err *err)
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	CLEANUP_PCINAMES struct pcinames names = {0};
	CLEANUP_CONF struct conf *known = NULL;
	int rc = hostpci_open(place->host_root, err, &host);

	if (rc == 0)
		rc = pcinames_load(place, host, err, &names);
	if (rc == 0)
		checkup_names(checkup, &names);
	if (conf_load(guest->dirfd, CLAIMS_KNOWN, CLAIMS_KNOWN, NULL, NULL,
		      &known) < 0)
		known = NULL; /* it had none yet */
	for (unsigned n = 0; n < plan_passthru_count(conf) && rc == 0; n++) {
		struct plan_passthru pt;
		char key[24];

		rc = plan_passthru_parse(conf, n, err, &pt);
		if (rc == 0 && pt.foreign)
			continue; /* nothing of the host to look at */
		if (rc == 0)
			rc = checkup_named(checkup, &names, pt.address, err);
		snprintf(key, sizeof(key), "passthru%u", n);
		if (rc == 0)
			known_add(checkup, known, key, pt.address);
	}
	if (rc == 0)
		checkup_quarantine(checkup, place, host);
	return rc;
}

int checkup_guest(struct checkup *checkup, const struct place *place,
		  const struct guest *guest, const struct conf *conf,
		  bool with_log, struct err *err)
{
	enum loader loader = LOADER_LINUX;
	const char *memory = conf_get_or(conf, "memory", NULL);

	strcpy(checkup->guest_name, guest->name);
	snprintf(checkup->log_path, sizeof(checkup->log_path), "%s/com1.log",
		 guest->name);
	if (with_log)
		checkup->log = log_read(guest);
	checkup->guest = (struct doctor_guest){.name = checkup->guest_name,
					       .log = checkup->log,
					       .log_path = checkup->log_path};
	if (!memory || parse_memory(memory, &checkup->guest.memory_bytes) < 0)
		checkup->guest.memory_bytes = 0;
	if (loader_find(conf, NULL, &loader) == 0)
		checkup->guest.firmware = loader != LOADER_LINUX;
	checkup->guest.managed = conf_bool(conf, "passthru_managed", false);
	checkup->request.guest = &checkup->guest;
	checkup->request.addrs = checkup->addrs;
	return devices_add(checkup, place, guest, conf, err);
}

void checkup_free(struct checkup *checkup)
{
	free(checkup->log);
	checkup->log = NULL;
}

struct verdict {
	const struct place *place;
	const struct guest *guest;
	const struct conf *conf;
	bool with_log;
};

/*
 * In a process of its own, see doctor_guarded(): finding out what the guest
 * uses reads devices already.
 */
static int verdict_run(void *ctx, char *watch, char *answer)
{
	CLEANUP_DOCTOR struct doctor *doctor = NULL;
	const struct verdict *v = ctx;
	struct checkup checkup = {
	    .request = {.root = v->place->host_root,
			.watch = watch,
			.quick = true},
	};
	int rc;

	doctor_touch(v->place->host_root, watch);
	rc = checkup_guest(&checkup, v->place, v->guest, v->conf, v->with_log,
			   NULL);
	if (rc == 0)
		rc = doctor_examine(&checkup.request, NULL, &doctor);
	checkup_free(&checkup);
	if (rc < 0)
		return DOCTOR_BLOCKED + 1;
	snprintf(answer, DOCTOR_ANSWER_BYTES, "%s", doctor_verdict(doctor));
	return (int)doctor_state(doctor);
}

/* SHORT_MS unless a test gives a busy machine more. */
static unsigned short_ms(void)
{
	const char *text = getenv("VM_DOCTOR_MS");
	uint64_t ms;

	return text && parse_u64(text, &ms) == 0 && ms <= SHORT_MAX_MS
		   ? (unsigned)ms
		   : SHORT_MS;
}

static int verdict_within(const struct verdict *v, unsigned ms,
			  char ret_text[DOCTOR_ANSWER_BYTES])
{
	const struct doctor_deadline deadline = {ms, ms, NULL};
	int rc = doctor_guarded(verdict_run, (void *)v, &deadline, ret_text);

	return rc > (int)DOCTOR_BLOCKED ? -EIO : rc;
}

/* Does the guest have functions of this host? */
static bool has_host_devices(const struct conf *conf)
{
	struct plan_passthru pt;

	for (unsigned n = 0; n < plan_passthru_count(conf); n++)
		if (plan_passthru_parse(conf, n, NULL, &pt) < 0 || !pt.foreign)
			return true;
	return false;
}

int checkup_verdict(const struct place *place, const struct guest *guest,
		    const struct conf *conf, bool with_log,
		    char ret_text[DOCTOR_ANSWER_BYTES])
{
	const struct verdict verdict = {place, guest, conf, with_log};
	char text[DOCTOR_ANSWER_BYTES];
	unsigned ms = short_ms();
	int rc;

	if (!has_host_devices(conf))
		return -ENOENT;
	rc = verdict_within(&verdict, ms, text);
	if (rc == -ETIMEDOUT)
		snprintf(ret_text, DOCTOR_ANSWER_BYTES,
			 "not done within %u ms, was %s%.128s; 'vm passthru "
			 "doctor %.231s' takes its time",
			 ms, text[0] ? "reading " : "starting", text,
			 guest->name);
	else if (rc >= 0)
		memcpy(ret_text, text, DOCTOR_ANSWER_BYTES);
	return rc;
}

bool checkup_hangs(const struct place *place, const struct guest *guest,
		   const struct conf *conf, char ret_what[DOCTOR_ANSWER_BYTES])
{
	const struct verdict verdict = {place, guest, conf, false};

	return verdict_within(&verdict, HANGS_MS, ret_what) == -ETIMEDOUT &&
	       ret_what[0];
}
