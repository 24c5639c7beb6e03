/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the commands `vm passthru ...` share.
 *
 * passthru.c: the lists and the table of commands; passthru_bind.c: reserve and
 * release; passthru_name.c: names, pools, histories, quarantine;
 * passthru_hotplug.c: attach and detach; passthru_resize.c, passthru_sriov.c,
 * passthru_json.c, passthru_svg.c: as they say.
 * Locking: none, one thread.
 */
#ifndef VM_PASSTHRU_H
#define VM_PASSTHRU_H

#include "vm/claims.h"
#include "vm/cmd.h"

/* The host with names and users of its devices. */
struct pciview {
	const struct place *place;
	struct hostpci *host;
	struct pcinames names;
	struct claims claims;
};

/* Returns 0, or 1 having said why; warns of names and claims that cannot be
 * read, which are left out. */
int pciview_open(const struct place *place, struct pciview *view);
/*
 * The same for a change: no start and no other change looks at devices until
 * *ret_turn is closed. Where there is no place there are none.
 */
int pciview_open_turn(const struct place *place, int *ret_turn,
		      struct pciview *view);
/* And finds what `text` means. */
int pciview_open_device(const struct place *place, const char *text,
			int *ret_turn, struct pciview *view,
			struct pcidevs *ret_devs);
void pciview_close(struct pciview *view);
#define CLEANUP_PCIVIEW __attribute__((cleanup(pciview_close)))

/* The commands below passthru; argv[0] is the command's name. */
command_fn passthru_reserve, passthru_release;
command_fn passthru_name, passthru_pool;
command_fn passthru_history, passthru_clear, passthru_accept;
command_fn passthru_sriov, passthru_resize;
command_fn passthru_attach, passthru_detach;

/* The lists for programs and for the eye; exit status. */
int passthru_json(const struct place *place);
int passthru_svg(const struct place *place);

/* Every "--WORD" of `words` (ends with NULL) in argv becomes its option: the
 * letter after the blank, "json j". */
void options_shorten(const char *const *words, int argc, char **argv);

/* "16M": the largest unit that divides it. */
void size_format(uint64_t bytes, char buf[24]);

#endif
