/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's part in the doctor's work; the contract is checkup.h. */
#include "vm/checkup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cfg.h"
#include "vm/claims.h"
#include "vm/firmware.h"
#include "vm/plan.h"

#define LOG_TAIL KIB(256)
#define SHORT_MS 500u /* a dead device must not keep a start waiting */

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

int checkup_named(struct checkup *checkup, const struct pcinames *names,
		  const char *text, struct err *err)
{
	CLEANUP_WORDS struct words members = {0};
	size_t *count = &checkup->request.addr_count;
	size_t pool = strlen(POOL_PREFIX);
	struct pcidevs devs;
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
	for (size_t i = 0; i < members.count && rc == 0; i++) {
		rc =
		    pcinames_resolve(names, members.word[i], false, err, &devs);
		if (rc == 0)
			rc = devs_add(checkup, &devs, err);
	}
	return rc;
}

static int devices_add(struct checkup *checkup, const struct place *place,
		       const struct conf *conf, struct err *err)
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	CLEANUP_PCINAMES struct pcinames names = {0};
	int rc = hostpci_open(place->host_root, err, &host);

	if (rc == 0)
		rc = pcinames_load(place, host, err, &names);
	for (unsigned n = 0; n < plan_passthru_count(conf) && rc == 0; n++) {
		struct plan_passthru pt;

		rc = plan_passthru_parse(conf, n, err, &pt);
		if (rc == 0)
			rc = checkup_named(checkup, &names, pt.address, err);
	}
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
	if (!memory || parse_size(memory, &checkup->guest.memory_bytes) < 0)
		checkup->guest.memory_bytes = 0;
	if (loader_find(conf, NULL, &loader) == 0)
		checkup->guest.firmware = loader != LOADER_LINUX;
	checkup->request.guest = &checkup->guest;
	checkup->request.addrs = checkup->addrs;
	return devices_add(checkup, place, conf, err);
}

void checkup_free(struct checkup *checkup)
{
	free(checkup->log);
	checkup->log = NULL;
}

/* In a process of its own, see doctor_guarded(). */
static int verdict_run(void *ctx, char *watch, char *answer)
{
	CLEANUP_DOCTOR struct doctor *doctor = NULL;
	struct checkup *checkup = ctx;

	checkup->request.watch = watch;
	if (doctor_examine(&checkup->request, NULL, &doctor) < 0)
		return DOCTOR_BLOCKED + 1;
	snprintf(answer, DOCTOR_ANSWER_BYTES, "%s", doctor_verdict(doctor));
	return (int)doctor_state(doctor);
}

int checkup_verdict(const struct place *place, const struct guest *guest,
		    const struct conf *conf, bool with_log,
		    char ret_text[DOCTOR_ANSWER_BYTES])
{
	static const struct doctor_deadline deadline = {SHORT_MS, SHORT_MS,
							NULL};
	struct checkup checkup = {.request = {.root = place->host_root}};
	char text[DOCTOR_ANSWER_BYTES];
	int rc;

	if (plan_passthru_count(conf) == 0)
		return -ENOENT;
	rc = checkup_guest(&checkup, place, guest, conf, with_log, NULL);
	if (rc == 0)
		rc = doctor_guarded(verdict_run, &checkup, &deadline, text);
	checkup_free(&checkup);
	if (rc > (int)DOCTOR_BLOCKED)
		return -EIO;
	if (rc == -ETIMEDOUT) {
		snprintf(ret_text, DOCTOR_ANSWER_BYTES,
			 "not done within %u ms, was reading %.128s; 'vm "
			 "passthru doctor %.231s' takes its time",
			 SHORT_MS, text, guest->name);
		return DOCTOR_DEGRADED;
	}
	if (rc >= 0)
		memcpy(ret_text, text, DOCTOR_ANSWER_BYTES);
	return rc;
}
