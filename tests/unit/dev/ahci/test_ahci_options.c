/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of the AHCI models: what -s becomes, and what is refused how. */
#include "ahci_fixture.h"

#include <string.h>

#include "dev/ahci/ahci_models.h"

/* The configuration that `-s 4:0,MODEL,OPTS` leads to, as -o config.dump. */
static void leads_to(const struct pci_model *model, const char *opts,
		     const char *want)
{
	struct cfg *root = cfg_create(), *node;
	char *text = NULL;
	struct err err;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(root);
	assert_non_null(out);
	assert_int_equal(cfg_make(root, "n", &err, &node), 0);
	assert_int_equal(cfg_set(node, "device", model->name, &err), 0);
	if (model->parse(node, opts, &err))
		fail_msg("%s", err.msg);
	cfg_dump(root, out);
	fclose(out);
	assert_string_equal(text, want);
	free(text);
	cfg_destroy(root);
}

static void test_parse(void **state UNUSED)
{
	leads_to(&ahci_model, "hd:/a.img,hd:/b.img,ro,ser=X=Y,cd:/c.iso",
		 "n.device=ahci\n"
		 "n.port.0.type=hd\nn.port.0.path=/a.img\n"
		 "n.port.1.type=hd\nn.port.1.path=/b.img\n"
		 "n.port.1.ro=true\nn.port.1.ser=X=Y\n"
		 "n.port.2.type=cd\nn.port.2.path=/c.iso\n");
	leads_to(&ahci_model, "/a=b.img,nocache,,/c.img,sectorsize=512/4096",
		 "n.device=ahci\n"
		 "n.port.0.type=hd\nn.port.0.path=/a=b.img\n"
		 "n.port.0.nocache=true\n"
		 "n.port.1.type=hd\nn.port.1.path=/c.img\n"
		 "n.port.1.sectorsize=512/4096\n");
	leads_to(&ahci_model, "disk.img,bootindex=1",
		 "n.device=ahci\n"
		 "n.port.0.type=hd\nn.port.0.path=disk.img\n"
		 "n.port.0.bootindex=1\n");
	leads_to(&ahci_hd_model, "/a.img,nmrr=7200,model=M",
		 "n.device=ahci\n"
		 "n.port.0.type=hd\nn.port.0.path=/a.img\n"
		 "n.port.0.nmrr=7200\nn.port.0.model=M\n");
	leads_to(&ahci_hd_model, "path=/a.img,ro",
		 "n.device=ahci\n"
		 "n.port.0.type=hd\nn.port.0.path=/a.img\n"
		 "n.port.0.ro=true\n");
	leads_to(&ahci_cd_model, "/c.iso",
		 "n.device=ahci\n"
		 "n.port.0.type=cd\nn.port.0.path=/c.iso\n");
	leads_to(&ahci_cd_model, "", "n.device=ahci\nn.port.0.type=cd\n");
	leads_to(&ahci_cd_model, "rev=2",
		 "n.device=ahci\nn.port.0.type=cd\nn.port.0.rev=2\n");
}

static void test_too_many(void **state UNUSED)
{
	struct cfg *root = cfg_create();
	char opts[33 * 6 + 1] = "";
	struct err err;
	unsigned i;

	for (i = 0; i < 33; i++)
		memcpy(opts + 6 * i, "hd:/a,", 7);
	assert_int_equal(ahci_model.parse(root, opts, &err), -E2BIG);
	assert_string_equal(err.msg, "ahci: hd:/a: one controller has 32"
				     " ports; put it on another slot");
	cfg_destroy(root);
}

/* Creation from this node fails with this sentence and leaves nothing. */
static void refused(const struct pci_model *model, const char *list,
		    const char *sentence)
{
	struct world w;
	struct err err = {0};
	unsigned i;

	world_create(&w);
	assert_true(
	    model->create(&w.env, AHCI_ADDR, world_node(&w, list), &err) < 0);
	assert_string_equal(err.msg, sentence);
	assert_null(pci_host_find(w.pci, AHCI_ADDR));
	for (i = 0; i < DISKS; i++)
		assert_null(disks[i]);
	world_destroy(&w);
}

static void test_refused(void **state UNUSED)
{
	refused(&ahci_model, "device=ahci",
		"ahci: no drive given; name one, as in"
		" 'ahci,hd:/vm/guest/disk0.img'");
	refused(&ahci_model, "port.0.type=hd",
		"ahci port 0: no disk file given; name one, as in"
		" 'ahci,hd:/vm/guest/disk0.img'");
	refused(&ahci_model, "port.0.path=/a,port.3.path=/missing.img",
		"ahci port 3: /missing.img: no such disk file");
	refused(&ahci_model, "port.32.path=/a",
		"ahci: port.32: ports are numbered 0 to 31");
	refused(&ahci_model, "port.x.path=/a",
		"ahci: port.x: ports are numbered 0 to 31");
	refused(&ahci_model, "port.1.path=/a,port.01.path=/b",
		"ahci port 1: given twice");
	refused(&ahci_model, "port.0.path=/a,port.0.type=dvd",
		"ahci port 0: type=dvd: expected hd (disk) or cd (CD drive)");
	refused(&ahci_model, "port.0.path=/a,port.0.ser=123456789012345678901",
		"ahci port 0: ser=123456789012345678901 is longer than 20"
		" characters");
	refused(&ahci_model, "port.0.path=/a,port.0.rev=123456789",
		"ahci port 0: rev=123456789 is longer than 8 characters");
	refused(&ahci_model,
		"port.0.path=/a,port.0.model=Festplatte gr\xc3\xb6",
		"ahci port 0: model=Festplatte gr\xc3\xb6: only printable"
		" ASCII fits in there");
	refused(&ahci_cd_model, "port.0.path=/a,port.0.sectorsize=4096",
		"ahci port 0: /a: its sectors of 4096 bytes are larger than a"
		" CD's of 2048; drop nocache or sectorsize, or copy it to a"
		" file");
	refused(&ahci_cd_model, "port.0.path=/tiny",
		"ahci port 0: /tiny: 512 bytes are less than one CD sector"
		" (2048); is it an ISO image?");
}

/* Sentences of the configuration tree: the object is named. */
static void test_refused_by_tree(void **state UNUSED)
{
	struct world w;
	struct err err = {0};

	world_create(&w);
	assert_int_equal(
	    ahci_model.create(&w.env, AHCI_ADDR,
			      world_node(&w, "port.0.path=/a,port.0.sre=1"),
			      &err),
	    -EINVAL);
	assert_non_null(strstr(err.msg, "ahci port 0: "));
	assert_non_null(strstr(err.msg, "sre"));
	world_destroy(&w);
	world_create(&w);
	assert_int_equal(
	    ahci_model.create(&w.env, AHCI_ADDR,
			      world_node(&w, "port.0.path=/a,port.0.nmrr=x"),
			      &err),
	    -EINVAL);
	assert_non_null(strstr(err.msg, "nmrr"));
	world_destroy(&w);
	world_create(&w);
	assert_int_equal(
	    ahci_model.create(&w.env, AHCI_ADDR,
			      world_node(&w, "port.0.path=/a,serial=1"), &err),
	    -EINVAL);
	assert_non_null(strstr(err.msg, "serial"));
	world_destroy(&w);
}

static void word_text(struct fixture *f, unsigned word, char *text, size_t len)
{
	const struct command c = {.command = ATA_IDENTIFY_DEVICE,
				  .len = ATA_BLOCK_BYTES};
	size_t i;

	ahci_ok(f, 0, &c);
	for (i = 0; i < len; i++)
		mem_get(&f->w, SLOT_DATA(0) + 2 * word + (i ^ 1), &text[i], 1);
	text[len] = '\0';
}

static void test_identity(void **state)
{
	struct fixture *f = ahci_build("hd:/disk0,ser=12345678901234567890,"
				       "rev=R2,model=Big Disk,nmrr=1");
	char text[41];

	word_text(f, ATA_ID_SERIAL, text, 20);
	assert_string_equal(text, "12345678901234567890");
	word_text(f, ATA_ID_FIRMWARE, text, 8);
	assert_string_equal(text, "R2      ");
	word_text(f, ATA_ID_MODEL, text, 40);
	assert_string_equal(text, "Big Disk                                ");
	assert_int_equal(mem_get16(&f->w, SLOT_DATA(0) + 2 * ATA_ID_ROTATION),
			 1);
	*state = f;
}

static void test_identity_default(void **state)
{
	struct fixture *f = ahci_build("hd:/disk0");
	char text[41];

	word_text(f, ATA_ID_MODEL, text, 40);
	assert_string_equal(text, "BYWAY SATA DISK                         ");
	/* From the path: the same in every run. */
	word_text(f, ATA_ID_SERIAL, text, 20);
	assert_string_equal(text, "BYWAY-C0D37A301041  ");
	*state = f;
}

/* A CD drive opens its image read-only whatever the options say. */
static void test_cd_is_read_only(void **state)
{
	struct fixture *f = ahci_build("cd:/disc,ro=false");

	assert_true(disks[0]->info.read_only);
	*state = f;
}

static int setup_nothing(void **state)
{
	*state = NULL;
	return 0;
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup_nothing, ahci_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_too_many),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_refused_by_tree),
	    TEST(test_identity),
	    TEST(test_identity_default),
	    TEST(test_cd_is_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
