/* SPDX-License-Identifier: BSD-2-Clause */
/* Null-modem pairs; the contract is in tty_nmdm.h. */
#include "backend/tty_nmdm.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <termios.h>

#include "base/nmdm.h"

struct tty_nmdm {
	int far_fd;
	char far[64]; /* the terminal's own name */
	char name[NMDM_PATH_MAX];
};

bool tty_nmdm_wanted(const char *path)
{
	char other[NMDM_PATH_MAX];
	struct stat st;

	/* A link that leads nowhere is one that somebody left. */
	return nmdm_other(path, other) && stat(path, &st) < 0 &&
	       errno == ENOENT;
}

/* Negative errno. */
static int pair_open(struct tty_nmdm *nmdm, int *ret_fd)
{
	CLEANUP_CLOSE int fd =
	    posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct termios termios;

	if (fd < 0 || grantpt(fd) || unlockpt(fd) ||
	    ptsname_r(fd, nmdm->far, sizeof(nmdm->far)))
		return -errno;
	nmdm->far_fd = open(nmdm->far, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (nmdm->far_fd < 0 || tcgetattr(nmdm->far_fd, &termios))
		return -errno;
	cfmakeraw(&termios);
	if (tcsetattr(nmdm->far_fd, TCSANOW, &termios))
		return -errno;
	*ret_fd = take_fd(fd);
	return 0;
}

int tty_nmdm_open(const char *path, struct err *err, struct tty_nmdm **ret_nmdm,
		  int *ret_fd)
{
	struct tty_nmdm *nmdm = calloc(1, sizeof(*nmdm));
	CLEANUP_CLOSE int fd = -1;
	int r;

	if (!nmdm)
		return err_set(err, -ENOMEM, "out of memory");
	nmdm->far_fd = -1;
	if (!nmdm_other(path, nmdm->name)) {
		free(nmdm);
		return err_set(err, -EINVAL, "%s: no nmdm name", path);
	}
	r = pair_open(nmdm, &fd);
	if (!r)
		r = nmdm_hold(nmdm->far_fd);
	if (r)
		err_sys(err, r, "%s: no pseudo-terminal", path);
	else
		r = nmdm_link(nmdm->name, nmdm->far, err);
	if (r) {
		tty_nmdm_close(nmdm);
		return r;
	}
	*ret_nmdm = nmdm;
	*ret_fd = take_fd(fd);
	return 0;
}

void tty_nmdm_close(struct tty_nmdm *nmdm)
{
	if (!nmdm)
		return;
	/* Only a link to this terminal: not what another one has there. */
	nmdm_unlink(nmdm->name, nmdm->far);
	if (nmdm->far_fd >= 0)
		close(nmdm->far_fd);
	free(nmdm);
}
