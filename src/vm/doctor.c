/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm passthru doctor: looks at the host, at devices or at what a guest uses;
 * the work is libhostpci's (hostpci/doctor/doctor.h).
 */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cfg.h"
#include "hostpci/doctor/doctor.h"
#include "vm/claims.h"
#include "vm/cmd.h"
#include "vm/firmware.h"
#include "vm/plan.h"

/* Exit status when nothing could be examined; 0 to 2 are verdicts. */
#define EXIT_TROUBLE 3
#define STILL_MS     10000u
#define TOTAL_MS     60000u
#define LOG_TAIL     KIB(256)

struct job {
	const struct place *place;
	bool json;
	struct doctor_request request;
	struct hostpci_addr addrs[DOCTOR_DEVICES_MAX];
	struct doctor_guest guest;
	char guest_name[GUEST_NAME_MAX + 1];
	char log_path[GUEST_NAME_MAX + 16];
	char *log;
	bool has_guest;
};

/* --- the guest ---------------------------------------------------------------
 */

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

static int guest_job(struct job *job, const struct guest *guest,
		     const struct conf *conf, struct err *err)
{
	enum loader loader = LOADER_LINUX;
	unsigned count = plan_passthru_count(conf);
	const char *memory = conf_get_or(conf, "memory", NULL);

	strcpy(job->guest_name, guest->name);
	snprintf(job->log_path, sizeof(job->log_path), "%s/com1.log",
		 guest->name);
	job->has_guest = true;
	job->guest = (struct doctor_guest){.name = job->guest_name,
					   .log = job->log,
					   .log_path = job->log_path};
	if (!memory || parse_size(memory, &job->guest.memory_bytes) < 0)
		job->guest.memory_bytes = 0;
	if (loader_find(conf, NULL, &loader) == 0)
		job->guest.firmware = loader != LOADER_LINUX;
	job->request.guest = &job->guest;
	job->request.addrs = job->addrs;
	if (count > DOCTOR_DEVICES_MAX)
		return err_set(err, -E2BIG, "%s: too many passthru devices",
			       guest->name);
	for (unsigned n = 0; n < count; n++) {
		int rc = claims_address(conf, n, err, &job->addrs[n]);

		if (rc < 0)
			return rc;
		job->request.addr_count++;
	}
	return 0;
}

/* -ENOENT when no guest is called so. */
static int guest_named(struct job *job, const char *name, struct err *err)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	CLEANUP_CONF struct conf *conf = NULL;
	int rc = guest_open(job->place, name, err, &guest);

	if (rc == 0)
		rc = guest_conf(&guest, NULL, err, &conf);
	if (rc < 0)
		return rc;
	job->log = log_read(&guest);
	return guest_job(job, &guest, conf, err);
}

/* --- subjects
 * ------------------------------------------------------------------ */

/* "nvme0", "vfio-pci1": as `vm passthru` lists it. */
static bool device_named(struct job *job, const char *name)
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	char instance[PASSTHRU_INSTANCE_MAX];

	if (hostpci_open(job->place->host_root, NULL, &host) < 0)
		return false;
	for (size_t i = 0; i < hostpci_count(host); i++) {
		passthru_instance(host, i, instance, sizeof(instance));
		if (strcmp(instance, name) != 0)
			continue;
		job->addrs[job->request.addr_count++] =
		    hostpci_at(host, i)->addr;
		return true;
	}
	return false;
}

static int subject_add(struct job *job, const char *text, struct err *err)
{
	struct err other = {0};
	int rc;

	if (job->request.addr_count == DOCTOR_DEVICES_MAX)
		return err_set(err, -E2BIG, "%s: too many devices", text);
	job->request.addrs = job->addrs;
	if (hostpci_parse_addr(text, err,
			       &job->addrs[job->request.addr_count]) == 0) {
		job->request.addr_count++;
		return 0;
	}
	if (guest_name_valid(text)) {
		rc = guest_named(job, text, &other);
		if (rc == 0)
			return 0;
		if (rc != -ENOENT)
			return err_set(err, rc, "%s", other.msg);
		if (device_named(job, text))
			return 0;
	}
	return err_set(err, -ENOENT,
		       "'%.64s': no guest, no device of 'vm passthru' and no "
		       "address such as 3/0/0",
		       text);
}

static int subjects_take(struct job *job, int count, char **texts)
{
	struct err err = {0};

	for (int i = 0; i < count; i++) {
		if (job->has_guest)
			return say_error("%s: one guest at a time, and no "
					 "devices beside it",
					 texts[i]);
		if (subject_add(job, texts[i], &err) < 0)
			return say_error("%s", err.msg);
	}
	return 0;
}

/* --- the examination
 * -------------------------------------------------------------- */

/* In a process of its own, see doctor_guarded(). */
static int job_run(void *ctx, char *watch)
{
	CLEANUP_DOCTOR struct doctor *doctor = NULL;
	struct job *job = ctx;
	struct err err = {0};

	job->request.watch = watch;
	if (doctor_examine(&job->request, &err, &doctor) < 0) {
		say_error("%s", err.msg);
		return EXIT_TROUBLE;
	}
	if (job->json) {
		if (doctor_print_json(doctor, stdout) < 0) {
			say_error("stdout: write failed");
			return EXIT_TROUBLE;
		}
	} else {
		doctor_print(doctor, isatty(STDOUT_FILENO), stdout);
	}
	return (int)doctor_state(doctor);
}

static int job_guarded(struct job *job)
{
	FILE *progress = isatty(STDERR_FILENO) ? stderr : NULL;
	char stuck[DOCTOR_WATCH_BYTES] = "";
	int rc =
	    doctor_guarded(job_run, job, STILL_MS, TOTAL_MS, progress, stuck);

	if (rc >= 0)
		return rc;
	if (rc != -ETIMEDOUT) {
		say_error("doctor: %s", strerror(-rc));
		return EXIT_TROUBLE;
	}
	doctor_print_stuck(stuck, job->json, stdout);
	return DOCTOR_BLOCKED;
}

static int list_print(void)
{
	struct doctor_check_info info;

	for (size_t i = 0; doctor_check_at(i, &info); i++)
		printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\n", info.id,
		       doctor_step_name(info.step),
		       doctor_layer_name(info.layer),
		       doctor_severity_name(info.severity),
		       doctor_scope_name(info.scope), info.title, info.cure);
	return 0;
}

enum doctor_option {
	OPTION_JSON = 'j',
	OPTION_LIST = 'l',
};

static const struct option options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"list", no_argument, NULL, OPTION_LIST},
    {NULL, 0, NULL, 0},
};

int cmd_doctor(const struct command *cmd, const struct place *place, int argc,
	       char **argv)
{
	struct job job = {.place = place,
			  .request = {.root = place->host_root}};
	bool list = false;
	int option, status;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+jl", options, NULL)) != -1) {
		switch (option) {
		case OPTION_JSON:
			job.json = true;
			break;
		case OPTION_LIST:
			list = true;
			break;
		default:
			say_usage(cmd, "doctor: unknown option '%s'",
				  argv[optind - 1]);
			return EXIT_TROUBLE;
		}
	}
	if (list)
		return list_print();
	status = subjects_take(&job, argc - optind, argv + optind);
	status = status ? EXIT_TROUBLE : job_guarded(&job);
	free(job.log);
	return status;
}
