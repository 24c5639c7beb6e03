/* SPDX-License-Identifier: BSD-2-Clause */
/* vm start and install, and the supervisor's own command vm _run. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cfg.h"
#include "vm/cmd.h"
#include "vm/iso.h"
#include "vm/supervisor.h"

#define REPORT_FD	3
#define DELAY_DEFAULT_S 2u

/* What the supervisor told `vm start`. */
struct verdict {
	int running;			  /* pid of byway, 0 not yet */
	char waiting[SCREEN_ADDRESS_MAX]; /* where a viewer is waited for */
	bool failed;
	char reason[LINES_MAX];
};

/* What all starts of one command share. */
struct starter {
	const struct place *place;
	const char *iso; /* of `vm install`, or NULL */
	int signals;	 /* signalfd of SIGINT and SIGTERM */
	bool interrupted;
};

static void note(FILE *out, const char *mark, const char *text)
{
	fflush(stdout);
	fprintf(out, "  %s %s\n", mark, text);
	fflush(out);
}

static void report_line(void *ctx, const char *line)
{
	struct verdict *verdict = ctx;
	const char *text = strchr(line, ' ');

	text = text ? text + 1 : "";
	if (strncmp(line, "warning ", 8) == 0) {
		fflush(stdout);
		fprintf(stderr, "  ! warning: %s\n", text);
	} else if (strncmp(line, "note ", 5) == 0) {
		note(stdout, "*", text);
	} else if (strncmp(line, "running", 7) == 0) {
		verdict->running = atoi(text);
	} else if (strncmp(line, "waiting ", 8) == 0) {
		verdict->running = atoi(text);
		text += strcspn(text, " ");
		snprintf(verdict->waiting, sizeof(verdict->waiting), "%s",
			 text + strspn(text, " "));
	} else if (strncmp(line, "failed ", 7) == 0) {
		verdict->failed = true;
		snprintf(verdict->reason, sizeof(verdict->reason), "%s", text);
	}
}

/* A Ctrl-C or SIGTERM that came: the start is called off. */
static void interrupt_take(struct starter *starter)
{
	struct signalfd_siginfo info;

	if (read(starter->signals, &info, sizeof(info)) == sizeof(info))
		starter->interrupted = true;
}

/* An interrupt is passed on to the supervisor, which has the last word. */
static void report_read(int fd, struct starter *starter, pid_t pid,
			struct verdict *ret_verdict)
{
	struct verdict verdict = {0};
	struct lines lines = {0};
	char data[1024];

	for (;;) {
		struct pollfd pfd[] = {
		    {.fd = fd, .events = POLLIN},
		    {.fd = starter->signals, .events = POLLIN},
		};
		ssize_t n;

		if (poll(pfd, ARRAY_LEN(pfd), -1) < 0 && errno != EINTR)
			break;
		if (pfd[1].revents & POLLIN) {
			interrupt_take(starter);
			kill(pid, SIGTERM); /* not reaped: still its number */
		}
		if (!pfd[0].revents)
			continue;
		n = read(fd, data, sizeof(data));
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		if (n > 0)
			lines_feed(&lines, data, (size_t)n, report_line,
				   &verdict);
	}
	lines_end(&lines, report_line, &verdict);
	*ret_verdict = verdict;
}

/* Becomes `vm _run`: own session, nothing of ours but the report pipe. */
NORETURN static void supervisor_exec(const char *name, const char *iso,
				     int report)
{
	int null = open("/dev/null", O_RDWR);
	char number[8];

	snprintf(number, sizeof(number), "%d", REPORT_FD);
	setsid();
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
	    dup2(null, STDOUT_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0 &&
	    (report == REPORT_FD ? fcntl(report, F_SETFD, 0)
				 : dup2(report, REPORT_FD)) >= 0 &&
	    close_range(REPORT_FD + 1, ~0u, 0) == 0)
		execl("/proc/self/exe", "vm", "_run", "-R", number, name, iso,
		      (char *)NULL);
	_exit(127);
}

/* The supervisor is gone or told its last; `failed` lacks a reason when it was
 * killed. Waits for its clean-up, so that nothing is left when we return. */
static void supervisor_reap(pid_t pid, const struct guest *guest,
			    struct verdict *verdict)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (verdict->failed)
		return;
	verdict->failed = true;
	if (WIFSIGNALED(status))
		snprintf(verdict->reason, sizeof(verdict->reason),
			 "the supervisor was killed by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(verdict->reason, sizeof(verdict->reason),
			 "the supervisor ended with status %d; see "
			 "%.600s/vm-bhyve.log",
			 WEXITSTATUS(status), guest->dir);
}

static int guest_start(const struct guest *guest, struct starter *starter,
		       struct err *err, struct verdict *ret_verdict)
{
	struct verdict verdict;
	CLEANUP_CLOSE int in = -1;
	CLEANUP_CLOSE int out = -1;
	int pipefd[2];
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "pipe");
	in = pipefd[0];
	out = pipefd[1];
	pid = fork();
	if (pid < 0)
		return err_sys(err, -errno, "fork");
	if (pid == 0)
		supervisor_exec(guest->name, starter->iso, out);
	close(take_fd(out));
	report_read(in, starter, pid, &verdict);
	if (verdict.running) {
		*ret_verdict = verdict;
		return 0;
	}
	supervisor_reap(pid, guest, &verdict);
	return err_set(err, -EIO, "%s", verdict.reason);
}

static int start_one(struct starter *starter, const char *name)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	struct verdict verdict = {0};
	struct err err = {0};
	char text[GUEST_PATH_MAX + 32];

	printf("Starting %s\n", name);
	if (guest_open(starter->place, name, &err, &guest) < 0) {
		note(stderr, "!", err.msg);
		return 1;
	}
	snprintf(text, sizeof(text), "found guest in %s", guest.dir);
	note(stdout, "*", text);
	note(stdout, "*", "booting...");
	if (guest_start(&guest, starter, &err, &verdict) < 0) {
		note(stderr, "!", err.msg);
		return 1;
	}
	if (verdict.waiting[0])
		snprintf(text, sizeof(text),
			 "waiting for a viewer at %s (pid %d)", verdict.waiting,
			 verdict.running);
	else
		snprintf(text, sizeof(text), "running (pid %d)",
			 verdict.running);
	note(stdout, "*", text);
	return 0;
}

static unsigned start_delay(const struct place *place)
{
	const char *text = conf_get_or(place->conf, "vm_delay", NULL);
	uint64_t seconds = DELAY_DEFAULT_S;

	if (text && (parse_u64(text, &seconds) < 0 || seconds > 3600)) {
		say_warning("%s:%u: vm_delay: expected a number of seconds",
			    place->conf->path,
			    conf_line(place->conf, "vm_delay"));
		seconds = DELAY_DEFAULT_S;
	}
	return (unsigned)seconds;
}

static void start_pause(struct starter *starter)
{
	struct pollfd pfd = {.fd = starter->signals, .events = POLLIN};

	if (!starter->interrupted &&
	    poll(&pfd, 1, (int)start_delay(starter->place) * 1000) > 0)
		interrupt_take(starter);
}

/* Blocked in the supervisor as well, until its loop takes them. */
static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* -f and -i of start and install. */
struct attach {
	bool foreground, interactive;
};

static int start_options(const struct command *cmd, int argc, char **argv,
			 struct attach *attach)
{
	int option;

	while ((option = option_next(cmd, argc, argv, "+:fi")) != -1) {
		if (option == 'f')
			attach->foreground = true;
		else if (option == 'i')
			attach->interactive = true;
		else
			return 1;
	}
	return 0;
}

static int starter_open(struct starter *starter, const struct place *place)
{
	*starter = (struct starter){.place = place, .signals = signals_open()};
	return starter->signals < 0 ? say_error("signals: %s", strerror(errno))
				    : 0;
}

/* The console of what has just been started, as far as it was asked for. */
static int start_attach(const struct place *place, const char *name,
			const struct attach *attach)
{
	if (attach->foreground)
		return console_follow(place, name, true);
	return attach->interactive ? console_follow(place, name, false) : 0;
}

int cmd_start(const struct command *cmd, const struct place *place, int argc,
	      char **argv)
{
	struct attach attach = {0};
	struct starter starter;
	unsigned failures = 0;

	if (start_options(cmd, argc, argv, &attach) != 0)
		return 1;
	if (optind == argc)
		return say_usage(cmd, "start: the name of a guest is missing");
	if (starter_open(&starter, place) != 0)
		return 1;
	for (int i = optind; i < argc; i++) {
		if (i > optind)
			start_pause(&starter);
		if (starter.interrupted)
			failures +=
			    (unsigned)say_error("%s: not started", argv[i]);
		else
			failures += (unsigned)start_one(&starter, argv[i]);
	}
	close(starter.signals);
	/* As in vm-bhyve, with one guest only. */
	if (failures == 0 && argc - optind == 1)
		return start_attach(place, argv[optind], &attach);
	return (int)MIN(failures, 100u);
}

int cmd_install(const struct command *cmd, const struct place *place, int argc,
		char **argv)
{
	struct attach attach = {0};
	struct starter starter;
	struct err err = {0};
	char iso[PATH_MAX];
	int status;

	if (start_options(cmd, argc, argv, &attach) != 0)
		return 1;
	if (argc - optind != 2)
		return say_usage(cmd, "install: expected the name of a guest "
				      "and an image");
	if (iso_find(place, argv[optind + 1], &err, iso) < 0)
		return say_error("%s", err.msg);
	if (starter_open(&starter, place) != 0)
		return 1;
	starter.iso = iso;
	status = start_one(&starter, argv[optind]);
	close(starter.signals);
	return status ? status : start_attach(place, argv[optind], &attach);
}

/* Exit status of a supervisor that did not get as far as running byway. */
static int run_refused(int rc)
{
	if (rc == -ENOENT)
		return RUN_EXIT_UNKNOWN;
	return rc == -EALREADY ? RUN_EXIT_RUNNING : RUN_EXIT_CONFIG;
}

static int supervise(const char *name, const char *iso, int report_fd)
{
	struct supervisor *sup = calloc(1, sizeof(*sup));
	struct err err = {0};
	int rc, status;

	if (!sup)
		return RUN_EXIT_CONFIG;
	rc = supervisor_open(sup, name, report_fd, &err);
	if (rc < 0) {
		status = run_refused(rc);
	} else {
		snprintf(sup->iso, sizeof(sup->iso), "%s", iso ? iso : "");
		rc = supervisor_prepare(sup, &err);
		/* Keep no directory busy that the caller happened to be in. */
		if (rc == 0 && chdir("/") < 0)
			rc = err_sys(&err, -errno, "/");
		if (rc == 0)
			rc = supervisor_loop(sup, &err);
		status = sup->exit_status;
	}
	if (rc < 0) {
		logfile_event(&sup->log, "fatal; %s", err.msg);
		if (report_fd < 0)
			say_error("%s", err.msg);
		supervisor_checkup(sup, true);
		supervisor_report(sup, "failed", "%s", err.msg);
	}
	supervisor_close(sup);
	free(sup);
	return status;
}

int cmd_run(const struct command *cmd, const struct place *place, int argc,
	    char **argv)
{
	int report_fd = -1, option;
	uint64_t number;

	(void)place;
	while ((option = option_next(cmd, argc, argv, "+:R:")) != -1) {
		if (option != 'R' || parse_u64(optarg, &number) < 0 ||
		    number > 1024)
			return 1;
		report_fd = (int)number;
		if (fcntl(report_fd, F_SETFD, FD_CLOEXEC) < 0)
			return say_error("_run: -R %d: not open", report_fd);
	}
	if (argc - optind != 1 && argc - optind != 2)
		return say_usage(cmd, "_run: expected the name of one guest");
	umask(022);
	return supervise(argv[optind], argv[optind + 1], report_fd);
}
