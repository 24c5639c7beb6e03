/* SPDX-License-Identifier: BSD-2-Clause */
/* Setting up and taking down a supervisor; the contract is supervisor.h. */
#include "vm/supervisor.h"

#include <fcntl.h>
#include <string.h>

#include "base/cfg.h"
#include "vm/claims.h"
#include "vm/keys.h"

/* Also the longest pinning of a very large guest's memory. */
#define START_TIMEOUT_S	    600u
#define START_TIMEOUT_MAX_S 86400u

void supervisor_report(struct supervisor *sup, const char *kind,
		       const char *fmt, ...)
{
	char line[2048];
	va_list ap;
	size_t len;

	if (sup->report_fd < 0)
		return;
	len = (size_t)snprintf(line, sizeof(line), "%s ", kind);
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len++] = '\n';
	/* Nobody may be listening any more; the guest runs all the same. */
	(void)!write(sup->report_fd, line, len);
	if (strcmp(kind, "warning") != 0) {
		close(sup->report_fd);
		sup->report_fd = -1;
	}
}

static void warn_event(void *ctx, const char *text)
{
	struct supervisor *sup = ctx;

	logfile_event(&sup->log, "warning; %s", text);
	supervisor_report(sup, "warning", "%s", text);
}

int supervisor_open(struct supervisor *sup, const char *name, int report_fd,
		    struct err *err)
{
	struct run_info left;
	int rc;

	*sup = (struct supervisor){
	    .guest = GUEST_NONE,
	    .lock = RUNLOCK_NONE,
	    .report_fd = report_fd,
	    .log = LOGFILE_NONE,
	    .output = LOGFILE_NONE,
	    .signal_fd = -1,
	    .exit_status = RUN_EXIT_CONFIG,
	};
	child_init(&sup->child, NULL);
	rc = place_open(&sup->place, err);
	if (rc == 0)
		rc = guest_open(&sup->place, name, err, &sup->guest);
	if (rc == 0)
		rc = guest_check_owner(&sup->place, &sup->guest, err);
	if (rc == 0)
		rc = runlock_take(&sup->guest, err, &sup->lock, &left);
	if (rc < 0)
		return rc;
	rc = supervisor_block_signals();
	if (rc < 0)
		return err_sys(err, rc, "signals");
	rc = logfile_open(&sup->log, sup->guest.dirfd, "vm-bhyve.log", 0644,
			  true, err);
	if (rc == 0)
		rc = logfile_open(&sup->output, sup->guest.dirfd, "bhyve.log",
				  0600, false, err);
	if (rc < 0)
		return rc;
	logfile_event(&sup->log, "initialising");
	supervisor_remove_left(sup, &left);
	sup->lock.info.taps[0] = '\0';
	return 0;
}

/* The file's settings that people look for first. */
static void log_header(struct supervisor *sup)
{
	static const struct {
		const char *label, *key, *fallback;
	} fields[] = {
	    {"loader", "loader", "none"},
	    {"cpu", "cpu", "none"},
	    {"memory", "memory", "none"},
	    {"hostbridge", "hostbridge", "standard"},
	    {"com ports", "comports", "com1"},
	    {"uuid", "uuid", "none"},
	    {"debug mode", "debug", "no"},
	    {"primary disk", "disk0_name", "none"},
	    {"primary disk dev", "disk0_dev", "file"},
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		logfile_event(
		    &sup->log, " [%s: %s]", fields[i].label,
		    conf_get_or(sup->conf, fields[i].key, fields[i].fallback));
}

static bool policy_restarts(const struct conf *conf, const char *key,
			    const char *fallback)
{
	return strcmp(conf_get_or(conf, key, fallback), "restart") == 0;
}

/* DECIDE_FAST_MS unless a test asks for something else. */
static unsigned fast_ms(void)
{
	const char *text = getenv("VM_FAST_RUN_MS");
	uint64_t ms;

	return text && parse_u64(text, &ms) == 0 && ms <= DECIDE_FAST_MS
		   ? (unsigned)ms
		   : DECIDE_FAST_MS;
}

static int start_timeout(struct supervisor *sup, struct err *err)
{
	const struct conf *conf = sup->place.conf;
	const char *text = conf_get_or(conf, "vm_start_timeout", NULL);
	uint64_t timeout = START_TIMEOUT_S;

	if (text && (parse_u64(text, &timeout) < 0 || timeout == 0 ||
		     timeout > START_TIMEOUT_MAX_S))
		return err_set(err, -EINVAL,
			       "%s:%u: vm_start_timeout=\"%s\": expected 1 to "
			       "%u seconds",
			       conf->path, conf_line(conf, "vm_start_timeout"),
			       text, START_TIMEOUT_MAX_S);
	sup->start_timeout_ns = timeout * NS_PER_S;
	return 0;
}

static int conf_prepare(struct supervisor *sup, struct err *err)
{
	const struct warner warner = {warn_event, sup};
	int rc;

	rc = guest_conf(&sup->guest, &warner, err, &sup->conf);
	if (rc < 0)
		return rc;
	keys_check(sup->conf, &warner);
	rc = plan_check(&sup->guest, sup->conf, err);
	if (rc == 0)
		rc = supervisor_make_identity(sup, err);
	if (rc < 0)
		return rc;
	log_header(sup);
	sup->policy.restart_on_reboot =
	    policy_restarts(sup->conf, "on_restart", "restart");
	sup->policy.restart_on_fault =
	    policy_restarts(sup->conf, "on_fault", "shutdown");
	sup->fast_ms = fast_ms();
	return start_timeout(sup, err);
}

/* The file `console`: where each port can be reached. */
static int console_file_write(struct supervisor *sup, struct err *err)
{
	unsigned first = plan_first_com(sup->conf);
	CLEANUP_CLOSE int fd =
	    openat(sup->guest.dirfd, "console",
		   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_sys(err, -errno, "%s/console", sup->guest.dir);
	/* The first line is what `vm console` takes by default. */
	for (unsigned i = 0; i < PLAN_COMS; i++) {
		unsigned com = (first + i) % PLAN_COMS;

		if (sup->console[com] &&
		    dprintf(fd, "com%u=%s/com%u.sock\n", com + 1,
			    sup->guest.dir, com + 1) < 0)
			return err_sys(err, -errno, "%s/console",
				       sup->guest.dir);
	}
	return 0;
}

static int consoles_prepare(struct supervisor *sup, struct err *err)
{
	for (unsigned i = 0; i < PLAN_COMS; i++) {
		char port[8];
		int rc;

		if (!plan_has_com(sup->conf, i))
			continue;
		snprintf(port, sizeof(port), "com%u", i + 1);
		rc = console_create(sup->loop, sup->guest.dirfd, port, err,
				    &sup->console[i]);
		if (rc < 0)
			return rc;
	}
	return console_file_write(sup, err);
}

/* The control socket's path; byway runs in the guest's directory, so the
 * short form serves where the long one does not fit a socket address. */
static void control_add(struct supervisor *sup, struct words *argv)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/control.sock", sup->guest.dir);
	words_add(argv, "-o");
	if (strlen(path) < 100 && !strchr(path, '%'))
		words_add(argv, "control=%s", path);
	else
		words_add(argv, "control=control.sock");
}

static int argv_prepare(struct supervisor *sup, struct err *err)
{
	struct plan_input input = {
	    .guest = &sup->guest,
	    .conf = sup->conf,
	    .nics = &sup->nics,
	};
	char byway[PATH_MAX];
	int rc = place_byway(byway, sizeof(byway), err);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < PLAN_COMS; i++)
		input.com[i] =
		    sup->console[i] ? console_tty(sup->console[i]) : NULL;
	rc = plan_make(&input, err, &sup->plan);
	if (rc < 0)
		return rc;
	words_add(&sup->argv, "%s", byway);
	words_append(&sup->argv, &sup->plan.devices);
	words_append(&sup->argv, &sup->plan.options);
	words_append(&sup->argv, &sup->plan.console);
	words_add(&sup->argv, "-o");
	words_add(&sup->argv, "status.fd=%d", CHILD_STATUS_FD);
	control_add(sup, &sup->argv);
	words_add(&sup->argv, "%s", sup->guest.name);
	return words_check(&sup->argv, err);
}

int supervisor_prepare(struct supervisor *sup, struct err *err)
{
	int rc = evloop_create(&sup->loop);

	if (rc < 0)
		return err_sys(err, rc, "event loop");
	child_init(&sup->child, sup->loop);
	rc = conf_prepare(sup, err);
	if (rc == 0)
		rc = claims_take(&sup->place, &sup->guest, sup->conf,
				 &sup->lock, err);
	if (rc == 0)
		rc = supervisor_make_nics(sup, err);
	if (rc == 0)
		rc = consoles_prepare(sup, err);
	if (rc == 0)
		rc = argv_prepare(sup, err);
	if (rc == 0)
		rc = runlock_write(&sup->lock, err);
	if (rc == 0)
		logfile_event(&sup->log, "booting");
	return rc;
}

void supervisor_close(struct supervisor *sup)
{
	bool held = sup->lock.fd >= 0;

	ev_fd_destroy(sup->signal_event);
	ev_timer_destroy(sup->deadline);
	child_destroy(&sup->child);
	for (unsigned i = 0; i < PLAN_COMS; i++)
		console_destroy(sup->console[i]);
	if (held) {
		supervisor_remove_nics(sup);
		guest_remove_traces(&sup->guest);
		logfile_event(&sup->log, "stopped");
	}
	evloop_destroy(sup->loop);
	if (sup->signal_fd >= 0)
		close(sup->signal_fd);
	words_free(&sup->nics);
	words_free(&sup->taps);
	words_free(&sup->argv);
	plan_free(&sup->plan);
	conf_free(sup->conf);
	logfile_close(&sup->log);
	logfile_close(&sup->output);
	runlock_drop(&sup->lock);
	guest_close(&sup->guest);
	place_close(&sup->place);
	if (sup->report_fd >= 0)
		close(sup->report_fd);
}
