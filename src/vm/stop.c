/* SPDX-License-Identifier: BSD-2-Clause */
/* vm stop, restart, reset, poweroff. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "base/cfg.h"
#include "base/clock.h"
#include "vm/cmd.h"
#include "vm/control.h"
#include "vm/helpers.h"
#include "vm/runlock.h"
#include "vm/supervisor.h"

#define STOP_TIMEOUT_S 90u
#define AGAIN_MS       1000u
#define SETTLE_MS      10000u

static uint64_t now_ms(void)
{
	return clock_host()->mono_ns(clock_host()) / NS_PER_MS;
}

/* A guest that runs, or the sentence why it cannot be acted on. */
static int running_open(const struct place *place, const char *name,
			struct guest *guest, struct run_info *info)
{
	struct err err = {0};

	if (guest_open(place, name, &err, guest) < 0)
		return say_error("%s", err.msg);
	switch (runlock_probe(guest, info)) {
	case RUN_RUNNING:
	case RUN_STARTING:
		return 0;
	case RUN_STOPPED:
		return say_error("%s: not running%s", name,
				 guest_sweep(place, guest)
				     ? "; what its killed supervisor had left "
				       "is removed"
				     : "");
	case RUN_LOCKED:
		return say_error("%s: locked by host %s", name,
				 info->host[0] ? info->host : "(unknown)");
	case RUN_UNKNOWN:
		break;
	}
	return say_error("%s: %s/run.lock may not be read; run as root", name,
			 guest->dir);
}

/* The supervisor passes it on and knows that the guest is to stay down; an
 * orphaned byway is told itself. */
static int button_press(const struct run_info *info)
{
	int rc = proc_signal(info->supervisor, SIGTERM);

	return rc == -ESRCH ? proc_signal(info->byway, SIGTERM) : rc;
}

static int stop_first(const struct place *place, const char *name,
		      struct guest *guest, struct run_info *info)
{
	int rc;

	if (running_open(place, name, guest, info) != 0)
		return 1;
	rc = button_press(info);
	if (rc < 0)
		return say_error("%s: pid %d: %s%s", name,
				 (int)info->supervisor.pid, strerror(-rc),
				 rc == -EPERM ? "; run as root" : "");
	if (info->byway.pid)
		printf("Stopping %s: power button pressed (pid %d)\n", name,
		       (int)info->byway.pid);
	else
		printf("Stopping %s: before its next run\n", name);
	fflush(stdout);
	return 0;
}

/*
 * A guest that has only just come up may have missed the first press: one that
 * is there a second after it gets another.
 */
static void stop_again(const struct guest *guest, const struct run_info *first,
		       uint64_t began)
{
	uint64_t end = began + AGAIN_MS, now = now_ms();
	struct run_info info;

	if (proc_wait_gone(first->byway,
			   now < end ? (unsigned)(end - now) : 0) == 0)
		return;
	if (runlock_probe(guest, &info) != RUN_STOPPED &&
	    info.byway.pid == first->byway.pid &&
	    info.byway.start == first->byway.start)
		(void)!button_press(&info);
}

static int stop_wait(const struct guest *guest, const struct run_info *info,
		     uint64_t began, unsigned timeout_s)
{
	const struct proc_id *last =
	    proc_alive(info->supervisor) ? &info->supervisor : &info->byway;
	uint64_t end = began + timeout_s * 1000ull, now = now_ms();

	if (proc_wait_gone(*last, now < end ? (unsigned)(end - now) : 0) < 0)
		return say_error(
		    "%s: still running after %u s; 'vm poweroff %s' switches "
		    "it off",
		    guest->name, timeout_s, guest->name);
	printf("%s: down after %llu s\n", guest->name,
	       (unsigned long long)((now_ms() - began + 500) / 1000));
	fflush(stdout);
	return 0;
}

/* `names` are up to `count` guests; returns the number of failures. */
static unsigned stop_guests(const struct place *place, char **names,
			    unsigned count, unsigned wait_s)
{
	struct guest *guests = calloc(count, sizeof(*guests));
	struct run_info *infos = calloc(count, sizeof(*infos));
	uint64_t began = now_ms();
	unsigned failures = 0;

	for (unsigned i = 0; guests && i < count; i++)
		guests[i].dirfd = -1;
	for (unsigned i = 0; guests && infos && i < count; i++) {
		if (stop_first(place, names[i], &guests[i], &infos[i]) == 0)
			continue;
		guest_close(&guests[i]);
		failures++;
	}
	if (!guests || !infos)
		failures = (unsigned)say_error("out of memory");
	for (unsigned i = 0; guests && infos && i < count; i++)
		if (guests[i].dirfd >= 0)
			stop_again(&guests[i], &infos[i], began);
	for (unsigned i = 0; guests && infos && i < count; i++) {
		if (guests[i].dirfd < 0)
			continue;
		if (wait_s)
			failures += (unsigned)stop_wait(&guests[i], &infos[i],
							began, wait_s);
		guest_close(&guests[i]);
	}
	free(guests);
	free(infos);
	return failures;
}

/* vm_stop_timeout= of vm-bhyve.conf. */
static unsigned stop_timeout(const struct place *place)
{
	uint64_t seconds;
	const char *text = conf_get_or(place->conf, "vm_stop_timeout", NULL);

	if (!text)
		return STOP_TIMEOUT_S;
	if (parse_u64(text, &seconds) == 0 && seconds > 0 && seconds <= 86400)
		return (unsigned)seconds;
	say_warning("%s:%u: vm_stop_timeout=\"%s\": expected 1 to 86400 "
		    "seconds, taken as %u",
		    place->conf->path,
		    conf_line(place->conf, "vm_stop_timeout"), text,
		    STOP_TIMEOUT_S);
	return STOP_TIMEOUT_S;
}

/* An earlier `vm restart` that the guest did not follow. */
static void restart_forget(const struct place *place, const char *name)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;

	if (guest_open(place, name, NULL, &guest) == 0)
		unlinkat(guest.dirfd, "restart", 0);
}

int cmd_stop(const struct command *cmd, const struct place *place, int argc,
	     char **argv)
{
	unsigned wait_s = 0;
	uint64_t seconds;
	int option;

	while ((option = option_next(cmd, argc, argv, "+:w")) != -1) {
		if (option != 'w')
			return 1;
		wait_s = stop_timeout(place);
	}
	/* -w takes a number only when a name follows it. */
	if (wait_s && optind + 1 < argc &&
	    strspn(argv[optind], "0123456789") == strlen(argv[optind])) {
		if (parse_u64(argv[optind], &seconds) < 0 || seconds == 0 ||
		    seconds > 86400)
			return say_usage(cmd,
					 "stop: -w expects 1 to 86400 seconds");
		wait_s = (unsigned)seconds;
		optind++;
	}
	if (optind == argc)
		return say_usage(cmd, "stop: the name of a guest is missing");
	for (int i = optind; i < argc; i++)
		restart_forget(place, argv[i]);
	return stop_guests(place, argv + optind, (unsigned)(argc - optind),
			   wait_s)
		   ? 1
		   : 0;
}

int cmd_restart(const struct command *cmd, const struct place *place, int argc,
		char **argv)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	struct run_info info;
	int fd;

	if (option_next(cmd, argc, argv, "+:") != -1)
		return 1;
	if (optind + 1 != argc)
		return say_usage(cmd,
				 "restart: expected the name of one guest");
	if (running_open(place, argv[optind], &guest, &info) != 0)
		return 1;
	fd = openat(guest.dirfd, "restart",
		    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return say_error("%s/restart: %s%s", guest.dir, strerror(errno),
				 errno == EACCES ? "; run as root" : "");
	close(fd);
	return stop_guests(place, argv + optind, 1, 0) ? 1 : 0;
}

/* Options and name of reset and poweroff; NULL once an error was said. */
static const char *force_parse(const struct command *cmd, int argc, char **argv,
			       bool *ret_force)
{
	int option;

	*ret_force = false;
	while ((option = option_next(cmd, argc, argv, "+:f")) != -1) {
		if (option != 'f')
			return NULL;
		*ret_force = true;
	}
	if (optind + 1 == argc)
		return argv[optind];
	say_usage(cmd, "%s: expected the name of one guest", cmd->name);
	return NULL;
}

int cmd_reset(const struct command *cmd, const struct place *place, int argc,
	      char **argv)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	struct run_info info;
	struct err err = {0};
	bool force;
	const char *name = force_parse(cmd, argc, argv, &force);

	if (!name || running_open(place, name, &guest, &info) != 0)
		return 1;
	if (!force && !confirm("Reset %s without shutting it down", name))
		return 1;
	if (control_send(&guest, CONTROL_RESET, &err) < 0)
		return say_error("%s", err.msg);
	printf("%s: reset\n", name);
	return 0;
}

/* A byway that does not answer, or answers and stays, is ended from outside;
 * its supervisor knows that the guest is to stay down. */
static int power_cut(const struct guest *guest, const struct run_info *info,
		     const char *why)
{
	int rc;

	say_warning("%s; ending it", why);
	(void)!button_press(info);
	rc = proc_signal(info->byway, SIGKILL);
	if (rc < 0 && rc != -ESRCH)
		return say_error("%s: pid %d: %s", guest->name,
				 (int)info->byway.pid, strerror(-rc));
	return 0;
}

/* The supervisor clears up; then the guest can be started again. */
static int down_wait(const struct run_info *info)
{
	int rc = proc_wait_gone(info->supervisor, SETTLE_MS);

	return rc < 0 ? rc : proc_wait_gone(info->byway, SETTLE_MS);
}

static int down_make_sure(const struct guest *guest, struct run_info *info)
{
	char why[GUEST_NAME_MAX + 80];
	struct run_info now;

	if (down_wait(info) == 0)
		return 0;
	/* It may be another run's byway by now. */
	if (runlock_probe(guest, &now) != RUN_STOPPED && now.supervisor.pid)
		*info = now;
	if (info->byway.pid) {
		snprintf(why, sizeof(why),
			 "%s: byway (pid %d) was told and is still there after "
			 "%u s",
			 guest->name, (int)info->byway.pid, SETTLE_MS / 1000);
		if (power_cut(guest, info, why) != 0)
			return 1;
	} else {
		printf("%s: off; what it wrote to its disks is on its way\n",
		       guest->name);
		fflush(stdout);
	}
	if (proc_wait_gone(info->supervisor, HELPERS_END_MS) == 0)
		return 0;
	return say_error("%s: its supervisor (pid %d) is still there",
			 guest->name, (int)info->supervisor.pid);
}

int cmd_poweroff(const struct command *cmd, const struct place *place, int argc,
		 char **argv)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	struct run_info info;
	struct err err = {0};
	bool force;
	const char *name = force_parse(cmd, argc, argv, &force);

	if (!name || running_open(place, name, &guest, &info) != 0)
		return 1;
	if (!force && !confirm("Switch %s off without shutting it down", name))
		return 1;
	unlinkat(guest.dirfd, "restart", 0);
	if (control_send(&guest, CONTROL_POWEROFF, &err) < 0 &&
	    power_cut(&guest, &info, err.msg) != 0)
		return 1;
	if (down_make_sure(&guest, &info) != 0)
		return 1;
	printf("%s: switched off\n", name);
	return 0;
}
