/* SPDX-License-Identifier: BSD-2-Clause */
/* Trying devices by byway-probe; the contract is trial.h. */
#include "vm/trial.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "proto/probe.h"
#include "vm/claims.h"
#include "vm/lines.h"

/* A step may wait for a device's reset, which the kernel gives a minute. */
#define LINE_TIMEOUT_MS 90000

struct trial {
	unsigned rounds;
	unsigned lines, done; /* steps told, rounds that ended well */
	bool failed, wrong;   /* a step did; a line was none */
	struct probe_line last;
};

/* --- may it be tried ---------------------------------------------------- */

static int device_free(const struct hostpci *host, const struct claims *claims,
		       const struct hostpci_dev *dev, struct err *err)
{
	const struct claim *claim = claims_find(claims, dev->bdf);
	char who[HOSTPCI_WHO_MAX];
	int rc;

	if (claim && claim->running)
		return err_set(err, -EBUSY,
			       "%s: in use by guest '%s' (pid %d): stop it "
			       "before the device is tried",
			       dev->bdf, claim->guest, (int)claim->pid);
	rc = hostpci_usable(host, dev, err);
	if (rc < 0)
		return rc;
	rc = hostpci_group_user(host, dev->iommu_group, who);
	if (rc < 0)
		return err_set(err, rc,
			       "%s: who uses it cannot be seen without root, "
			       "so it is not tried",
			       dev->bdf);
	return who[0] ? err_set(err, -EBUSY, "%s: in use by %s", dev->bdf, who)
		      : 0;
}

static int devices_free(const struct place *place,
			const struct hostpci_addr *addrs, size_t count,
			struct err *err)
{
	CLEANUP_HOSTPCI struct hostpci *host = NULL;
	CLEANUP_CLAIMS struct claims claims = {0};
	CLEANUP_PCINAMES struct pcinames names = {0};
	int rc = hostpci_open(place->host_root, err, &host);

	if (rc == 0)
		rc = pcinames_load(place, host, err, &names);
	if (rc == 0)
		rc = claims_load(place, &names, NULL, err, &claims);
	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct hostpci_dev *dev;

		rc = hostpci_lookup(host, addrs[i], err, &dev);
		if (rc == 0)
			rc = device_free(host, &claims, dev, err);
	}
	return rc;
}

/* --- byway-probe ---------------------------------------------------------- */

/* $BYWAY_PROBE, else beside byway, as installed or as built. */
static int probe_path(const struct place *place, char path[PATH_MAX],
		      struct err *err)
{
	static const char *const places[] = {"byway-probe",
					     "../probe/byway-probe"};
	const char *env = getenv("BYWAY_PROBE");
	char byway[PATH_MAX], *slash;
	int rc;

	if (env) {
		snprintf(path, PATH_MAX, "%s", env);
		return 0;
	}
	if (strcmp(place->host_root, "/") != 0)
		return err_set(err, -EINVAL,
			       "%s: not this host: its devices cannot be tried",
			       place->host_root);
	rc = place_byway(byway, sizeof(byway), err);
	if (rc < 0)
		return rc;
	slash = strrchr(byway, '/');
	if (slash)
		slash[1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (snprintf(path, PATH_MAX, "%s%s", byway, places[i]) <
			PATH_MAX &&
		    access(path, X_OK) == 0)
			return 0;
	return err_set(err, -ENOENT, "%sbyway-probe: not there", byway);
}

static int probe_spawn(const char *path, const char *bdf, unsigned rounds,
		       int *ret_out, pid_t *ret_pid)
{
	char number[16];
	char *const argv[] = {(char *)path, (char *)bdf, number, NULL};
	posix_spawn_file_actions_t files;
	int pipe_fds[2], rc;

	snprintf(number, sizeof(number), "%u", rounds);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	rc = posix_spawn_file_actions_init(&files);
	if (rc == 0) {
		rc = posix_spawn_file_actions_adddup2(&files, pipe_fds[1],
						      STDOUT_FILENO);
		if (rc == 0)
			rc = posix_spawn(ret_pid, path, &files, NULL, argv,
					 environ);
		posix_spawn_file_actions_destroy(&files);
	}
	close(pipe_fds[1]);
	if (rc) {
		close(pipe_fds[0]);
		return -rc;
	}
	*ret_out = pipe_fds[0];
	return 0;
}

/* The first round in full, of later ones only what fails. */
static void line_told(void *ctx, const char *text)
{
	struct trial *trial = ctx;
	struct probe_line line;

	if (probe_parse(text, &line) < 0 || line.round > trial->rounds) {
		trial->wrong = true;
		return;
	}
	trial->last = line;
	trial->lines++;
	trial->failed |= line.outcome == PROBE_FAILED;
	if (line.step == PROBE_CLOSE && line.outcome == PROBE_OK)
		trial->done = line.round;
	if (line.round == 1 || line.outcome == PROBE_FAILED)
		printf("  %-11s %-7s %5u ms  %s\n", probe_step_name(line.step),
		       probe_outcome_name(line.outcome), line.ms, line.text);
	fflush(stdout);
}

/* Until byway-probe has said all; -ETIMEDOUT when it hangs. */
static int probe_hear(int fd, struct trial *trial)
{
	struct lines lines = {0};
	char data[1024];

	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		int ready = poll(&pfd, 1, LINE_TIMEOUT_MS);
		ssize_t n;

		if (ready == 0)
			return -ETIMEDOUT;
		n = ready < 0 ? -1 : read(fd, data, sizeof(data));
		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			lines_feed(&lines, data, (size_t)n, line_told, trial);
	}
	lines_end(&lines, line_told, trial);
	return 0;
}

static void verdict_tell(const struct trial *trial, int rc)
{
	const char *next = "open";

	if (trial->lines > 0 && trial->last.step < PROBE_CLOSE)
		next = probe_step_name(trial->last.step + 1);
	if (rc == -ETIMEDOUT)
		printf("  Verdict: '%s' does not return: the fault is below "
		       "the hypervisor; power the host off and on\n",
		       next);
	else if (trial->failed)
		printf("  Verdict: fails at '%s' in round %u without any "
		       "guest: the fault is below the hypervisor\n",
		       probe_step_name(trial->last.step), trial->last.round);
	else if (trial->done == trial->rounds && !trial->wrong)
		printf("  Verdict: %u round%s, all well: a fault is not below "
		       "the hypervisor\n",
		       trial->rounds, trial->rounds == 1 ? "" : "s");
	else
		printf("  Verdict: none, byway-probe ended early\n");
}

/* 0 well, 1 not. */
static int device_try(const char *path, struct hostpci_addr addr,
		      unsigned rounds, struct err *err)
{
	struct trial trial = {.rounds = rounds};
	CLEANUP_CLOSE int out = -1;
	char bdf[HOSTPCI_BDF_MAX];
	int rc, status = 0;
	pid_t pid;

	hostpci_format_bdf(addr, bdf);
	printf("\nprobe of %s through VFIO, %u round%s:\n", bdf, rounds,
	       rounds == 1 ? "" : "s");
	fflush(stdout);
	rc = probe_spawn(path, bdf, rounds, &out, &pid);
	if (rc < 0)
		return err_sys(err, rc, "%s", path);
	rc = probe_hear(out, &trial);
	if (rc < 0) {
		kill(pid, SIGKILL); /* works once the kernel is back */
		waitpid(pid, NULL, WNOHANG);
	} else {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
	}
	verdict_tell(&trial, rc);
	return rc < 0 || status != 0 || trial.failed || trial.wrong ||
	       trial.done != rounds;
}

int trial_run(const struct place *place, const struct hostpci_addr *addrs,
	      size_t count, unsigned rounds, struct err *err)
{
	CLEANUP_CLOSE int turn = -1;
	char path[PATH_MAX];
	int rc, bad = 0;

	rc = claims_turn(place, err, &turn);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	rc = devices_free(place, addrs, count, err);
	if (rc == 0)
		rc = probe_path(place, path, err);
	for (size_t i = 0; i < count && rc >= 0; i++) {
		rc = device_try(path, addrs[i], rounds, err);
		bad |= rc == 1;
	}
	return rc < 0 ? rc : bad;
}
