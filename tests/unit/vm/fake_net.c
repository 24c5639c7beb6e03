/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's network in memory; the contract is fake_net.h. */
#include "fake_net.h"

#include <arpa/inet.h>
#include <string.h>

static struct fake_net *of_net(struct netlink *net)
{
	return container_of(net, struct fake_net, net);
}

static struct fake_net *of_os(const struct switch_os *os)
{
	return container_of(os, struct fake_net, os);
}

static void log_line(struct fake_net *f, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

static void log_line(struct fake_net *f, const char *fmt, ...)
{
	size_t len = strlen(f->log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->log + len, sizeof(f->log) - len, fmt, ap);
	va_end(ap);
	len = strlen(f->log);
	snprintf(f->log + len, sizeof(f->log) - len, "\n");
}

/* Counts a change; is it the one to fail? */
static bool failing(struct fake_net *f)
{
	return ++f->ops == f->fail_at;
}

static struct netlink_link *find(struct fake_net *f, const char *name)
{
	for (size_t i = 0; i < f->links; i++)
		if (strcmp(f->link[i].name, name) == 0)
			return &f->link[i];
	return NULL;
}

static const char *name_of(const struct fake_net *f, unsigned index)
{
	for (size_t i = 0; i < f->links; i++)
		if (f->link[i].index == index)
			return f->link[i].name;
	return "-";
}

struct netlink_link *fake_link(struct fake_net *f, const char *name,
			       const char *kind)
{
	struct netlink_link *link = &f->link[f->links++];

	if (f->links > FAKE_LINKS)
		abort();
	*link = (struct netlink_link){.index = f->next_index++,
				      .mtu = 1500,
				      .up = true,
				      .ethernet = true};
	snprintf(link->name, sizeof(link->name), "%s", name);
	snprintf(link->kind, sizeof(link->kind), "%s", kind);
	return link;
}

void fake_addr(struct fake_net *f, const char *link, const char *text,
	       int prefix)
{
	struct netlink_addr *addr = &f->addr[f->addrs++];

	if (f->addrs > FAKE_ADDRS)
		abort();
	*addr = (struct netlink_addr){.index = find(f, link)->index,
				      .family = strchr(text, ':') ? AF_INET6
								  : AF_INET,
				      .prefix = (unsigned)prefix};
	if (inet_pton(addr->family, text, addr->bytes) != 1)
		abort();
}

/* --- rtnetlink --- */

static void *copy(const void *from, size_t count, size_t size)
{
	void *to = calloc(count + 1, size);

	if (!to)
		abort();
	return memcpy(to, from, count * size);
}

static int fake_read(struct netlink *net, struct err *err,
		     struct netlink_state *ret_state)
{
	struct fake_net *f = of_net(net);

	(void)err;
	*ret_state = (struct netlink_state){
	    .link = copy(f->link, f->links, sizeof(f->link[0])),
	    .links = f->links,
	    .addr = copy(f->addr, f->addrs, sizeof(f->addr[0])),
	    .addrs = f->addrs,
	    .gateway = copy(&f->gateway, 1, sizeof(f->gateway)),
	    .gateways = f->gateway ? 1 : 0};
	return 0;
}

static int fake_add(struct netlink *net, const struct netlink_new *spec,
		    struct err *err)
{
	struct fake_net *f = of_net(net);
	struct netlink_link *link;

	if (failing(f))
		return err_set(err, -EIO, "%s: fault", spec->name);
	if (find(f, spec->name))
		return err_set(err, -EEXIST, "%s: exists", spec->name);
	if (spec->lower && (f->no_vlan || !find(f, spec->lower)))
		return err_set(err, -EOPNOTSUPP, "%s: no VLAN", spec->name);
	link = fake_link(f, spec->name, spec->kind);
	link->up = false;
	snprintf(link->alias, sizeof(link->alias), "%s", spec->alias);
	link->lower = spec->lower ? find(f, spec->lower)->index : 0;
	link->vlan = spec->vlan;
	log_line(f, "add %s %s '%s'%s%s", spec->kind, spec->name, spec->alias,
		 spec->lower ? " on " : "", spec->lower ? spec->lower : "");
	return 0;
}

static int fake_remove(struct netlink *net, const char *name, struct err *err)
{
	struct fake_net *f = of_net(net);
	struct netlink_link *link = find(f, name);
	unsigned index;

	if (failing(f))
		return err_set(err, -EIO, "%s: fault", name);
	if (!link)
		return err_set(err, -ENODEV, "%s: is not there", name);
	index = link->index;
	memmove(link, link + 1,
		(size_t)(f->link + --f->links - link) * sizeof(*link));
	for (size_t i = 0; i < f->links; i++)
		if (f->link[i].master == index) {
			f->link[i].master = 0;
			f->link[i].isolated = false;
		}
	for (size_t i = f->addrs; i-- > 0;)
		if (f->addr[i].index == index)
			memmove(&f->addr[i], &f->addr[i + 1],
				(--f->addrs - i) * sizeof(f->addr[0]));
	log_line(f, "remove %s", name);
	return 0;
}

static void change_log(struct fake_net *f, const char *name,
		       const struct netlink_change *c)
{
	if (c->set & NETLINK_MASTER)
		log_line(f, "%s master %s", name,
			 c->master[0] ? c->master : "-");
	if (c->set & NETLINK_MTU)
		log_line(f, "%s mtu %u", name, c->mtu);
	if (c->set & NETLINK_ISOLATED)
		log_line(f, "%s isolated %d", name, c->isolated);
	if (c->set & NETLINK_UP)
		log_line(f, "%s %s", name, c->up ? "up" : "down");
}

static int fake_change(struct netlink *net, const char *name,
		       const struct netlink_change *c, struct err *err)
{
	struct fake_net *f = of_net(net);
	struct netlink_link *link = find(f, name);

	if (failing(f))
		return err_set(err, -EIO, "%s: fault", name);
	if (!link ||
	    ((c->set & NETLINK_MASTER) && c->master[0] && !find(f, c->master)))
		return err_set(err, -ENODEV, "%s: is not there", name);
	if ((c->set & NETLINK_MASTER) && c->master[0] && link->master)
		return err_set(err, -EBUSY, "%s: has a master", name);
	if ((c->set & NETLINK_ISOLATED) && !link->master)
		return err_set(err, -EINVAL, "%s: not a port", name);
	if (c->set & NETLINK_MASTER) {
		link->master = c->master[0] ? find(f, c->master)->index : 0;
		link->isolated = false;
	}
	if (c->set & NETLINK_MTU)
		link->mtu = c->mtu;
	if (c->set & NETLINK_ISOLATED)
		link->isolated = c->isolated;
	if (c->set & NETLINK_UP)
		link->up = c->up;
	change_log(f, name, c);
	return 0;
}

static int fake_addr_add(struct netlink *net, const char *name,
			 const struct netlink_addr *addr, struct err *err)
{
	char text[NETLINK_ADDR_TEXT];
	struct fake_net *f = of_net(net);

	if (failing(f))
		return err_set(err, -EIO, "%s: fault", name);
	f->addr[f->addrs] = *addr;
	f->addr[f->addrs++].index = find(f, name)->index;
	netlink_addr_format(addr, text);
	log_line(f, "%s address %s", name, text);
	return 0;
}

static int fake_addr_remove(struct netlink *net, const char *name,
			    const struct netlink_addr *addr, struct err *err)
{
	char text[NETLINK_ADDR_TEXT];
	struct fake_net *f = of_net(net);

	if (failing(f))
		return err_set(err, -EIO, "%s: fault", name);
	for (size_t i = 0; i < f->addrs; i++) {
		if (f->addr[i].index != find(f, name)->index ||
		    f->addr[i].prefix != addr->prefix ||
		    !netlink_addr_same(&f->addr[i], addr))
			continue;
		memmove(&f->addr[i], &f->addr[i + 1],
			(--f->addrs - i) * sizeof(f->addr[0]));
		netlink_addr_format(addr, text);
		log_line(f, "%s without address %s", name, text);
		return 0;
	}
	return err_set(err, -EADDRNOTAVAIL, "%s: has no such address", name);
}

static int fake_alias(struct netlink *net, const char *name, const char *alias,
		      struct err *err)
{
	(void)net, (void)name, (void)alias;
	return err_set(err, -EIO, "not played");
}

static void fake_close(struct netlink *net)
{
	(void)net;
}

/* --- the rest of the host --- */

static struct fake_file *file_find(struct fake_net *f, const char *path)
{
	for (size_t i = 0; i < f->files; i++)
		if (strcmp(f->file[i].path, path) == 0)
			return &f->file[i];
	return NULL;
}

static struct fake_file *file_make(struct fake_net *f, const char *path)
{
	struct fake_file *file = file_find(f, path);

	if (!file)
		file = &f->file[f->files++];
	if (f->files > FAKE_FILES)
		abort();
	*file = (struct fake_file){0};
	snprintf(file->path, sizeof(file->path), "%s", path);
	return file;
}

void fake_file(struct fake_net *f, const char *path, const char *text)
{
	struct fake_file *file = file_make(f, path);

	file->len = strlen(text);
	memcpy(file->data, text, file->len + 1);
}

static int fake_file_read(const struct switch_os *os, const char *path,
			  char *buf, size_t size, size_t *ret_len)
{
	struct fake_file *file = file_find(of_os(os), path);

	if (!file)
		return -ENOENT;
	*ret_len = MIN(file->len, size - 1);
	memcpy(buf, file->data, *ret_len);
	buf[*ret_len] = '\0';
	return 0;
}

static int fake_file_write(const struct switch_os *os, const char *path,
			   const char *text)
{
	struct fake_net *f = of_os(os);

	if (failing(f))
		return -EIO;
	fake_file(f, path, text);
	log_line(f, "write %s %s", path, text);
	return 0;
}

static void fake_file_remove(const struct switch_os *os, const char *path)
{
	struct fake_net *f = of_os(os);
	struct fake_file *file = file_find(f, path);

	if (file)
		memmove(file, file + 1,
			(size_t)(f->file + --f->files - file) * sizeof(*file));
}

static int fake_mkdir(const struct switch_os *os, const char *path)
{
	(void)path;
	return failing(of_os(os)) ? -EIO : 0;
}

static int fake_end(const struct switch_os *os, int pid)
{
	struct fake_net *f = of_os(os);
	char path[64];

	if (failing(f))
		return -EIO;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	fake_file_remove(os, path);
	log_line(f, "end pid %d", pid);
	return 0;
}

static void table_set(struct fake_net *f, const char *name, size_t len,
		      bool there)
{
	char line[80], *at;

	snprintf(line, sizeof(line), "%.*s\n", (int)len, name);
	at = strstr(f->tables, line);
	if (at && !there)
		memmove(at, at + strlen(line), strlen(at + strlen(line)) + 1);
	else if (!at && there)
		strcat(f->tables, line);
}

/* Follows add, delete and definition of tables, not what is in them. */
static int nft(struct fake_net *f, char *const argv[], const char *script,
	       struct err *err, char **ret_output)
{
	if (f->no_nft)
		return err_set(err, -ENOENT, "nft is not installed");
	if (strcmp(argv[1], "list") == 0) {
		*ret_output = strdup(f->chains ? f->chains : "");
		return 0;
	}
	if (failing(f))
		return err_set(err, -EIO, "nft: fault");
	for (const char *p = script; *p; p += strcspn(p, "\n"), p += *p != 0) {
		size_t len = strcspn(p, "\n{");

		while (len > 0 && p[len - 1] == ' ')
			len--;
		if (strncmp(p, "add table ", 10) == 0)
			table_set(f, p + 10, len - 10, true);
		else if (strncmp(p, "delete table ", 13) == 0)
			table_set(f, p + 13, len - 13, false);
		else if (strncmp(p, "table ", 6) == 0)
			table_set(f, p + 6, len - 6, true);
	}
	snprintf(f->script, sizeof(f->script), "%s", script);
	log_line(f, "nft");
	return 0;
}

/* "Runs" when its pid file and its command line can be read. */
static int dnsmasq(struct fake_net *f, char *const argv[], struct err *err)
{
	struct fake_file *file;
	char path[64], pid[16];

	if (f->no_dnsmasq)
		return err_set(err, -ENOENT, "dnsmasq is not installed");
	if (failing(f) || f->dnsmasq_fails)
		return err_set(err, -EIO, "dnsmasq: address already in use");
	snprintf(path, sizeof(path), "/proc/%d/cmdline", f->next_pid);
	snprintf(pid, sizeof(pid), "%d\n", f->next_pid++);
	file = file_make(f, path);
	for (int i = 0; argv[i]; i++) {
		size_t len = strlen(argv[i]) + 1;

		if (file->len + len > sizeof(file->data))
			abort();
		memcpy(file->data + file->len, argv[i], len);
		file->len += len;
		if (strncmp(argv[i], "--pid-file=", 11) == 0)
			fake_file(f, argv[i] + 11, pid);
	}
	log_line(f, "dnsmasq");
	return 0;
}

static int fake_run(const struct switch_os *os, char *const argv[],
		    const char *input, struct err *err, char **ret_output)
{
	if (strcmp(argv[0], "nft") == 0)
		return nft(of_os(os), argv, input, err, ret_output);
	return dnsmasq(of_os(os), argv, err);
}

static void fake_warn(void *ctx, const char *text)
{
	struct fake_net *f = ctx;
	size_t len = strlen(f->warned);

	snprintf(f->warned + len, sizeof(f->warned) - len, "%s\n", text);
}

void fake_net_init(struct fake_net *f)
{
	static const struct netlink_ops net_ops = {
	    .read = fake_read,
	    .add = fake_add,
	    .remove = fake_remove,
	    .change = fake_change,
	    .addr_add = fake_addr_add,
	    .addr_remove = fake_addr_remove,
	    .alias = fake_alias,
	    .close = fake_close,
	};
	static const struct switch_os_ops os_ops = {
	    .run = fake_run,
	    .read = fake_file_read,
	    .write = fake_file_write,
	    .remove = fake_file_remove,
	    .mkdir = fake_mkdir,
	    .end = fake_end,
	};
	struct warner *warner = malloc(sizeof(*warner));

	if (!warner)
		abort();
	*warner = (struct warner){fake_warn, f};
	*f = (struct fake_net){.net = {&net_ops},
			       .os = {&os_ops},
			       .next_index = 2,
			       .next_pid = 100};
	f->env = (struct switch_env){.net = &f->net,
				     .os = &f->os,
				     .warner = warner,
				     .host_root = "",
				     .run_dir = "/run"};
	fake_file(f, "/proc/sys/net/ipv4/ip_forward", "0");
}

void fake_net_free(struct fake_net *f)
{
	netlink_state_free(&f->env.state);
	free((void *)f->env.warner);
}

/* The lines in order of the alphabet. */
static char *lines_sort(char *text)
{
	struct words lines = {0};
	char *rest = text, *line, *sorted;

	while ((line = strsep(&rest, "\n")))
		words_add(&lines, "%s", line);
	words_sort(&lines);
	sorted = words_join(&lines, '\n');
	words_free(&lines);
	free(text);
	return sorted;
}

char *fake_dump(const struct fake_net *f)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < f->links; i++) {
		const struct netlink_link *l = &f->link[i];

		fprintf(out, "%s kind=%s master=%s mtu=%u up=%d isolated=%d\n",
			l->name, l->kind, name_of(f, l->master), l->mtu, l->up,
			l->isolated);
	}
	for (size_t i = 0; i < f->addrs; i++) {
		char addr[NETLINK_ADDR_TEXT];

		netlink_addr_format(&f->addr[i], addr);
		fprintf(out, "%s %s\n", name_of(f, f->addr[i].index), addr);
	}
	for (size_t i = 0; i < f->files; i++) {
		const struct fake_file *file = &f->file[i];

		/* Which dnsmasq it is does not matter, but what it does. */
		if (strstr(file->path, ".pid"))
			continue;
		fprintf(out, "%s:",
			strstr(file->path, "/cmdline") ? "process"
						       : file->path);
		for (size_t k = 0; k < file->len; k++)
			fputc(file->data[k] ? file->data[k] : ' ', out);
		fputc('\n', out);
	}
	fprintf(out, "%s", f->tables);
	fclose(out);
	return lines_sort(text);
}
