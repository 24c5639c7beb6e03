/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm init, create, configure, destroy.
 *
 * Theory of operation
 *
 * A directory is a guest from the moment it holds NAME/NAME.conf, so create
 * writes that file last and removes the directory when anything fails before;
 * destroy takes the guest's run lock first, so that no start comes between.
 */
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cfg.h"
#include "vm/cmd.h"
#include "vm/keys.h"
#include "vm/supervisor.h"
#include "vm/switch.h"
#include "vm/templates.h"
#include "vm/userdir.h"
#include "vm/volume.h"

#define DISK_SIZE_DEFAULT "20G"
#define WALK_FDS	  16

/* Makes a directory with its parents. */
static int dir_make(const char *path, struct err *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)i, path);
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_sys(err, -errno, "%s", part);
	}
	return 0;
}

static int template_write(const struct place *place,
			  const struct guest_template *template,
			  struct err *err)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/.templates/%s.conf", place->dir,
		 template->name);
	if (access(path, F_OK) == 0)
		return 0;
	printf("  * %s\n", path);
	return conf_write_text(AT_FDCWD, path, path, template->text, err);
}

/* What killed supervisors left, before it is in the way. */
static int guests_sweep(const struct place *place, struct err *err)
{
	CLEANUP_WORDS struct words names = {0};
	int rc = place_guests(place, err, &names);

	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP_GUEST struct guest guest = GUEST_NONE;
		struct run_info info;

		if (guest_open(place, names.word[i], NULL, &guest) == 0 &&
		    runlock_probe(&guest, &info) == RUN_STOPPED &&
		    guest_sweep(place, &guest))
			printf("  * %s: removed what its killed supervisor "
			       "had left\n",
			       guest.name);
	}
	return rc;
}

static void init_failed(const char *sentence)
{
	say_error("%s", sentence);
}

int cmd_init(const struct command *cmd, const struct place *place, int argc,
	     char **argv)
{
	const struct warner warner = {warn_say, NULL};
	static const char *const dirs[] = {"", "/.config", "/.templates",
					   "/.iso", "/.img"};
	struct err err = {0};
	char path[PATH_MAX + 64];
	int rc = 0;

	if (option_next(cmd, argc, argv, "+:") != -1)
		return 1;
	if (optind != argc)
		return say_usage(cmd, "init: '%s' is not expected",
				 argv[optind]);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(dirs); i++) {
		snprintf(path, sizeof(path), "%s%s", place->dir, dirs[i]);
		rc = dir_make(path, &err);
	}
	snprintf(path, sizeof(path), "%s/.config/system.conf", place->dir);
	if (rc == 0 && access(path, F_OK) < 0)
		rc = conf_write_text(AT_FDCWD, path, path, "", &err);
	for (size_t i = 0; rc == 0 && i < guest_template_count; i++)
		rc = template_write(place, &guest_templates[i], &err);
	if (rc == 0)
		rc = guests_sweep(place, &err);
	if (rc < 0)
		return say_error("%s", err.msg);
	if (switch_up_all(place, &warner, init_failed) > 0)
		return 1;
	printf("%s is ready\n", place->dir);
	return 0;
}

struct create_options {
	const char *name, *template, *size, *cpu, *memory;
};

/* What the person typed becomes a value of the file: it has to be one. */
static int option_check(const struct create_options *options, struct err *err)
{
	uint64_t number;

	if (options->cpu &&
	    (strspn(options->cpu, "0123456789") != strlen(options->cpu) ||
	     parse_u64(options->cpu, &number) < 0 || number == 0 ||
	     number > PLAN_CPUS_MAX))
		return err_set(err, -EINVAL,
			       "-c %s: expected a number of CPUs, 1 to %u",
			       options->cpu, PLAN_CPUS_MAX);
	if (options->memory &&
	    (parse_size(options->memory, &number) < 0 || number == 0))
		return err_set(err, -EINVAL,
			       "-m %s: expected a size such as 512M",
			       options->memory);
	if (options->size &&
	    (parse_size(options->size, &number) < 0 || number == 0))
		return err_set(err, -EINVAL,
			       "-s %s: expected a size such as 20G",
			       options->size);
	if (!guest_name_valid(options->template))
		return err_set(err, -EINVAL, "'%s' is not a template's name",
			       options->template);
	return guest_name_check(options->name, err);
}

static int template_read(const struct place *place, const char *name,
			 struct err *err, char **ret_text)
{
	char path[PATH_MAX + GUEST_NAME_MAX + 32];
	int rc;

	snprintf(path, sizeof(path), "%s/.templates/%s.conf", place->dir, name);
	rc = conf_read_text(AT_FDCWD, path, path, err, ret_text);
	if (rc == -ENOENT)
		return err_set(
		    err, rc,
		    "there is no template %s; 'vm init' makes default.conf, "
		    "linux.conf, uefi.conf, windows.conf and bios.conf",
		    path);
	return rc;
}

/* Replaces *text; the old one is freed. */
static int text_set(char **text, const char *key, const char *value,
		    struct err *err)
{
	char *changed = value ? conf_text_set(*text, key, value)
			      : conf_text_remove(*text, key);

	if (!changed)
		return err_set(err, -ENOMEM, "out of memory");
	free(*text);
	*text = changed;
	return 0;
}

/* 1 where it does not say. */
static uint64_t conf_number(const struct conf *conf, const char *key)
{
	uint64_t number;

	return parse_u64(conf_get_or(conf, key, "1"), &number) < 0 ? 1 : number;
}

/*
 * Another number of CPUs than the template's: where that says how many cores
 * they are, more or fewer in each socket. Systems take so many sockets.
 */
static int cpus_prepare(char **text, const struct conf *conf, const char *cpu,
			struct err *err)
{
	uint64_t cpus, others = conf_number(conf, "cpu_sockets") *
				conf_number(conf, "cpu_threads");
	char cores[24];
	int rc = parse_u64(cpu, &cpus);

	if (rc == 0)
		rc = text_set(text, "cpu", cpu, err);
	if (rc < 0 || (!conf_get_or(conf, "cpu_cores", NULL) &&
		       !conf_get_or(conf, "cpu_sockets", NULL) &&
		       !conf_get_or(conf, "cpu_threads", NULL)))
		return rc;
	if (others == 0 || cpus % others)
		return err_set(err, -EINVAL,
			       "-c %s: %s has %llu sockets times threads, of "
			       "which it is no multiple",
			       cpu, conf->path, (unsigned long long)others);
	snprintf(cores, sizeof(cores), "%llu",
		 (unsigned long long)(cpus / others));
	return text_set(text, "cpu_cores", cores, err);
}

/* The new guest's file from the template's text. */
static int text_prepare(char **text, const struct conf *conf,
			const struct create_options *options, struct err *err)
{
	char value[40], key[32];
	int rc;

	uuid_generate(value);
	rc = text_set(text, "uuid", value, err);
	if (rc == 0 && options->cpu)
		rc = cpus_prepare(text, conf, options->cpu, err);
	if (rc == 0 && options->memory)
		rc = text_set(text, "memory", options->memory, err);
	if (rc == 0 && conf_get_or(conf, "network0_type", NULL)) {
		mac_generate(value);
		rc = text_set(text, "network0_mac", value, err);
	}
	for (unsigned n = 0; rc == 0 && conf_member(conf, "disk%u_type", n);
	     n++) {
		snprintf(key, sizeof(key), "disk%u_size", n);
		rc = text_set(text, key, NULL, err);
	}
	return rc;
}

static int disk_create(const struct volume_site *site, unsigned n,
		       const char *size_option, struct err *err)
{
	const char *size = conf_get(site->conf, "disk%u_size", n);
	char note[VOLUME_NOTE_MAX];
	uint64_t bytes;
	int rc;

	if (size_option && n == 0)
		size = size_option;
	if (parse_size(size ? size : DISK_SIZE_DEFAULT, &bytes) < 0)
		return err_set(
		    err, -EINVAL,
		    "%s: disk%u_size=\"%s\": expected a size such as 20G",
		    site->conf->path, n, size);
	rc = volume_create(site, n, bytes, err, note);
	if (rc == 0 && note[0])
		printf("  * %s\n", note);
	return rc;
}

/* The directory exists and is ours; fills it. */
static int guest_fill(const struct volume_site *site, char **text,
		      const struct create_options *options, struct err *err)
{
	const struct guest *guest = site->guest;
	int rc = text_prepare(text, site->conf, options, err);

	for (unsigned n = 0;
	     rc == 0 && conf_member(site->conf, "disk%u_type", n); n++)
		rc = disk_create(site, n, options->size, err);
	/* The file last: from here on the directory is a guest. */
	if (rc == 0)
		rc = conf_write_text(guest->dirfd, guest->conf_name,
				     guest->conf_path, *text, err);
	return rc;
}

static int entry_remove(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st, (void)ftw;
	return (type == FTW_DP ? rmdir(path) : unlink(path)) < 0 ? -1 : 0;
}

/* Never follows links nor leaves the file system. */
static int tree_remove(const char *dir, struct err *err)
{
	if (nftw(dir, entry_remove, WALK_FDS,
		 FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
		return err_sys(err, -errno, "%s", dir);
	return 0;
}

/* Closes the guest's directory: a data set in use stays. */
static int guest_remove_dir(const struct volume_site *site, struct guest *guest,
			    struct err *err)
{
	bool done = false;
	int rc = guest->dirfd < 0 ? 0 : userdir_remove(guest, err);

	if (rc < 0)
		return rc;
	guest_close(guest);
	rc = volume_remove_dir(site, err, &done);
	return rc < 0 || done ? rc : tree_remove(guest->dir, err);
}

static int guest_mkdir(const struct volume_site *site, struct err *err)
{
	const struct guest *guest = site->guest;
	int rc = volume_make_dir(site, err);
	struct stat st;

	if (rc == 0 || (rc != -EEXIST && site->dataset[0]))
		return rc;
	if (rc != -EEXIST)
		return err_cure_root(err_sys(err, rc, "%s", guest->dir), err);
	if (stat(guest->conf_path, &st) == 0)
		return err_set(err, -EEXIST, "%s: a guest of this name exists",
			       guest->dir);
	return err_set(err, -EEXIST,
		       "%s: left by an interrupted create; remove it with "
		       "rm -r %s",
		       guest->dir, guest->dir);
}

static int guest_name_paths(const struct place *place, const char *name,
			    struct guest *guest, struct err *err)
{
	snprintf(guest->name, sizeof(guest->name), "%s", name);
	snprintf(guest->conf_name, sizeof(guest->conf_name), "%s.conf", name);
	if (snprintf(guest->dir, sizeof(guest->dir), "%s/%s", place->dir,
		     name) >= (int)sizeof(guest->dir))
		return err_set(err, -ENAMETOOLONG, "%s: path too long",
			       place->dir);
	snprintf(guest->conf_path, sizeof(guest->conf_path), "%s/%s",
		 guest->dir, guest->conf_name);
	if (access(place->dir, F_OK) < 0)
		return err_sys(err, -errno, "%s: 'vm init' makes it",
			       place->dir);
	return 0;
}

static int guest_create(const struct place *place,
			const struct create_options *options, struct err *err)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	CLEANUP_FREE char *text = NULL;
	CLEANUP_CONF struct conf *conf = NULL;
	struct volume_site site = {.place = place, .guest = &guest};
	int rc = guest_name_paths(place, options->name, &guest, err);

	if (rc == 0)
		rc = template_read(place, options->template, err, &text);
	if (rc == 0)
		rc = conf_parse(text, strlen(text), options->template, NULL,
				err, &conf);
	if (rc < 0)
		return rc;
	site.conf = conf;
	if (place->dataset[0] || volumes_want_zfs(conf))
		place_dataset(place, site.dataset);
	rc = guest_mkdir(&site, err);
	if (rc < 0)
		return rc;
	/* Not through a link that somebody put in its place. */
	guest.dirfd =
	    open(guest.dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (guest.dirfd < 0)
		rc = err_sys(err, -errno, "%s", guest.dir);
	else
		rc = guest_fill(&site, &text, options, err);
	if (rc < 0) {
		(void)!volumes_remove(&site, NULL);
		(void)!guest_remove_dir(&site, &guest, NULL);
	}
	return rc;
}

int cmd_create(const struct command *cmd, const struct place *place, int argc,
	       char **argv)
{
	struct create_options options = {.template = "default"};
	struct err err = {0};
	int option;

	while ((option = option_next(cmd, argc, argv,
				     "+:t:s:c:m:d:i:Ck:u:n:")) != -1) {
		switch (option) {
		case 't':
			options.template = optarg;
			break;
		case 's':
			options.size = optarg;
			break;
		case 'c':
			options.cpu = optarg;
			break;
		case 'm':
			options.memory = optarg;
			break;
		case 'd':
			if (strcmp(optarg, "default") == 0)
				break;
			return say_error("create: data stores are not in this "
					 "version");
		case '?':
			return 1;
		default:
			return say_error("create: -%c is not in this version",
					 option);
		}
	}
	if (optind + 1 != argc)
		return say_usage(cmd, "create: expected the name of one guest");
	options.name = argv[optind];
	if (option_check(&options, &err) < 0 ||
	    guest_create(place, &options, &err) < 0)
		return say_error("%s", err.msg);
	return 0;
}

static int editor_run(const struct guest *guest)
{
	const char *editor = getenv("EDITOR");
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		/* EDITOR may hold options, so a shell takes it apart. */
		setenv("VM_EDITED", guest->conf_path, 1);
		execl("/bin/sh", "sh", "-c",
		      "exec ${EDITOR:-vi} \"$VM_EDITED\"", (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (pid < 0 || status != 0)
		return say_error("%s: the editor failed",
				 editor && *editor ? editor : "vi");
	return 0;
}

int cmd_configure(const struct command *cmd, const struct place *place,
		  int argc, char **argv)
{
	const struct warner warner = {warn_say, NULL};
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	CLEANUP_CONF struct conf *conf = NULL;
	struct err err = {0};

	if (option_next(cmd, argc, argv, "+:") != -1)
		return 1;
	if (optind + 1 != argc)
		return say_usage(cmd, "%s: expected the name of one guest",
				 cmd->name);
	if (guest_open(place, argv[optind], &err, &guest) < 0 ||
	    guest_check_owner(place, &guest, &err) < 0)
		return say_error("%s", err.msg);
	if (editor_run(&guest) != 0)
		return 1;
	/* Mistakes are told while the person still has the file in mind. */
	if (guest_conf(&guest, &warner, &err, &conf) < 0)
		return say_error("%s", err.msg);
	keys_check(conf, &warner);
	if (plan_check(place, &guest, conf, &err) < 0)
		say_warning("%s", err.msg);
	return 0;
}

/*
 * Under the run lock, so that no start comes in between. With ZFS the lock is
 * let go for the last step: a data set with an open file would stay, as it
 * does when a start comes just then.
 */
static int guest_destroy(const struct place *place, const char *name,
			 struct err *err)
{
	struct supervisor sup = {.guest = GUEST_NONE, .log = LOGFILE_NONE};
	struct volume_site site = {.place = place, .guest = &sup.guest};
	CLEANUP_CONF struct conf *conf = NULL;
	struct runlock lock = RUNLOCK_NONE;
	struct run_info left;
	int rc = guest_open(place, name, err, &sup.guest);

	if (rc == 0)
		rc = guest_check_owner(place, &sup.guest, err);
	if (rc == 0)
		rc = runlock_take(&sup.guest, err, &lock, &left);
	if (rc == -EALREADY)
		err_prefix(err, "not removed");
	if (rc == 0) {
		supervisor_remove_left(&sup, place, &left);
		if (guest_conf(&sup.guest, NULL, NULL, &conf) == 0) {
			site.conf = conf;
			rc = volumes_remove(&site, err);
		}
		if (rc < 0)
			runlock_drop(&lock);
	}
	if (rc == 0) {
		place_dataset(place, site.dataset);
		if (site.dataset[0])
			runlock_close(&lock);
		rc = guest_remove_dir(&site, &sup.guest, err);
		runlock_close(&lock);
	}
	guest_close(&sup.guest);
	return rc;
}

int cmd_destroy(const struct command *cmd, const struct place *place, int argc,
		char **argv)
{
	CLEANUP_GUEST struct guest guest = GUEST_NONE;
	struct err err = {0};
	bool force = false;
	int option;

	while ((option = option_next(cmd, argc, argv, "+:f")) != -1) {
		if (option != 'f')
			return 1;
		force = true;
	}
	if (optind + 1 != argc)
		return say_usage(cmd,
				 "destroy: expected the name of one guest");
	if (strchr(argv[optind], '@'))
		return say_error("destroy: snapshots are not in this version");
	if (guest_open(place, argv[optind], &err, &guest) < 0 ||
	    guest_check_owner(place, &guest, &err) < 0)
		return say_error("%s", err.msg);
	if (!force && !confirm("Remove %s with all its disks", guest.dir))
		return 1;
	/* A data set can be destroyed when nothing in it is open. */
	guest_close(&guest);
	if (guest_destroy(place, argv[optind], &err) < 0)
		return say_error("%s", err.msg);
	printf("%s: removed\n", argv[optind]);
	return 0;
}
