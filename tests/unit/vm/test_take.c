/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of taking devices for a run (vm/take.c), their names (pcinames.c),
 * histories and quarantine (devlog.c), on a host of files whose kernel is
 * played (hostpci/fixture.h): hostpci_open() is wrapped to open that one.
 */
#include "../hostpci/fixture.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "vm/claims.h"
#include "vm/devlog.h"

int __real_hostpci_open(const char *root, struct err *err,
			struct hostpci **ret_host);
int __wrap_hostpci_open(const char *root, struct err *err,
			struct hostpci **ret_host);

/* The fixture is at the start of each test's state. */
static struct fixture *played;

int __wrap_hostpci_open(const char *root, struct err *err,
			struct hostpci **ret_host)
{
	return hostpci_open_with(root, &played->ops, err, ret_host);
}

struct scene {
	struct fixture *f;
	struct place place;
	struct guest guest;
	struct conf *conf;
	struct runlock lock;
	struct plan_functions functions;
	struct err err;
	char told[4096]; /* by warner and note, a line each */
};

static void tell(void *ctx, const char *text)
{
	struct scene *s = ctx;
	size_t len = strlen(s->told);

	snprintf(s->told + len, sizeof(s->told) - len, "%s\n", text);
}

static struct claims_request request_of(struct scene *s)
{
	return (struct claims_request){
	    .place = &s->place,
	    .guest = &s->guest,
	    .conf = s->conf,
	    .lock = &s->lock,
	    .warner = {tell, s},
	    .note = {tell, s},
	};
}

/* A configuration space as root reads it. */
static void config_put(struct fixture *f, const char *at, uint64_t serial)
{
	struct hostpci *host;
	char path[PATH_MAX];
	uint8_t config[4096] = {0};
	const char *bdf = strrchr(at, '/') + 1;

	host = fixture_open(f);
	config[0] = (uint8_t)fixture_find(host, bdf)->vendor;
	config[1] = (uint8_t)(fixture_find(host, bdf)->vendor >> 8);
	config[2] = (uint8_t)fixture_find(host, bdf)->device;
	config[3] = (uint8_t)(fixture_find(host, bdf)->device >> 8);
	hostpci_close(host);
	config[0x100] = serial ? 0x03 : 0;
	config[0x102] = serial ? 0x01 : 0;
	for (size_t i = 0; i < 8; i++)
		config[0x104 + i] = (uint8_t)(serial >> 8 * i);
	snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/config", at);
	fixture_bytes(f, path, config, sizeof(config));
}

static const struct fixture_dev pair[] = {
    {"0000:00:1c.3", "pcieport", 0x060400, 0x1b36, 0x000c, 4, 1},
    {"0000:00:1c.3/0000:04:00.0", "nouveau", 0x030000, 0x10de, 0x1bb3, 13, 0},
    {"0000:00:1c.3/0000:04:00.1", "snd_hda_intel", 0x040300, 0x10de, 0x10f0, 13,
     0},
};

static int setup(void **state)
{
	static const char *const nodes[] = {
	    "0000:00:1c.0/0000:01:00.0", "0000:00:1c.1/0000:02:00.0",
	    "0000:00:1c.2/0000:03:00.0", "0000:00:1c.3/0000:04:00.0",
	    "0000:00:1c.3/0000:04:00.1"};
	struct scene *s = calloc(1, sizeof(*s));
	struct run_info left;
	void *fixture;

	assert_non_null(s);
	assert_int_equal(fixture_setup(&fixture), 0);
	s->f = played = fixture;
	fixture_plain(s->f);
	for (size_t i = 0; i < ARRAY_LEN(pair); i++)
		fixture_dev(s->f, &pair[i]);
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++)
		config_put(s->f, nodes[i], 0);
	fixture_file(s->f, "vms/demo/demo.conf", "cpu=1\n");
	snprintf(s->place.dir, sizeof(s->place.dir), "%s/vms", s->f->root);
	snprintf(s->place.host_root, sizeof(s->place.host_root), "%s",
		 s->f->root);
	assert_int_equal(guest_open(&s->place, "demo", &s->err, &s->guest), 0);
	assert_int_equal(runlock_take(&s->guest, &s->err, &s->lock, &left), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	void *fixture = s->f;

	conf_free(s->conf);
	runlock_drop(&s->lock);
	guest_close(&s->guest);
	free(s);
	played = NULL;
	return fixture_teardown(&fixture);
}

static void conf_use(struct scene *s, const char *text)
{
	conf_free(s->conf);
	s->conf = NULL;
	assert_int_equal(
	    conf_parse(text, strlen(text), "F", NULL, &s->err, &s->conf), 0);
}

static int take(struct scene *s, const char *text)
{
	struct claims_request request;

	conf_use(s, text);
	s->err = (struct err){0};
	s->told[0] = '\0';
	request = request_of(s);
	return claims_take(&request, &s->err, &s->functions);
}

static void take_well(struct scene *s, const char *text, const char *devices)
{
	if (take(s, text) < 0)
		fail_msg("%s", s->err.msg);
	assert_string_equal(s->lock.info.devices, devices);
}

static void give_back(struct scene *s)
{
	const struct claims_request request = request_of(s);

	s->told[0] = '\0';
	claims_return(&request, NULL);
	s->lock.info.devices[0] = '\0';
}

static void driver_is(struct scene *s, const char *bdf, const char *driver)
{
	struct hostpci *host = fixture_open(s->f);

	assert_string_equal(fixture_find(host, bdf)->driver, driver);
	hostpci_close(host);
}

static void name_give(struct scene *s, const char *name, const char *bdf,
		      bool all)
{
	struct hostpci *host = fixture_open(s->f);
	char text[HOSTPCI_IDENTITY_MAX + 4] = "";
	struct hostpci_identity identity;

	assert_int_equal(
	    hostpci_identify(host, fixture_find(host, bdf), &s->err, &identity),
	    0);
	strcpy(text, all ? "all " : "");
	hostpci_identity_format(&identity, text + strlen(text));
	assert_int_equal(pcinames_set(&s->place, name, text, &s->err), 0);
	hostpci_close(host);
}

/* ---- managed ---- */

static void test_managed(void **state)
{
	struct scene *s = *state;
	struct run_info info;

	take_well(s, "passthru0=1/0/0\npassthru_managed=yes\n", "0000:01:00.0");
	assert_string_equal(s->told,
			    "passthru 1/0/0 (0000:01:00.0): taken from nvme\n");
	driver_is(s, "0000:01:00.0", "vfio-pci");
	assert_string_equal(s->lock.info.managed, "0000:01:00.0");
	assert_int_equal(s->functions.count, 1);
	assert_string_equal(s->functions.fn[0].address, "1/0/0");
	/* The lock's file has it, for whoever finds it after a crash. */
	runlock_close(&s->lock);
	runlock_left(&s->guest, &info);
	assert_string_equal(info.managed, "0000:01:00.0");
	assert_int_equal(runlock_take(&s->guest, &s->err, &s->lock, &info), 0);
	assert_string_equal(s->lock.info.managed, "0000:01:00.0");
	give_back(s);
	assert_string_equal(
	    s->told, "passthru 1/0/0 (0000:01:00.0): given back to nvme\n");
	driver_is(s, "0000:01:00.0", "nvme");
	assert_string_equal(s->lock.info.managed, "");
}

/* A served device takes nothing of the host, and goes with managed ones. */
static void test_served(void **state)
{
	struct scene *s = *state;

	take_well(s,
		  "passthru0=vfio-user=/run/a.sock\npassthru1=1/0/0\n"
		  "passthru_managed=yes\n",
		  "0000:01:00.0");
	assert_int_equal(s->functions.count, 2);
	assert_string_equal(s->functions.fn[0].address,
			    "vfio-user=/run/a.sock");
	assert_string_equal(s->functions.fn[0].bdf, "");
	assert_true(s->functions.fn[0].first);
	assert_false(s->functions.fn[0].dropped);
	assert_string_equal(s->functions.fn[1].bdf, "0000:01:00.0");
	give_back(s);
	assert_int_equal(take(s, "passthru0=vfio-user=a.sock\n"), -EINVAL);
	assert_text(s->err,
		    "F:1: passthru0=\"vfio-user=a.sock\": expected the "
		    "absolute path of the server's socket after vfio-user=");
	take_well(s,
		  "passthru0=mdev=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001\n"
		  "passthru1=1/0/0\npassthru_managed=yes\n",
		  "0000:01:00.0");
	assert_string_equal(s->functions.fn[0].address,
			    "mdev=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001");
	assert_string_equal(s->functions.fn[0].bdf, "");
	assert_string_equal(s->functions.fn[0].key, "");
	give_back(s);
	assert_int_equal(take(s, "passthru0=mdev=1/0/0\n"), -EINVAL);
	assert_text(s->err,
		    "F:1: passthru0=\"mdev=1/0/0\": expected a UUID, or its "
		    "path in /sys/bus/mdev/devices, after mdev=");
}

static void test_not_managed(void **state)
{
	struct scene *s = *state;

	assert_int_equal(take(s, "passthru0=1/0/0\n"), -EBUSY);
	assert_text(s->err,
		    "F:1: passthru0: 0000:01:00.0 (1/0/0): bound to nvme, not "
		    "vfio-pci; run 'vm passthru reserve 1/0/0'");
	assert_string_equal(s->lock.info.managed, "");
	driver_is(s, "0000:01:00.0", "nvme");
}

/* What was taken before the one that fails is given back. */
static void test_managed_fails(void **state)
{
	struct scene *s = *state;

	s->f->refuse = "vfio-pci";
	assert_true(take(s, "passthru0=1/0/0\npassthru_managed=yes\n") < 0);
	give_back(s);
	driver_is(s, "0000:01:00.0", "nvme");
	s->f->refuse = NULL;
	assert_int_equal(
	    take(s, "passthru0=1/0/0\npassthru1=9/0/0\npassthru_managed=yes\n"),
	    -ENODEV);
	driver_is(s, "0000:01:00.0", "vfio-pci");
	give_back(s);
	driver_is(s, "0000:01:00.0", "nvme");
}

/* One left by a crash, of a run that had another device. */
static void test_managed_left(void **state)
{
	struct scene *s = *state;
	struct run_info left;

	take_well(s, "passthru0=1/0/0\npassthru_managed=yes\n", "0000:01:00.0");
	runlock_close(&s->lock);
	assert_int_equal(runlock_take(&s->guest, &s->err, &s->lock, &left), 0);
	take_well(s, "passthru0=2/0/0\npassthru_managed=yes\n", "0000:02:00.0");
	driver_is(s, "0000:01:00.0", "nvme");
	driver_is(s, "0000:02:00.0", "vfio-pci");
	assert_string_equal(s->lock.info.managed, "0000:02:00.0");
	give_back(s);
	driver_is(s, "0000:02:00.0", "e1000e");
}

/* The rest of the group: only with consent, and back afterwards. */
static void test_siblings(void **state)
{
	struct scene *s = *state;

	assert_int_equal(take(s, "passthru0=4/0/0\npassthru_managed=yes\n"),
			 -EBUSY);
	assert_text(s->err,
		    "0000:04:00.0 (4/0/0): in IOMMU group 13 with 0000:04:00.1,"
		    " which snd_hda_intel holds; reserve that function too, or "
		    "let passthru_siblings=\"yes\" take it");
	driver_is(s, "0000:04:00.1", "snd_hda_intel");
	give_back(s);
	driver_is(s, "0000:04:00.0", "nouveau");
	take_well(s,
		  "passthru0=4/0/0\npassthru_managed=yes\n"
		  "passthru_siblings=yes\n",
		  "0000:04:00.0");
	driver_is(s, "0000:04:00.1", "vfio-pci");
	give_back(s);
	driver_is(s, "0000:04:00.0", "nouveau");
	driver_is(s, "0000:04:00.1", "snd_hda_intel");
	/* Both of them asked for by name need no consent. */
	take_well(s, "passthru0=4/0/0\npassthru1=4/0/1\npassthru_managed=yes\n",
		  "0000:04:00.0 0000:04:00.1");
	give_back(s);
}

/* ---- slots, names, pools ---- */

static void test_slot(void **state)
{
	struct scene *s = *state;

	take_well(s, "passthru0=4/0\npassthru_managed=yes\n",
		  "0000:04:00.0 0000:04:00.1");
	assert_int_equal(s->functions.count, 2);
	assert_true(s->functions.fn[0].all && s->functions.fn[0].first);
	assert_true(s->functions.fn[1].all && !s->functions.fn[1].first);
	assert_int_equal(s->functions.fn[1].func, 1);
	assert_string_equal(s->functions.fn[1].address, "0000:04:00.1");
	give_back(s);
	assert_int_equal(take(s, "passthru0=4/0=6:1\npassthru_managed=yes\n"),
			 -EINVAL);
	assert_text(s->err,
		    "F:1: passthru0: the functions of a slot keep their "
		    "numbers; expected =6 after it");
	assert_int_equal(take(s, "passthru0=9/0\n"), -ENODEV);
	assert_text(s->err,
		    "F:1: passthru0: 0000:09:00: no card with a function 0 is "
		    "in this slot; 'vm passthru' lists what there is");
}

static void dev_move(struct scene *s, const char *from, const char *to,
		     uint64_t serial)
{
	struct fixture_dev dev = {to, "nvme", 0x010802, 0x1b36, 0x0010, 100, 0};
	char path[PATH_MAX];

	/* A group for each bus. */
	dev.group += atoi(strrchr(to, '/') + 6);

	snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s", from);
	fixture_remove(s->f, path);
	snprintf(path, sizeof(path), SYS_DEVICES "/%s", strrchr(from, '/') + 1);
	fixture_remove(s->f, path);
	s->f->natives = 0;
	fixture_dev(s->f, &dev);
	config_put(s->f, to, serial);
}

#define NVME_AT "0000:00:1c.0/0000:01:00.0"

static void test_name(void **state)
{
	struct scene *s = *state;

	name_give(s, "disk0", "0000:01:00.0", false);
	name_give(s, "gpu0", "0000:04:00.0", true);
	take_well(s,
		  "passthru0=disk0\npassthru1=gpu0=7\npassthru_managed=yes\n",
		  "0000:01:00.0 0000:04:00.0 0000:04:00.1");
	assert_string_equal(s->functions.fn[0].address, "0000:01:00.0");
	give_back(s);
	/* The bus number has shifted: the slot is the same. */
	dev_move(s, NVME_AT, "0000:00:1c.0/0000:06:00.0", 0);
	take_well(s, "passthru0=disk0\npassthru_managed=yes\n", "0000:06:00.0");
	give_back(s);
	/* Another slot: it may be another device. */
	dev_move(s, "0000:00:1c.0/0000:06:00.0", "0000:00:1c.5/0000:07:00.0",
		 0);
	assert_int_equal(take(s, "passthru0=disk0\npassthru_managed=yes\n"),
			 -ENODEV);
	assert_text(s->err,
		    "F:1: passthru0: disk0: 1b36:0010 is not in slot "
		    "0000:00/1c.0/00.0 (0000:01:00.0 then) any more; one of "
		    "its kind is at 0000:07:00.0 (7/0/0); if that is meant: vm "
		    "passthru name disk0 7/0/0");
	driver_is(s, "0000:07:00.0", "nvme");
	assert_int_equal(take(s, "passthru0=disk1\n"), -ENODEV);
	assert_text(s->err, "F:1: passthru0: 'disk1': no device has this name; "
			    "'vm passthru name' lists the names");
}

static void test_name_serial(void **state)
{
	struct scene *s = *state;

	config_put(s->f, NVME_AT, 0x11);
	name_give(s, "disk0", "0000:01:00.0", false);
	/* A card of the same kind in its slot, itself somewhere else. */
	config_put(s->f, NVME_AT, 0x22);
	dev_move(s, "0000:00:1c.2/0000:03:00.0", "0000:00:1c.2/0000:03:00.0",
		 0x11);
	assert_int_equal(take(s, "passthru0=disk0\npassthru_managed=yes\n"),
			 -ENODEV);
	assert_text(s->err,
		    "F:1: passthru0: disk0: 0000:01:00.0 (1/0/0) in slot "
		    "0000:00/1c.0/00.0 is another device than the 1b36:0010 "
		    "that was there; it is at 0000:03:00.0 (3/0/0); if that is "
		    "meant: vm passthru name disk0 3/0/0");
}

static void test_names_broken(void **state)
{
	struct scene *s = *state;

	fixture_file(s->f, "vms/.config/passthru/names", "disk0=\"1/0/0\"\n");
	assert_int_equal(take(s, "passthru0=1/0/0\n"), -EINVAL);
	assert_non_null(strstr(s->err.msg,
			       "/.config/passthru/names:1: 'disk0' is not what "
			       "vm writes there"));
}

static void test_vf_name(void **state)
{
	struct scene *s = *state;
	struct fixture_dev vf = {"0000:00:1c.0/0000:01:00.2",
				 "nvme",
				 0x010802,
				 0x1b36,
				 0x0010,
				 21,
				 0};

	name_give(s, "disk0", "0000:01:00.0", false);
	assert_int_equal(take(s, "passthru0=disk0-vf1\n"), -ENODEV);
	assert_text(s->err,
		    "F:1: passthru0: disk0-vf1: disk0 has no such virtual "
		    "function; 'vm passthru sriov disk0 N' makes some");
	fixture_dev(s->f, &vf);
	config_put(s->f, vf.at, 0);
	fixture_link(s->f, SYS_DEVICES "/0000:01:00.2/physfn",
		     "../0000:01:00.0");
	fixture_link(s->f, SYS_DEVICES "/0000:01:00.0/virtfn0",
		     "../0000:01:00.1");
	fixture_link(s->f, SYS_DEVICES "/0000:01:00.0/virtfn1",
		     "../0000:01:00.2");
	take_well(s, "passthru0=disk0-vf1\npassthru_managed=yes\n",
		  "0000:01:00.2");
	give_back(s);
}

static void test_pool(void **state)
{
	struct scene *s = *state;

	name_give(s, "disk0", "0000:01:00.0", false);
	name_give(s, "nic0", "0000:02:00.0", false);
	assert_int_equal(
	    pcinames_set_pool(&s->place, "any", "disk0 nic0", &s->err), 0);
	take_well(s, "passthru0=pool:any\npassthru_managed=yes\n",
		  "0000:01:00.0");
	assert_true(s->functions.fn[0].alone);
	give_back(s);
	take_well(s,
		  "passthru0=pool:any\npassthru1=pool:any\n"
		  "passthru_managed=yes\n",
		  "0000:01:00.0 0000:02:00.0");
	give_back(s);
	assert_int_equal(take(s, "passthru0=pool:any\n"), -EBUSY);
	assert_text(
	    s->err,
	    "F:1: passthru0: none of the 2 devices of pool 'any' is free; "
	    "disk0: 0000:01:00.0 (1/0/0): bound to nvme, not vfio-pci; run 'vm "
	    "passthru reserve 1/0/0'; nic0: 0000:02:00.0 (2/0/0): bound to "
	    "e1000e, not vfio-pci; run 'vm passthru reserve 2/0/0'");
	assert_int_equal(take(s, "passthru0=pool:none\n"), -ENOENT);
	assert_text(s->err, "F:1: passthru0: 'none': there is no such pool; "
			    "'vm passthru pool' lists them");
}

/* Only looking: nothing is bound, nothing has to be free. */
static void test_resolve(void **state)
{
	struct scene *s = *state;
	struct hostpci *host;
	struct pcinames names;

	name_give(s, "disk0", "0000:01:00.0", false);
	assert_int_equal(
	    pcinames_set_pool(&s->place, "any", "gone disk0", &s->err), 0);
	conf_use(s, "passthru0=pool:any\npassthru1=4/0\npassthru2=9/0/0\n"
		    "passthru3=2/0/0\n");
	host = fixture_open(s->f);
	assert_int_equal(pcinames_load(&s->place, host, &s->err, &names), 0);
	claims_resolve(&names, s->conf, &s->functions);
	assert_int_equal(s->functions.count, 5);
	assert_string_equal(s->functions.fn[0].address, "0000:01:00.0");
	assert_true(s->functions.fn[0].alone);
	assert_string_equal(s->functions.fn[2].bdf, "0000:04:00.1");
	assert_true(s->functions.fn[3].dropped);
	assert_string_equal(s->functions.fn[4].address, "2/0/0");
	assert_string_equal(s->f->log, "");
	pcinames_free(&names);
	hostpci_close(host);
}

/* ---- what the guest had, and what it can do without ---- */

static void test_known(void **state)
{
	struct scene *s = *state;
	const char *text = "passthru0=1/0/0\npassthru_managed=yes\n";

	take_well(s, text, "0000:01:00.0");
	give_back(s);
	take_well(s, text, "0000:01:00.0");
	give_back(s);
	/* A card more in front: another NVMe is 1/0/0 now. */
	dev_move(s, NVME_AT, "0000:00:1c.0/0000:06:00.0", 0);
	dev_move(s, "0000:00:1c.2/0000:03:00.0", "0000:00:1b.0/0000:01:00.0",
		 0);
	assert_int_equal(take(s, text), -ENODEV);
	assert_text(s->err,
		    "F:1: passthru0: 0000:01:00.0 (1/0/0) is not the device "
		    "this guest had there; that is at 0000:06:00.0 (6/0/0) "
		    "now; write what is meant, or 'vm passthru accept demo' "
		    "takes what is there now");
	driver_is(s, "0000:01:00.0", "nvme");
	/* Another address is another wish. */
	take_well(s, "passthru0=6/0/0\npassthru_managed=yes\n", "0000:06:00.0");
	give_back(s);
	take_well(s, text, "0000:01:00.0");
	give_back(s);
}

static void test_optional(void **state)
{
	struct scene *s = *state;

	take_well(s,
		  "passthru0=9/0/0\npassthru0_required=no\npassthru1=1/0/0\n"
		  "passthru_managed=yes\n",
		  "0000:01:00.0");
	assert_string_equal(
	    s->told,
	    "the guest is started without passthru0: 0000:09:00.0 (9/0/0): no "
	    "such device; 'vm passthru' lists what there is\n"
	    "passthru 1/0/0 (0000:01:00.0): taken from nvme\n");
	assert_int_equal(s->functions.count, 2);
	assert_true(s->functions.fn[0].dropped);
	assert_false(s->functions.fn[1].dropped);
	give_back(s);
}

/* ---- histories and quarantine ---- */

static void status_fill(struct status *st, bool ok, const char *text)
{
	*st = (struct status){
	    .kind = STATUS_DEVICE, .method = "flr", .ms = 12, .ok = ok};
	strcpy(st->bdf, "0000:01:00.0");
	strcpy(st->selector, "1/0/0");
	strcpy(st->text, text);
}

static void test_quarantine(void **state)
{
	struct scene *s = *state;
	const char *text = "passthru0=1/0/0\npassthru_managed=yes\n";
	char key[DEVLOG_KEY_MAX];
	struct status st;

	take_well(s, text, "0000:01:00.0");
	give_back(s);
	strcpy(key, s->functions.fn[0].key);
	assert_string_equal(key, "1b36-0010-0000:00-1c.0-00.0");
	status_fill(&st, false, "vendor reads \"ffff\"\t#");
	assert_int_equal(quarantine_set(&s->place, key, "demo", &st, &s->err),
			 0);
	assert_int_equal(take(s, text), -EHOSTDOWN);
	assert_non_null(strstr(
	    s->err.msg, "F:1: passthru0: 0000:01:00.0 (1/0/0): in quarantine "
			"since "));
	assert_non_null(strstr(
	    s->err.msg,
	    "did not come back from a reset (flr) under guest 'demo': vendor "
	    "reads 'ffff' '; 'vm passthru clear 1/0/0' or a reboot"));
	driver_is(s, "0000:01:00.0", "nvme");
	take_well(s,
		  "passthru0=1/0/0\npassthru_managed=yes\n"
		  "passthru0_required=no\n",
		  "");
	assert_int_equal(quarantine_clear(&s->place, key, &s->err), 1);
	assert_int_equal(quarantine_clear(&s->place, key, &s->err), 0);
	take_well(s, text, "0000:01:00.0");
	give_back(s);
	/* Of another boot: the host has been off since. */
	fixture_file(s->f,
		     "vms/.config/passthru/quarantine/"
		     "1b36-0010-0000:00-1c.0-00.0",
		     "boot=\"other\"\n");
	take_well(s, text, "0000:01:00.0");
	give_back(s);
}

static void test_history(void **state)
{
	struct scene *s = *state;
	CLEANUP_FREE char *text = NULL;
	struct devlog_line line;
	struct status st;
	struct stat file;
	char path[256];
	unsigned lines = 0;

	status_fill(&st, true, "tab\there\n");
	/* More than fits. */
	for (unsigned i = 0; i < 1500; i++) {
		st.ms = i;
		assert_int_equal(
		    devlog_append(&s->place, "key", "demo", &st, &s->err), 0);
	}
	snprintf(path, sizeof(path), "%s/.config/passthru/history/key",
		 s->place.dir);
	assert_int_equal(stat(path, &file), 0);
	assert_in_range(file.st_size, 1, DEVLOG_LIMIT + 640);
	assert_int_equal(devlog_read(&s->place, "key", &s->err, &text), 0);
	for (char *at = text, *next; (next = strchr(at, '\n')); at = next + 1) {
		*next = '\0';
		assert_int_equal(devlog_parse(at, &line), 0);
		lines++;
	}
	assert_true(lines > 300);
	/* The last one is the newest. */
	assert_int_equal(line.ms, 1499);
	assert_string_equal(line.text, "tab here ");
	assert_string_equal(line.guest, "demo");
	assert_string_equal(line.bdf, "0000:01:00.0");
	assert_true(line.ok);
}

static void test_history_lines(void **state)
{
	static const char *const bad[] = {
	    "",
	    "a\tb\tc\td\t1\tok",
	    "a\tb\tc\td\t-1\tok\t",
	    "a\tb\tc\td\t1x\tok\t",
	    "a\tb\tc\td\t1\tgood\t",
	    "a\tb\tc\td\t1\tok\tx\ty",
	    "a\tb\tc\td\t1\tok\t\033[2J",
	    "a\tb\tc\td\t99999999999\tok\tx",
	};
	struct devlog_line line;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(devlog_parse(bad[i], &line), -EINVAL);
	assert_int_equal(devlog_parse("a\tb\tc\td\t1\tfailed\t", &line), 0);
	assert_false(line.ok);
}

static void test_key(void **state)
{
	struct hostpci_identity identity;
	char key[DEVLOG_KEY_MAX];

	(void)state;
	assert_int_equal(
	    hostpci_identity_parse("10de:1bb3 10de:11d8 "
				   "00-11-22-33-44-55-66-77 "
				   "0000:00/1c.0/00.1 0000:03:00.1",
				   &identity),
	    0);
	devlog_key(&identity, key);
	assert_string_equal(key, "10de-1bb3-sn-0011223344556677-1");
	strcpy(identity.place, "0000:00/1c.0/00.0/vf3");
	devlog_key(&identity, key);
	assert_string_equal(key, "10de-1bb3-sn-0011223344556677-vf3");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_served),	     TEST(test_managed),
	    TEST(test_not_managed),  TEST(test_managed_fails),
	    TEST(test_managed_left), TEST(test_siblings),
	    TEST(test_slot),	     TEST(test_name),
	    TEST(test_name_serial),  TEST(test_names_broken),
	    TEST(test_vf_name),	     TEST(test_pool),
	    TEST(test_resolve),	     TEST(test_known),
	    TEST(test_optional),     TEST(test_quarantine),
	    TEST(test_history),	     TEST(test_history_lines),
	    TEST(test_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
