/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm passthru doctor: looks at the host, at devices or at what a guest uses;
 * the work is libhostpci's (hostpci/doctor/doctor.h).
 */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

#include "base/cfg.h"
#include "proto/probe.h"
#include "vm/checkup.h"
#include "vm/claims.h"
#include "vm/cmd.h"
#include "vm/trial.h"

/* Exit status when nothing could be examined; 0 to 2 are verdicts. */
#define EXIT_TROUBLE 3
#define STILL_MS     10000u
#define TOTAL_MS     120000u

struct job {
	const struct place *place;
	bool json, secrets, list;
	unsigned rounds;    /* of --probe, 0: not asked for */
	const char *report; /* file to write, or NULL */
	const char *from;   /* report to replay, or NULL */
	int subjects;	    /* of --probe: resolved a second time */
	char **subject;
	struct checkup checkup;
};

/* --- subjects --------------------------------------------------------- */

/* -ENOENT when no guest is called so. */
static int guest_named(struct job *job, const char *name, struct err *err)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	CLEANUP_CONF struct conf *conf = NULL;
	int rc = guest_open(job->place, name, err, &guest);

	if (rc == 0)
		rc = guest_conf(&guest, NULL, err, &conf);
	return rc < 0 ? rc
		      : checkup_guest(&job->checkup, job->place, &guest, conf,
				      true, err);
}

/* "nvme0", "vfio-pci1": as `vm passthru` lists it. */
static bool device_named(struct job *job, const char *name)
{
	struct doctor_request *request = &job->checkup.request;
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	char instance[PASSTHRU_INSTANCE_MAX];

	if (hostpci_open(job->place->host_root, NULL, &host) < 0)
		return false;
	for (size_t i = 0; i < hostpci_count(host); i++) {
		passthru_instance(host, i, instance, sizeof(instance));
		if (strcmp(instance, name) != 0)
			continue;
		job->checkup.addrs[request->addr_count++] =
		    hostpci_at(host, i)->addr;
		checkup_quarantine(&job->checkup, job->place, host);
		return true;
	}
	return false;
}

/* What `vm passthru name` and `pool` know; also addresses and slots. */
static int known_named(struct job *job, const char *text, struct err *err)
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	CLEANUP_PCINAMES struct pcinames names = {0};
	int rc = hostpci_open(job->place->host_root, err, &host);

	if (rc == 0)
		rc = pcinames_load(job->place, host, err, &names);
	if (rc == 0)
		rc = checkup_named(&job->checkup, &names, text, err);
	if (rc == 0)
		checkup_quarantine(&job->checkup, job->place, host);
	return rc;
}

static int subject_add(struct job *job, const char *text, struct err *err)
{
	struct doctor_request *request = &job->checkup.request;
	struct err other = {0};
	int rc;

	if (request->addr_count == DOCTOR_DEVICES_MAX)
		return err_set(err, -E2BIG, "%s: too many devices", text);
	request->addrs = job->checkup.addrs;
	if (guest_name_valid(text) && !request->addr_count) {
		rc = guest_named(job, text, &other);
		if (rc != -ENOENT)
			return rc ? err_set(err, rc, "%s", other.msg) : 0;
	}
	if (device_named(job, text) || known_named(job, text, &other) == 0)
		return 0;
	return err_set(err, -ENOENT,
		       "'%.64s': no guest, no device of 'vm passthru' and no "
		       "address such as 3/0/0",
		       text);
}

/* Nobody is asked for: what has a name and is not where it was. */
static void names_take(struct job *job)
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	CLEANUP_PCINAMES struct pcinames names = {0};
	struct err err = {0};

	if (hostpci_open(job->place->host_root, &err, &host) == 0 &&
	    pcinames_load(job->place, host, &err, &names) == 0)
		checkup_names(&job->checkup, &names);
}

static int subjects_take(struct job *job)
{
	struct err err = {0};

	for (int i = 0; i < job->subjects; i++) {
		if (job->checkup.request.guest)
			return say_error("%s: one guest at a time, and no "
					 "devices beside it",
					 job->subject[i]);
		if (subject_add(job, job->subject[i], &err) < 0)
			return say_error("%s", err.msg);
	}
	if (job->subjects == 0)
		names_take(job);
	return 0;
}

/* --- the examination -------------------------------------------------- */

static int report_write(struct job *job, struct doctor *doctor)
{
	int fd =
	    open(job->report, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	int rc;

	if (!out)
		return say_error("%s: %s", job->report, strerror(errno));
	rc = doctor_report_write(doctor, job->secrets, out);
	if (fclose(out) != 0 || rc < 0) {
		unlink(job->report);
		return say_error("%s: could not be written", job->report);
	}
	fprintf(stderr, "The report is in %s.\n", job->report);
	return 0;
}

/* In a process of its own, see doctor_guarded(). */
static int job_run(void *ctx, char *watch, char *answer UNUSED)
{
	CLEANUP_DOCTOR struct doctor *doctor = NULL;
	struct job *job = ctx;
	struct err err = {0};

	job->checkup.request.watch = watch;
	if (!job->from) {
		doctor_touch(job->place->host_root, watch);
		if (subjects_take(job) != 0)
			return EXIT_TROUBLE;
	}
	if (doctor_examine(&job->checkup.request, &err, &doctor) < 0) {
		say_error("%s", err.msg);
		return EXIT_TROUBLE;
	}
	if (!job->json) {
		doctor_print(doctor, isatty(STDOUT_FILENO), stdout);
	} else if (doctor_print_json(doctor, stdout) < 0) {
		say_error("stdout: write failed");
		return EXIT_TROUBLE;
	}
	if (job->report && report_write(job, doctor) != 0)
		return EXIT_TROUBLE;
	return (int)doctor_state(doctor);
}

static int job_guarded(struct job *job)
{
	const struct doctor_deadline deadline = {
	    STILL_MS, TOTAL_MS, isatty(STDERR_FILENO) ? stderr : NULL};
	char stuck[DOCTOR_ANSWER_BYTES];
	int rc = doctor_guarded(job_run, job, &deadline, stuck);

	if (rc >= 0)
		return rc;
	if (rc != -ETIMEDOUT) {
		say_error("doctor: %s", strerror(-rc));
		return EXIT_TROUBLE;
	}
	doctor_print_stuck(stuck, job->json, stdout);
	return DOCTOR_BLOCKED;
}

static int job_replay(struct job *job)
{
	struct doctor_report *report = NULL;
	struct err err = {0};
	int status = EXIT_TROUBLE;

	if (doctor_report_open(job->from, &err, &report) < 0) {
		say_error("%s", err.msg);
	} else {
		job->checkup.request = *doctor_report_request(report);
		status = job_guarded(job);
	}
	doctor_report_close(report);
	return status;
}

/* After the examination, whose exit status is `status`. */
static int job_probe(struct job *job, int status)
{
	const struct doctor_request *request = &job->checkup.request;
	struct err err = {0};
	int rc;

	if (status == EXIT_TROUBLE)
		return status;
	if (status >= DOCTOR_BLOCKED) {
		printf("\nNot probed: first what is said above.\n");
		return status;
	}
	/* The examination's process took its own: here nothing hangs. */
	if (subjects_take(job) != 0)
		return EXIT_TROUBLE;
	rc = trial_run(job->place, request->addrs, request->addr_count,
		       job->rounds, &err);
	if (rc < 0) {
		say_error("%s", err.msg);
		return EXIT_TROUBLE;
	}
	return rc ? (int)DOCTOR_BLOCKED : status;
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
	OPTION_REPORT = 'r',
	OPTION_FROM = 'f',
	OPTION_SECRETS = 's',
	OPTION_PROBE = 'p',
};

static const struct option options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"list", no_argument, NULL, OPTION_LIST},
    {"report", required_argument, NULL, OPTION_REPORT},
    {"from", required_argument, NULL, OPTION_FROM},
    {"secrets", no_argument, NULL, OPTION_SECRETS},
    {"probe", optional_argument, NULL, OPTION_PROBE},
    {NULL, 0, NULL, 0},
};

static int rounds_take(const struct command *cmd, const char *text,
		       unsigned *ret_rounds)
{
	uint64_t rounds = 1;

	if (text && (parse_u64(text, &rounds) < 0 || rounds == 0 ||
		     rounds > PROBE_ROUNDS_MAX))
		return say_usage(cmd,
				 "doctor: --probe=%s: expected 1 to %u rounds",
				 text, PROBE_ROUNDS_MAX);
	*ret_rounds = (unsigned)rounds;
	return 0;
}

static int options_take(const struct command *cmd, int argc, char **argv,
			struct job *job)
{
	int option;

	optind = 0; /* getopt(3) starts afresh on another vector */
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":jlr:f:s", options, NULL)) !=
	       -1) {
		switch (option) {
		case OPTION_JSON:
			job->json = true;
			break;
		case OPTION_LIST:
			job->list = true;
			break;
		case OPTION_REPORT:
			job->report = optarg;
			break;
		case OPTION_FROM:
			job->from = optarg;
			break;
		case OPTION_SECRETS:
			job->secrets = true;
			break;
		case OPTION_PROBE:
			if (rounds_take(cmd, optarg, &job->rounds) != 0)
				return 1;
			break;
		case ':':
			return say_usage(cmd, "doctor: option %s needs a value",
					 argv[optind - 1]);
		default:
			return say_usage(cmd, "doctor: unknown option %s",
					 argv[optind - 1]);
		}
	}
	return 0;
}

int cmd_doctor(const struct command *cmd, const struct place *place, int argc,
	       char **argv)
{
	const struct command own = {.name = "passthru doctor",
				    .args = cmd->args};
	struct job job = {.place = place};
	int status;

	cmd = &own; /* how usage lines are to name it */

	job.checkup.request.root = place->host_root;
	if (options_take(cmd, argc, argv, &job) != 0)
		return EXIT_TROUBLE;
	if (job.list)
		return list_print();
	if (job.from && argc > optind) {
		say_usage(cmd, "doctor: a report says itself what it is about");
		return EXIT_TROUBLE;
	}
	if (job.rounds && (job.from || job.json || argc == optind)) {
		say_usage(cmd, "doctor: --probe needs devices or a guest, and "
			       "goes with neither --json nor --from");
		return EXIT_TROUBLE;
	}
	if (job.from)
		return job_replay(&job);
	job.subjects = argc - optind;
	job.subject = argv + optind;
	status = job_guarded(&job);
	if (job.rounds)
		status = job_probe(&job, status);
	checkup_free(&job.checkup);
	return status;
}
