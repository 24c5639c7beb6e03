/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings of terminals to put back at the end; contract in tty_term.h. */
#include "backend/tty_term.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <termios.h>

#include "backend/tty.h"

enum term_state {
	TERM_FREE,
	TERM_FILLING, /* the owner writes the entry */
	TERM_SAVED,   /* complete: whoever takes it to FREE restores */
	TERM_RESTORING,
};

struct term {
	atomic_int state;
	int fd; /* our own duplicate */
	bool has_termios;
	struct termios termios;
	dev_t rdev;
	int flags; /* when !has_termios */
};

/* Locking: each entry is owned through its state, changed atomically. */
static struct term terms[TTY_TERMS_MAX];
static atomic_bool stdio_taken;

static int term_claim(int fd, int *ret_term)
{
	unsigned i;

	for (i = 0; i < TTY_TERMS_MAX; i++) {
		int expected = TERM_FREE;

		if (!atomic_compare_exchange_strong(&terms[i].state, &expected,
						    TERM_FILLING))
			continue;
		terms[i].fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (terms[i].fd < 0) {
			int r = -errno;

			atomic_store(&terms[i].state, TERM_FREE);
			return r;
		}
		*ret_term = (int)i;
		return 0;
	}
	return -ENOSPC;
}

static void term_drop(int term)
{
	close(terms[term].fd);
	atomic_store(&terms[term].state, TERM_FREE);
}

static bool term_in_use(dev_t rdev)
{
	unsigned i;

	for (i = 0; i < TTY_TERMS_MAX; i++)
		if (atomic_load(&terms[i].state) == TERM_SAVED &&
		    terms[i].has_termios && terms[i].rdev == rdev)
			return true;
	return false;
}

int tty_term_raw(int fd, const char *where, struct err *err, int *ret_term)
{
	struct termios raw;
	struct stat st;
	int term, r;

	if (fstat(fd, &st) || tcgetattr(fd, &raw))
		return err_sys(err, errno, "cannot read the settings of %s",
			       where);
	if (term_in_use(st.st_rdev))
		return err_set(err, -EBUSY,
			       "%s is already used by another port of this "
			       "guest; give each port a terminal of its own",
			       where);
	r = term_claim(fd, &term);
	if (r)
		return err_sys(err, r, "cannot keep the settings of %s", where);
	terms[term].has_termios = true;
	terms[term].termios = raw;
	terms[term].rdev = st.st_rdev;
	atomic_store(&terms[term].state, TERM_SAVED);
	cfmakeraw(&raw);
	raw.c_cflag |= CLOCAL;
	if (tcsetattr(fd, TCSANOW, &raw)) {
		r = -errno;
		tty_term_release(term);
		return err_sys(err, r, "cannot make %s raw", where);
	}
	*ret_term = term;
	return 0;
}

int tty_term_nonblock(int fd, int *ret_term)
{
	int flags = fcntl(fd, F_GETFL), term, r;

	if (flags < 0)
		return -errno;
	/* As we found it, or set by us for another descriptor of the file. */
	if (flags & O_NONBLOCK)
		return 0;
	r = term_claim(fd, &term);
	if (r)
		return r;
	terms[term].has_termios = false;
	terms[term].flags = flags;
	atomic_store(&terms[term].state, TERM_SAVED);
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK)) {
		r = -errno;
		tty_term_release(term);
		return r;
	}
	*ret_term = term;
	return 0;
}

int tty_term_take_stdio(void)
{
	return atomic_exchange(&stdio_taken, true) ? -EBUSY : 0;
}

void tty_term_give_stdio(void)
{
	atomic_store(&stdio_taken, false);
}

/* Async-signal-safe. False when somebody else restored the entry. */
static bool term_restore(struct term *term)
{
	int expected = TERM_SAVED;
	sigset_t block, old;

	if (!atomic_compare_exchange_strong(&term->state, &expected,
					    TERM_RESTORING))
		return false;
	if (!term->has_termios) {
		(void)fcntl(term->fd, F_SETFL, term->flags);
		return true;
	}
	/* In the background, setting a terminal would stop us: SIGTTOU. */
	sigemptyset(&block);
	sigaddset(&block, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &block, &old);
	(void)tcsetattr(term->fd, TCSANOW, &term->termios);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return true;
}

void tty_term_release(int term)
{
	if (term == TTY_TERM_NONE)
		return;
	/* After tty_restore_all() only the entry is left to free. */
	(void)term_restore(&terms[term]);
	term_drop(term);
}

void tty_restore_all(void)
{
	int saved_errno = errno;
	unsigned i;

	for (i = 0; i < TTY_TERMS_MAX; i++)
		(void)term_restore(&terms[i]);
	errno = saved_errno;
}
