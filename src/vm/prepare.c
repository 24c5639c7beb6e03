/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest needs on the host before it runs: supervisor_prepare() of
 * supervisor.h.
 *
 * What can be refused is refused before anything is made; what is made is
 * known to supervisor_close(), which removes it wherever this stops.
 */
#include <fcntl.h>
#include <string.h>

#include "base/cfg.h"
#include "vm/keys.h"
#include "vm/supervisor.h"
#include "vm/userdir.h"

/* Also the longest pinning of a very large guest's memory. */
#define START_TIMEOUT_S	    600u
#define START_TIMEOUT_MAX_S 86400u

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

static void warn_event(void *ctx, const char *text)
{
	supervisor_warn(ctx, "%s", text);
}

static int conf_prepare(struct supervisor *sup, struct err *err)
{
	const struct warner warner = {warn_event, sup};
	int rc;

	rc = guest_conf(&sup->guest, &warner, err, &sup->conf);
	if (rc < 0)
		return rc;
	keys_check(sup->conf, &warner);
	rc = plan_check(&sup->place, &sup->guest, sup->conf, err);
	if (rc == 0)
		rc = runas_parse(&sup->place, sup->conf, err, &sup->user);
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

/* Variables and TPM where whoever byway is can write them. */
static int kept_prepare(struct supervisor *sup, struct err *err)
{
	const struct conf *conf = sup->conf;
	bool moved = false;
	int rc;

	if (sup->user.on && !conf_bool(conf, "tpm", false) &&
	    !(loader_is_uefi(conf) && conf_bool(conf, "uefi_vars", false)))
		return 0;
	rc = userdir_settle(
	    &sup->guest, sup->user.on ? sup->user.uid : geteuid(), err, &moved);
	if (rc == 0 && moved && sup->user.on)
		logfile_event(&sup->log,
			      "what firmware and TPM keep is user %s's now, "
			      "in %s/" USERDIR_NAME,
			      sup->user.name, sup->guest.dir);
	else if (rc == 0 && moved)
		logfile_event(&sup->log,
			      "what firmware and TPM keep is root's again, "
			      "in %s",
			      sup->guest.dir);
	return rc;
}

/* Disks, firmware with its variables, TPM: what is checked is there. */
static int parts_prepare(struct supervisor *sup, struct err *err)
{
	bool made = false;
	int rc =
	    disks_attach(&sup->place, &sup->guest, sup->conf, err, &sup->disks);

	if (rc == 0)
		rc = kept_prepare(sup, err);
	if (rc == 0)
		rc = firmware_find(&sup->place, &sup->guest, sup->conf, err,
				   &sup->firmware);
	if (rc == 0)
		rc =
		    firmware_make_vars(&sup->guest, &sup->firmware, err, &made);
	if (rc < 0)
		return rc;
	if (made)
		logfile_event(&sup->log, "made %s from %s", sup->firmware.vars,
			      sup->firmware.vars_from);
	helpers_init(&sup->helpers, sup->loop, &sup->guest, &sup->user,
		     supervisor_helper_ops(), sup);
	return helpers_plan(&sup->helpers, &sup->place, sup->conf, err);
}

static int screen_prepare(struct supervisor *sup, struct err *err)
{
	struct screen *screen = &sup->screen;
	const char *address = sup->lock.info.vnc;
	bool any;
	int rc = screen_parse(sup->conf, err, screen);

	if (rc < 0 || !screen->on)
		return rc;
	any = screen->port == 0 && !screen->is_unix;
	rc = screen_reserve(&sup->place, &sup->guest, sup->conf, &sup->lock,
			    screen, err);
	if (rc < 0)
		return rc;
	if (any)
		logfile_event(&sup->log,
			      "dynamically allocated port %u for vnc "
			      "connections",
			      screen->port);
	if (!screen->host_given)
		logfile_event(
		    &sup->log,
		    "the screen listens on " SCREEN_HOST " only, not on all "
		    "addresses as with vm-bhyve; graphics_listen=\"0.0.0.0\" "
		    "opens it to the network");
	if (!screen_is_local(screen) &&
	    !conf_get_or(sup->conf, "vnc_password", NULL))
		supervisor_warn(sup,
				"the screen at %s has no password: whoever "
				"reaches this host can use it; set "
				"vnc_password",
				address);
	supervisor_report(sup, "note", "screen at %s (VNC)", address);
	return 0;
}

/* The file `console`: where each port can be reached, and the screen. */
static int console_file_write(struct supervisor *sup, struct err *err)
{
	unsigned coms[PLAN_COMS], count = plan_coms(sup->conf, coms);
	CLEANUP_CLOSE int fd =
	    openat(sup->guest.dirfd, "console",
		   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int rc = fd < 0 ? -1 : 0;

	/* The first line is what `vm console` takes by default. */
	for (unsigned i = 0; rc >= 0 && i < count; i++) {
		const char *outside = console_outside(sup->console[coms[i]]);
		unsigned com = coms[i] + 1;

		if (outside)
			rc = dprintf(fd, "com%u=%s\n", com, outside);
		else
			rc = dprintf(fd, "com%u=%s/com%u.sock\n", com,
				     sup->guest.dir, com);
	}
	if (rc >= 0 && sup->lock.info.vnc[0])
		rc = dprintf(fd, "vnc=%s\n", sup->lock.info.vnc);
	return rc < 0 ? err_sys(err, -errno, "%s/console", sup->guest.dir) : 0;
}

static int consoles_prepare(struct supervisor *sup, struct err *err)
{
	unsigned coms[PLAN_COMS], count = plan_coms(sup->conf, coms);

	for (unsigned i = 0; i < count; i++) {
		struct console **con = &sup->console[coms[i]];
		struct err why = {0};
		char port[8];
		int rc;

		snprintf(port, sizeof(port), "com%u", coms[i] + 1);
		rc =
		    console_create(sup->loop, sup->guest.dirfd, port, err, con);
		if (rc == 0)
			rc = runas_give(&sup->user, console_tty(*con), err);
		if (rc < 0)
			return rc;
		/* The guest does without the names. */
		if (console_publish(*con, sup->place.dev, sup->guest.name,
				    i + 1, &why) < 0)
			logfile_event(&sup->log, "warning; %s; %s is %s",
				      why.msg, port, console_tty(*con));
	}
	return console_file_write(sup, err);
}

/* `name` in the guest's directory; byway runs there, so the short form serves
 * where the long one does not fit a socket address. */
static const char *socket_name(const struct supervisor *sup, const char *name,
			       char path[PATH_MAX + 16])
{
	snprintf(path, PATH_MAX + 16, "%s/%s", sup->guest.dir, name);
	return strlen(path) < 100 && !strpbrk(path, "%,") ? path : name;
}

/* byway's command line in bhyve's order: options, devices, consoles, name. */
static int argv_make(struct supervisor *sup, const char *byway,
		     const struct plan *plan, struct err *err,
		     struct words *argv)
{
	char path[PATH_MAX + 16];

	words_add(argv, "%s", byway);
	words_append(argv, &plan->options);
	words_append(argv, &plan->devices);
	words_append(argv, &plan->iso);
	words_append(argv, &plan->console);
	if (plan->secrets.count > 0) {
		words_add(argv, "-k");
		words_add(argv, "%s/" SUPERVISOR_SECRETS, sup->guest.dir);
	}
	words_add(argv, "-o");
	words_add(argv, "status.fd=%d", CHILD_STATUS_FD);
	if (sup->user.on) {
		runas_argv(&sup->user, argv);
	} else {
		words_add(argv, "-o");
		words_add(argv, "control=%s",
			  socket_name(sup, "control.sock", path));
	}
	words_add(argv, "%s", sup->guest.name);
	return words_check(argv, err);
}

static int secrets_write(struct supervisor *sup, struct err *err)
{
	const struct words *secrets = &sup->run_as[0].plan.secrets;
	CLEANUP_CLOSE int fd = -1;
	int rc = 0;

	if (secrets->count == 0)
		return 0;
	unlinkat(sup->guest.dirfd, SUPERVISOR_SECRETS, 0);
	fd = openat(sup->guest.dirfd, SUPERVISOR_SECRETS,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	for (size_t i = 0; fd >= 0 && rc >= 0 && i < secrets->count; i++)
		rc = dprintf(fd, "%s\n", secrets->word[i]);
	if (fd >= 0 && rc >= 0 && sup->user.on)
		rc = fchown(fd, sup->user.uid, (gid_t)-1);
	return fd < 0 || rc < 0 ? err_sys(err, -errno, "%s/" SUPERVISOR_SECRETS,
					  sup->guest.dir)
				: 0;
}

int supervisor_make_commands(struct supervisor *sup, struct err *err)
{
	char byway[PATH_MAX], tpm[PATH_MAX + 16];
	struct plan_input input = {
	    .guest = &sup->guest,
	    .conf = sup->conf,
	    .disks = &sup->disks,
	    .nics = &sup->nics,
	    .functions = &sup->functions,
	    .firmware = &sup->firmware,
	    .screen = &sup->screen,
	    .iso = sup->iso[0] ? sup->iso : NULL,
	};
	int rc = place_byway(byway, sizeof(byway), err);

	if (conf_bool(sup->conf, "tpm", false))
		input.tpm = socket_name(sup, HELPERS_TPM_SOCKET, tpm);
	for (unsigned i = 0; i < PLAN_COMS; i++)
		input.com[i] =
		    sup->console[i] ? console_tty(sup->console[i]) : NULL;
	for (unsigned i = 0; rc == 0 && i < ARRAY_LEN(sup->run_as); i++) {
		words_free(&sup->run_as[i].argv);
		plan_free(&sup->run_as[i].plan);
		input.later_run = i > 0;
		rc = plan_make(&input, err, &sup->run_as[i].plan);
		if (rc == 0)
			rc = argv_make(sup, byway, &sup->run_as[i].plan, err,
				       &sup->run_as[i].argv);
	}
	return rc < 0 ? rc : secrets_write(sup, err);
}

/* Returns whether it was done in time. */
static bool checkup_tell(struct supervisor *sup, bool failed)
{
	char text[DOCTOR_ANSWER_BYTES];
	int state;

	if (!sup->conf)
		return true;
	/* What we hold for byway is not what keeps the guest from running. */
	if (failed)
		runas_close(&sup->user);
	state =
	    checkup_verdict(&sup->place, &sup->guest, sup->conf, failed, text);
	if (state == DOCTOR_HEALTHY && failed)
		logfile_event(&sup->log, "doctor; %s", text);
	if ((state > DOCTOR_HEALTHY || state == -ETIMEDOUT) &&
	    strcmp(text, sup->verdict) != 0) {
		strcpy(sup->verdict, text);
		logfile_event(&sup->log, "doctor; %s", text);
		supervisor_report(sup, "note", "doctor: %s", text);
	}
	return state != -ETIMEDOUT;
}

void supervisor_checkup(struct supervisor *sup, bool failed)
{
	checkup_tell(sup, failed);
}

/* A device that hangs would take us with it when we take the device. */
static int devices_answer(struct supervisor *sup, struct err *err)
{
	char what[DOCTOR_ANSWER_BYTES];

	if (checkup_tell(sup, false) ||
	    !checkup_hangs(&sup->place, &sup->guest, sup->conf, what))
		return 0;
	return err_set(err, -EIO,
		       "reading %.128s does not return: power the host off and "
		       "on; 'vm passthru doctor' says more",
		       what);
}

int supervisor_prepare(struct supervisor *sup, struct err *err)
{
	int rc = evloop_create(&sup->loop);

	if (rc < 0)
		return err_sys(err, rc, "event loop");
	child_init(&sup->child, sup->loop);
	rc = conf_prepare(sup, err);
	if (rc == 0)
		rc = devices_answer(sup, err);
	if (rc == 0)
		rc = supervisor_take_devices(sup, err);
	if (rc == 0)
		rc = runas_open_groups(&sup->user, &sup->place, &sup->functions,
				       err);
	if (rc == 0)
		rc = screen_prepare(sup, err);
	if (rc == 0)
		rc = parts_prepare(sup, err);
	if (rc == 0)
		rc = supervisor_make_nics(sup, err);
	if (rc == 0)
		rc = consoles_prepare(sup, err);
	if (rc == 0)
		rc = supervisor_make_commands(sup, err);
	if (rc == 0)
		rc = runlock_write(&sup->lock, err);
	if (rc == 0)
		logfile_event(&sup->log, "booting");
	return rc;
}
