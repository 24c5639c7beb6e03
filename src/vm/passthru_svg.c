/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vm passthru --svg: the host's PCI buses as a picture.
 *
 * A row for each function below the bridge it is behind, joined by lines; a
 * box says by its colour whose it is (a bridge, the host's, without a driver,
 * reserved, a running guest's) and by its words what it is. Members of an IOMMU
 * group that has several have a bar at the right edge, in one lane a group. The
 * same host gives the same picture. What comes from the host or from files is
 * escaped.
 */
#include <string.h>

#include "vm/passthru.h"

#define ROW_HEIGHT  34
#define BOX_HEIGHT  26
#define INDENT	    28
#define MARGIN	    16
#define HEAD_HEIGHT 64
#define BOX_WIDTH   520
#define DEPTH_MAX   24
#define LANE_WIDTH  12
#define LANES_MAX   16

struct svg_row {
	const struct hostpci_dev *dev;
	unsigned depth;
	int parent; /* row of the bridge, -1 */
};

struct svg {
	const struct pciview *view;
	struct svg_row *row;
	size_t count;
	unsigned depth; /* of the deepest */
	FILE *out;
};

enum owner {
	OWNER_BRIDGE,
	OWNER_HOST,
	OWNER_NOBODY,
	OWNER_RESERVED,
	OWNER_GUEST,
};

static const struct {
	const char *label, *fill, *stroke;
} owners[] = {
    [OWNER_BRIDGE] = {"bridge", "#eeeeee", "#888888"},
    [OWNER_HOST] = {"host driver", "#dbe9f9", "#3a6ea5"},
    [OWNER_NOBODY] = {"no driver", "#ffffff", "#888888"},
    [OWNER_RESERVED] = {"reserved (vfio-pci)", "#dff3df", "#3d8b40"},
    [OWNER_GUEST] = {"running guest", "#ffe3c2", "#c46a00"},
};

static enum owner owner_of(const struct svg *svg, const struct hostpci_dev *dev)
{
	const struct claim *claim = claims_find(&svg->view->claims, dev->bdf);

	if (claim && claim->running)
		return OWNER_GUEST;
	if (hostpci_ready(dev))
		return OWNER_RESERVED;
	if (hostpci_is_bridge(dev))
		return OWNER_BRIDGE;
	return dev->driver[0] ? OWNER_HOST : OWNER_NOBODY;
}

/* Up to `max` characters of UTF-8, or bytes of what is not. */
static void text_put(FILE *out, const char *text, size_t max)
{
	size_t n = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c & 0xc0) != 0x80 && n++ == max) {
			fputs("...", out);
			return;
		}
		if (c == '&')
			fputs("&amp;", out);
		else if (c == '<')
			fputs("&lt;", out);
		else if (c == '>')
			fputs("&gt;", out);
		else if (c == '"')
			fputs("&quot;", out);
		else if (c < ' ' || c == 0x7f)
			fputc('?', out);
		else
			fputc(c, out);
	}
}

/* ---- layout ---- */

/* The bridge it is behind, "" when there is none that can be drawn. */
static const char *parent_of(const struct hostpci *host,
			     const struct hostpci_dev *dev)
{
	struct hostpci_addr addr;

	if (!dev->parent[0] ||
	    hostpci_parse_addr(dev->parent, NULL, &addr) < 0 ||
	    !hostpci_find(host, addr))
		return "";
	return dev->parent;
}

static void rows_add(struct svg *svg, const char *parent, int parent_row,
		     unsigned depth)
{
	const struct hostpci *host = svg->view->host;

	for (size_t i = 0; i < hostpci_count(host); i++) {
		const struct hostpci_dev *dev = hostpci_at(host, i);
		int row = (int)svg->count;

		if (strcmp(parent_of(host, dev), parent) != 0)
			continue;
		svg->row[svg->count++] =
		    (struct svg_row){dev, depth, parent_row};
		svg->depth = MAX(svg->depth, depth);
		if (depth < DEPTH_MAX)
			rows_add(svg, dev->bdf, row, depth + 1);
	}
}

static int row_x(const struct svg_row *row)
{
	return MARGIN + (int)row->depth * INDENT;
}

static int row_y(size_t index)
{
	return HEAD_HEIGHT + (int)index * ROW_HEIGHT;
}

/* How many rows are in the group. */
static unsigned group_size(const struct svg *svg, int group)
{
	unsigned size = 0;

	for (size_t i = 0; i < svg->count; i++)
		size += svg->row[i].dev->iommu_group == group;
	return size;
}

/* ---- drawing ---- */

static void head_put(const struct svg *svg, int width)
{
	int x = MARGIN;

	fprintf(svg->out,
		"<text x=\"%d\" y=\"24\" font-size=\"16\" "
		"font-weight=\"bold\">PCI functions of this host</text>\n",
		MARGIN);
	for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
		fprintf(svg->out,
			"<rect x=\"%d\" y=\"36\" width=\"14\" height=\"14\" "
			"fill=\"%s\" stroke=\"%s\"/>\n"
			"<text x=\"%d\" y=\"48\">%s</text>\n",
			x, owners[i].fill, owners[i].stroke, x + 20,
			owners[i].label);
		x += 40 + 8 * (int)strlen(owners[i].label);
	}
	fprintf(svg->out,
		"<text x=\"%d\" y=\"48\" text-anchor=\"end\">IOMMU group"
		"</text>\n",
		width - MARGIN);
}

/* Down from the bridge, then across. */
static void line_put(const struct svg *svg, size_t index)
{
	const struct svg_row *row = &svg->row[index];
	int x, y = row_y(index) + BOX_HEIGHT / 2;

	if (row->parent < 0)
		return;
	x = row_x(&svg->row[row->parent]) + INDENT / 2;
	fprintf(svg->out,
		"<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#888888\"/>\n",
		x, row_y((size_t)row->parent) + BOX_HEIGHT, y, row_x(row));
}

static void words_put(const struct svg *svg, const struct hostpci_dev *dev)
{
	const struct claim *claim = claims_find(&svg->view->claims, dev->bdf);
	char name[PCINAME_SIZE + 8];

	pcinames_of(&svg->view->names, dev, name);
	fprintf(svg->out, "<tspan font-weight=\"bold\">%s</tspan>",
		pcidev_typed(dev));
	if (name[0]) {
		fputs(" ", svg->out);
		text_put(svg->out, name, 40);
	}
	if (dev->driver[0]) {
		fputs(" [", svg->out);
		text_put(svg->out, dev->driver, 24);
		fputs("]", svg->out);
	}
	if (claim) {
		fputs(claim->running ? " guest " : " for guest ", svg->out);
		text_put(svg->out, claim->guest, 24);
	}
	fputs(" <tspan fill=\"#555555\">", svg->out);
	text_put(svg->out, hostpci_device_name(dev), claim ? 24 : 40);
	fputs("</tspan>", svg->out);
}

static void row_put(const struct svg *svg, size_t index)
{
	const struct svg_row *row = &svg->row[index];
	enum owner owner = owner_of(svg, row->dev);
	int x = row_x(row), y = row_y(index);

	fprintf(svg->out, "<g><title>%s ", row->dev->bdf);
	text_put(svg->out, hostpci_device_name(row->dev), 120);
	fprintf(svg->out,
		"</title>\n<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
		"rx=\"3\" fill=\"%s\" stroke=\"%s\"/>\n"
		"<text x=\"%d\" y=\"%d\">",
		x, y, BOX_WIDTH, BOX_HEIGHT, owners[owner].fill,
		owners[owner].stroke, x + 8, y + 18);
	words_put(svg, row->dev);
	fputs("</text></g>\n", svg->out);
}

/* The number of each row's group, and bars for groups of several. */
static void groups_put(const struct svg *svg, int width)
{
	int lane_group[LANES_MAX], lanes = 0;

	for (size_t i = 0; i < svg->count; i++) {
		int group = svg->row[i].dev->iommu_group, y = row_y(i), lane;

		if (group == HOSTPCI_NO_GROUP)
			continue;
		fprintf(svg->out,
			"<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d"
			"</text>\n",
			width - MARGIN, y + 18, group);
		if (group_size(svg, group) < 2)
			continue;
		for (lane = 0; lane < lanes && lane_group[lane] != group;)
			lane++;
		if (lane == LANES_MAX)
			continue;
		if (lane == lanes)
			lane_group[lanes++] = group;
		fprintf(svg->out,
			"<rect x=\"%d\" y=\"%d\" width=\"5\" height=\"%d\" "
			"fill=\"hsl(%d,60%%,50%%)\"/>\n",
			width - MARGIN - 44 - lane * LANE_WIDTH, y - 2,
			ROW_HEIGHT - 2, lane * 67 % 360);
	}
}

static void svg_put(const struct svg *svg)
{
	int width = 2 * MARGIN + (int)svg->depth * INDENT + BOX_WIDTH + 60 +
		    LANES_MAX * LANE_WIDTH / 2;
	int height = row_y(svg->count) + MARGIN;

	fprintf(svg->out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
		"height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\""
		" font-size=\"13\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
		width, height, width, height);
	head_put(svg, width);
	for (size_t i = 0; i < svg->count; i++)
		line_put(svg, i);
	for (size_t i = 0; i < svg->count; i++)
		row_put(svg, i);
	groups_put(svg, width);
	fputs("</svg>\n", svg->out);
}

int passthru_svg(const struct place *place)
{
	CLEANUP_PCIVIEW struct pciview view = {0};
	struct svg svg = {.view = &view, .out = stdout};

	if (pciview_open(place, &view) != 0)
		return 1;
	svg.row = calloc(hostpci_count(view.host) + 1, sizeof(*svg.row));
	if (!svg.row)
		return say_error("out of memory");
	rows_add(&svg, "", -1, 0);
	svg_put(&svg);
	free(svg.row);
	return 0;
}
