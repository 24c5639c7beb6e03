/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading and changing the host's network; the contract is netlink.h.
 *
 * Theory of operation
 *
 * Every operation is one request and its answers, up to the acknowledgement,
 * on one rtnetlink socket. libmnl lays out and takes apart the messages; which
 * attributes they hold is rtnetlink(7) and <linux/if_link.h>. A dump that the
 * kernel marks as torn by a change (NLM_F_DUMP_INTR) is asked for again.
 */
#include "vm/netlink.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "vm/netlink_parse.h"

/* What the kernel fills at most in one go of a dump. */
#define ANSWER_BYTES  32768u
#define REQUEST_BYTES 1024u
/* The kernel answers at once; this is for a kernel that does not. */
#define ANSWER_DEADLINE_S 5
#define DUMP_TRIES	  16u

struct kernel_net {
	struct netlink net;
	int fd;
	uint32_t seq;
	uint8_t answer[ANSWER_BYTES];
};

struct request {
	union {
		struct nlmsghdr head;
		uint8_t bytes[REQUEST_BYTES];
	};
	mnl_cb_t each; /* for each answer of a dump */
	void *ctx;
	char said[128]; /* the kernel's own words when it refused */
};

static struct kernel_net *kernel_of(struct netlink *net)
{
	return container_of(net, struct kernel_net, net);
}

/* Returns the room for the family's own header, zeroed. */
static void *request_begin(struct request *req, uint16_t type, uint16_t flags,
			   size_t header)
{
	*req = (struct request){0};
	mnl_nlmsg_put_header(req->bytes);
	req->head.nlmsg_type = type;
	req->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	return mnl_nlmsg_put_extra_header(&req->head, header);
}

static int request_send(struct kernel_net *k, struct request *req)
{
	ssize_t n;

	req->head.nlmsg_seq = ++k->seq;
	do {
		n = send(k->fd, req->bytes, req->head.nlmsg_len, 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* A datagram from the kernel, not from another process. */
static int answer_receive(struct kernel_net *k, size_t *ret_len)
{
	struct sockaddr_nl from = {0};
	socklen_t from_len = sizeof(from);
	ssize_t n;

	do {
		n = recvfrom(k->fd, k->answer, sizeof(k->answer), MSG_TRUNC,
			     (struct sockaddr *)&from, &from_len);
	} while ((n < 0 && errno == EINTR) || (n >= 0 && from.nl_pid != 0));
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if ((size_t)n > sizeof(k->answer))
		return -EMSGSIZE;
	*ret_len = (size_t)n;
	return 0;
}

/* NLMSG_ERROR: an errno (0 is the acknowledgement) and perhaps a sentence. */
static int answer_error(const struct nlmsghdr *head, void *ctx)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(head);
	struct request *req = ctx;
	const struct nlattr *attr;
	size_t skip = sizeof(*error);

	if (mnl_nlmsg_get_payload_len(head) < sizeof(*error)) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	if (!(head->nlmsg_flags & NLM_F_CAPPED))
		skip += MNL_ALIGN(error->msg.nlmsg_len) - sizeof(error->msg);
	if ((head->nlmsg_flags & NLM_F_ACK_TLVS) &&
	    mnl_nlmsg_get_payload_len(head) > skip)
		mnl_attr_for_each (attr, head, skip)
			if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
			    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
				snprintf(req->said, sizeof(req->said), "%s",
					 mnl_attr_get_str(attr));
	errno = -error->error;
	return error->error == 0 ? MNL_CB_STOP : MNL_CB_ERROR;
}

static int answer_each(const struct nlmsghdr *head, void *ctx)
{
	struct request *req = ctx;

	return req->each ? req->each(head, req->ctx) : MNL_CB_OK;
}

static int request_run(struct kernel_net *k, struct request *req)
{
	static mnl_cb_t control[] = {
	    [NLMSG_ERROR] = answer_error,
	};
	int rc = request_send(k, req);

	while (rc == 0) {
		size_t len = 0;

		rc = answer_receive(k, &len);
		if (rc < 0)
			return rc;
		rc = mnl_cb_run2(k->answer, len, req->head.nlmsg_seq, 0,
				 answer_each, req, control, ARRAY_LEN(control));
		/* The rest of a former, torn dump. */
		if (rc == MNL_CB_ERROR && errno == EPROTO)
			rc = 0;
		else if (rc == MNL_CB_ERROR)
			return -errno;
		else if (rc == MNL_CB_STOP)
			return 0;
		else
			rc = 0;
	}
	return rc;
}

/* "NAME: what: why (the kernel's words)" */
static int request_explain(int rc, const struct request *req, const char *name,
			   const char *what, struct err *err)
{
	if (rc >= 0)
		return 0;
	if (req->said[0])
		return err_set(err, rc, "%s: %s: %s (%s)", name, what,
			       strerror(-rc), req->said);
	return err_sys(err, rc, "%s: %s", name, what);
}

static int dump(struct kernel_net *k, uint16_t type, mnl_cb_t each,
		struct netlink_state *state)
{
	static const size_t header = sizeof(struct ifinfomsg);
	struct request req;
	int rc;

	/* One header does for all: the family comes first, 0 is any. */
	(void)request_begin(&req, type, NLM_F_DUMP, header);
	req.each = each;
	req.ctx = state;
	rc = request_run(k, &req);
	return rc;
}

static int state_read(struct kernel_net *k, struct netlink_state *state)
{
	int rc = dump(k, RTM_GETLINK, netlink_parse_link, state);

	if (rc == 0)
		rc = dump(k, RTM_GETADDR, netlink_parse_addr, state);
	if (rc == 0)
		rc = dump(k, RTM_GETROUTE, netlink_parse_route, state);
	return rc;
}

static int kernel_read(struct netlink *net, struct err *err,
		       struct netlink_state *ret_state)
{
	struct netlink_state state = {0};
	int rc = -EINTR;

	for (unsigned i = 0; rc == -EINTR && i < DUMP_TRIES; i++) {
		netlink_state_free(&state);
		rc = state_read(kernel_of(net), &state);
	}
	if (rc < 0) {
		netlink_state_free(&state);
		return err_sys(err, rc, "the host's network interfaces");
	}
	*ret_state = state;
	return 0;
}

static int name_check(const char *name, struct err *err)
{
	if (netlink_name_valid(name))
		return 0;
	return err_set(err, -EINVAL,
		       "'%.40s' is not a network interface name: expected 1 to "
		       "15 letters, digits, '.', '_' or '-'",
		       name);
}

static int index_of(const char *name, struct err *err, unsigned *ret_index)
{
	unsigned index;
	int rc = name_check(name, err);

	if (rc < 0)
		return rc;
	index = if_nametoindex(name);
	if (index == 0)
		return err_set(err, -ENODEV,
			       "%s: this host has no such network interface",
			       name);
	*ret_index = index;
	return 0;
}

static void put_link_info(struct request *req, const struct netlink_new *spec)
{
	struct nlattr *info = mnl_attr_nest_start(&req->head, IFLA_LINKINFO);

	mnl_attr_put_strz(&req->head, IFLA_INFO_KIND, spec->kind);
	if (spec->lower) {
		struct nlattr *data =
		    mnl_attr_nest_start(&req->head, IFLA_INFO_DATA);

		mnl_attr_put_u16(&req->head, IFLA_VLAN_ID,
				 (uint16_t)spec->vlan);
		mnl_attr_nest_end(&req->head, data);
	}
	mnl_attr_nest_end(&req->head, info);
}

static int kernel_remove(struct netlink *net, const char *name, struct err *err)
{
	struct ifinfomsg *ifi;
	struct request req;
	int rc = name_check(name, err);

	if (rc < 0)
		return rc;
	ifi = request_begin(&req, RTM_DELLINK, NLM_F_ACK, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(&req.head, IFLA_IFNAME, name);
	rc = request_run(kernel_of(net), &req);
	return request_explain(rc, &req, name, "cannot be removed", err);
}

static int kernel_alias(struct netlink *net, const char *name,
			const char *alias, struct err *err)
{
	struct ifinfomsg *ifi;
	struct request req;
	int rc = name_check(name, err);

	if (rc < 0)
		return rc;
	ifi = request_begin(&req, RTM_NEWLINK, NLM_F_ACK, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(&req.head, IFLA_IFNAME, name);
	/* Without the NUL, as the kernel counts its limit. */
	mnl_attr_put(&req.head, IFLA_IFALIAS,
		     MIN(strlen(alias), (size_t)NETLINK_ALIAS_SIZE - 1), alias);
	rc = request_run(kernel_of(net), &req);
	return request_explain(rc, &req, name, "cannot be given an alias", err);
}

static int kernel_add(struct netlink *net, const struct netlink_new *spec,
		      struct err *err)
{
	struct ifinfomsg *ifi;
	struct request req;
	unsigned lower = 0;
	int rc = name_check(spec->name, err);

	if (rc == 0 && spec->lower)
		rc = index_of(spec->lower, err, &lower);
	if (rc < 0)
		return rc;
	ifi =
	    request_begin(&req, RTM_NEWLINK,
			  NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(&req.head, IFLA_IFNAME, spec->name);
	if (spec->lower)
		mnl_attr_put_u32(&req.head, IFLA_LINK, lower);
	if (spec->mac)
		mnl_attr_put(&req.head, IFLA_ADDRESS, 6, spec->mac);
	put_link_info(&req, spec);
	rc = request_run(kernel_of(net), &req);
	if (rc == -EOPNOTSUPP)
		return err_set(err, rc,
			       "%s: this kernel has no interfaces of kind %s "
			       "(module %s)",
			       spec->name, spec->kind,
			       strcmp(spec->kind, "vlan") == 0 ? "8021q"
							       : spec->kind);
	rc = request_explain(rc, &req, spec->name, "cannot be made", err);
	if (rc < 0)
		return rc;
	/* The kernel takes no alias in the request that makes an interface. */
	rc = kernel_alias(net, spec->name, spec->alias, err);
	if (rc < 0)
		(void)!kernel_remove(net, spec->name, NULL);
	return rc;
}

static const char *change_name(const struct netlink_change *change)
{
	if (change->set & NETLINK_MASTER)
		return change->master[0] ? "cannot join the bridge"
					 : "cannot leave its bridge";
	if (change->set & NETLINK_MTU)
		return "MTU cannot be changed";
	if (change->set & NETLINK_ISOLATED)
		return "isolation cannot be changed";
	return change->up ? "cannot be brought up" : "cannot be taken down";
}

/* What only a bridge's port has, in a request about the port. */
static void put_isolated(struct request *req, bool isolated)
{
	struct nlattr *info = mnl_attr_nest_start(&req->head, IFLA_LINKINFO);
	struct nlattr *data;

	mnl_attr_put_strz(&req->head, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(&req->head, IFLA_INFO_SLAVE_DATA);
	mnl_attr_put_u8(&req->head, IFLA_BRPORT_ISOLATED, isolated);
	mnl_attr_nest_end(&req->head, data);
	mnl_attr_nest_end(&req->head, info);
}

static int kernel_change(struct netlink *net, const char *name,
			 const struct netlink_change *change, struct err *err)
{
	struct ifinfomsg *ifi;
	struct request req;
	unsigned master = 0;
	int rc = name_check(name, err);

	if (rc == 0 && (change->set & NETLINK_MASTER) && change->master[0])
		rc = index_of(change->master, err, &master);
	if (rc < 0)
		return rc;
	ifi = request_begin(&req, RTM_NEWLINK, NLM_F_ACK, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	if (change->set & NETLINK_UP) {
		ifi->ifi_change = IFF_UP;
		ifi->ifi_flags = change->up ? IFF_UP : 0;
	}
	mnl_attr_put_strz(&req.head, IFLA_IFNAME, name);
	if (change->set & NETLINK_MTU)
		mnl_attr_put_u32(&req.head, IFLA_MTU, change->mtu);
	if (change->set & NETLINK_MASTER)
		mnl_attr_put_u32(&req.head, IFLA_MASTER, master);
	if (change->set & NETLINK_ISOLATED)
		put_isolated(&req, change->isolated);
	rc = request_run(kernel_of(net), &req);
	return request_explain(rc, &req, name, change_name(change), err);
}

static int addr_request(struct netlink *net, uint16_t type, const char *name,
			const struct netlink_addr *addr, struct err *err)
{
	static const char *const verb[] = {"be added", "be removed"};
	const size_t len = addr->family == AF_INET ? 4 : 16;
	char what[NETLINK_ADDR_TEXT + 40], text[NETLINK_ADDR_TEXT];
	struct ifaddrmsg *ifa;
	struct request req;
	unsigned index;
	int rc = index_of(name, err, &index);

	if (rc < 0)
		return rc;
	ifa = request_begin(
	    &req, type, NLM_F_ACK | (type == RTM_NEWADDR ? NLM_F_CREATE : 0),
	    sizeof(*ifa));
	if (type == RTM_NEWADDR)
		req.head.nlmsg_flags |= NLM_F_EXCL;
	ifa->ifa_family = (uint8_t)addr->family;
	ifa->ifa_prefixlen = (uint8_t)addr->prefix;
	ifa->ifa_index = index;
	mnl_attr_put(&req.head, IFA_LOCAL, len, addr->bytes);
	mnl_attr_put(&req.head, IFA_ADDRESS, len, addr->bytes);
	if (addr->family == AF_INET && addr->prefix < 31) {
		uint32_t host;

		memcpy(&host, addr->bytes, sizeof(host));
		host |= htonl(0xffffffffu >> addr->prefix);
		mnl_attr_put_u32(&req.head, IFA_BROADCAST, host);
	}
	rc = request_run(kernel_of(net), &req);
	netlink_addr_format(addr, text);
	snprintf(what, sizeof(what), "address %s cannot %s", text,
		 verb[type == RTM_DELADDR]);
	return request_explain(rc, &req, name, what, err);
}

static int kernel_addr_add(struct netlink *net, const char *name,
			   const struct netlink_addr *addr, struct err *err)
{
	return addr_request(net, RTM_NEWADDR, name, addr, err);
}

static int kernel_addr_remove(struct netlink *net, const char *name,
			      const struct netlink_addr *addr, struct err *err)
{
	return addr_request(net, RTM_DELADDR, name, addr, err);
}

static void kernel_close(struct netlink *net)
{
	struct kernel_net *k = kernel_of(net);

	close(k->fd);
	free(k);
}

int netlink_open_fd(int fd, struct netlink **ret_net)
{
	static const struct netlink_ops ops = {
	    .read = kernel_read,
	    .add = kernel_add,
	    .remove = kernel_remove,
	    .change = kernel_change,
	    .addr_add = kernel_addr_add,
	    .addr_remove = kernel_addr_remove,
	    .alias = kernel_alias,
	    .close = kernel_close,
	};
	struct kernel_net *k = calloc(1, sizeof(*k));

	if (!k) {
		close(fd);
		return -ENOMEM;
	}
	k->net.ops = &ops;
	k->fd = fd;
	*ret_net = &k->net;
	return 0;
}

int netlink_open(struct err *err, struct netlink **ret_net)
{
	const struct timeval deadline = {ANSWER_DEADLINE_S, 0};
	const int on = 1;
	int fd, rc;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return err_sys(err, -errno, "rtnetlink socket");
	/* Words with an error, and short acknowledgements: if the kernel can.
	 */
	(void)!setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)!setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline,
			  sizeof(deadline));
	rc = netlink_open_fd(fd, ret_net);
	return rc < 0 ? err_sys(err, rc, "rtnetlink socket") : 0;
}

void netlink_close(struct netlink *net)
{
	if (net)
		net->ops->close(net);
}

int netlink_read(struct netlink *net, struct err *err,
		 struct netlink_state *state)
{
	netlink_state_free(state);
	return net->ops->read(net, err, state);
}
