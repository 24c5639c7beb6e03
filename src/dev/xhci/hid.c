/* SPDX-License-Identifier: BSD-2-Clause */
/* What all USB input devices answer; the contract is in hid.h. */
#include "dev/xhci/hid.h"

#include <endian.h>
#include <string.h>

/*
 * No vendor number is ours. fb5d is not registered with the USB-IF and is the
 * one bhyve's tablet uses; the product numbers differ from bhyve's.
 */
#define HID_VENDOR 0xfb5d

#define HID_CONFIGURATION    1u
#define HID_ENDPOINT	     1u
#define HID_ENDPOINT_ADDRESS (USB_DIR_IN | HID_ENDPOINT)
#define HID_PACKET0	     64u
#define HID_FULL_SPEED_MS    8u	 /* interval if it ran at full speed */
#define HID_CONFIG_MAX_POWER 50u /* 100 mA */

enum {
	STRING_LANGUAGES,
	STRING_MANUFACTURER,
	STRING_PRODUCT,
};

struct hid_config {
	struct usb_configuration_desc configuration;
	struct usb_interface_desc interface;
	struct usb_hid_desc hid;
	struct usb_endpoint_desc endpoint;
} USB_PACKED;

static void set_configuration(struct hid *hid, uint8_t value)
{
	hid->configuration = value;
	hid->halted = false;
	hid->idle = 0;
	hid->protocol = USB_HID_REPORT_PROTOCOL;
	hid->kind->forget(hid);
}

void hid_reset(struct hid *hid)
{
	hid->address = 0;
	hid->leds = 0;
	set_configuration(hid, 0);
}

/* ---- descriptors ---- */

static int answer(uint8_t to[HID_CONTROL_MAX], const void *from, size_t len)
{
	memcpy(to, from, len);
	return (int)len;
}

static int answer_byte(uint8_t to[HID_CONTROL_MAX], uint8_t byte)
{
	to[0] = byte;
	return 1;
}

static int answer_status(uint8_t to[HID_CONTROL_MAX], bool halted)
{
	to[0] = halted;
	to[1] = 0;
	return 2;
}

static struct usb_hid_desc hid_descriptor(const struct hid_kind *kind)
{
	return (struct usb_hid_desc){
	    .bLength = sizeof(struct usb_hid_desc),
	    .bDescriptorType = USB_DESC_HID,
	    .bcdHID = htole16(0x0111),
	    .bNumDescriptors = 1,
	    .bReportType = USB_DESC_REPORT,
	    .wReportLength = htole16(kind->map_len),
	};
}

static int answer_device(const struct hid_kind *kind,
			 uint8_t to[HID_CONTROL_MAX])
{
	const struct usb_device_desc desc = {
	    .bLength = sizeof(desc),
	    .bDescriptorType = USB_DESC_DEVICE,
	    .bcdUSB = htole16(0x0200),
	    .bMaxPacketSize0 = HID_PACKET0,
	    .idVendor = htole16(HID_VENDOR),
	    .idProduct = htole16(kind->product_id),
	    .bcdDevice = htole16(0x0100),
	    .iManufacturer = STRING_MANUFACTURER,
	    .iProduct = STRING_PRODUCT,
	    .bNumConfigurations = 1,
	};

	return answer(to, &desc, sizeof(desc));
}

static int answer_qualifier(uint8_t to[HID_CONTROL_MAX])
{
	const struct usb_qualifier_desc desc = {
	    .bLength = sizeof(desc),
	    .bDescriptorType = USB_DESC_QUALIFIER,
	    .bcdUSB = htole16(0x0200),
	    .bMaxPacketSize0 = HID_PACKET0,
	    .bNumConfigurations = 1,
	};

	return answer(to, &desc, sizeof(desc));
}

static int answer_config(const struct hid_kind *kind, uint8_t type,
			 uint8_t to[HID_CONTROL_MAX])
{
	const struct hid_config desc = {
	    .configuration =
		{
		    .bLength = sizeof(desc.configuration),
		    .bDescriptorType = type,
		    .wTotalLength = htole16(sizeof(desc)),
		    .bNumInterfaces = 1,
		    .bConfigurationValue = HID_CONFIGURATION,
		    .bmAttributes = USB_CONFIG_ATTRIBUTES,
		    .bMaxPower = HID_CONFIG_MAX_POWER,
		},
	    .interface =
		{
		    .bLength = sizeof(desc.interface),
		    .bDescriptorType = USB_DESC_INTERFACE,
		    .bNumEndpoints = 1,
		    .bInterfaceClass = USB_CLASS_HID,
		    .bInterfaceSubClass = kind->subclass,
		    .bInterfaceProtocol = kind->protocol,
		},
	    .hid = hid_descriptor(kind),
	    .endpoint =
		{
		    .bLength = sizeof(desc.endpoint),
		    .bDescriptorType = USB_DESC_ENDPOINT,
		    .bEndpointAddress = HID_ENDPOINT_ADDRESS,
		    .bmAttributes = USB_ENDPOINT_INTERRUPT,
		    .wMaxPacketSize = htole16(HID_REPORT_MAX),
		    .bInterval = type == USB_DESC_OTHER_SPEED
				     ? HID_FULL_SPEED_MS
				     : kind->interval,
		},
	};

	return answer(to, &desc, sizeof(desc));
}

/* ASCII to UTF-16; the texts are ours and short. */
static int answer_text(uint8_t to[HID_CONTROL_MAX], const char *text)
{
	size_t len = strlen(text), i;

	to[0] = (uint8_t)(2 + 2 * len);
	to[1] = USB_DESC_STRING;
	for (i = 0; i < len; i++) {
		to[2 + 2 * i] = (uint8_t)text[i];
		to[3 + 2 * i] = 0;
	}
	return to[0];
}

static int answer_string(const struct hid_kind *kind, uint8_t index,
			 uint8_t to[HID_CONTROL_MAX])
{
	static const uint8_t languages[] = {
	    4, USB_DESC_STRING, USB_LANGUAGE_US & 0xff, USB_LANGUAGE_US >> 8};

	switch (index) {
	case STRING_LANGUAGES:
		return answer(to, languages, sizeof(languages));
	case STRING_MANUFACTURER:
		return answer_text(to, "byway");
	case STRING_PRODUCT:
		return answer_text(to, kind->product);
	default:
		return -EPIPE;
	}
}

static int device_descriptor(const struct hid *hid, uint16_t value,
			     uint8_t to[HID_CONTROL_MAX])
{
	uint8_t type = (uint8_t)(value >> 8), index = (uint8_t)value;

	if (type == USB_DESC_STRING)
		return answer_string(hid->kind, index, to);
	if (index)
		return -EPIPE;
	switch (type) {
	case USB_DESC_DEVICE:
		return answer_device(hid->kind, to);
	case USB_DESC_QUALIFIER:
		return answer_qualifier(to);
	case USB_DESC_CONFIGURATION:
	case USB_DESC_OTHER_SPEED:
		return answer_config(hid->kind, type, to);
	default:
		return -EPIPE;
	}
}

static int interface_descriptor(const struct hid *hid, uint16_t value,
				uint8_t to[HID_CONTROL_MAX])
{
	const struct usb_hid_desc desc = hid_descriptor(hid->kind);

	switch (value) {
	case USB_DESC_HID << 8:
		return answer(to, &desc, sizeof(desc));
	case USB_DESC_REPORT << 8:
		return answer(to, hid->kind->map, hid->kind->map_len);
	default:
		return -EPIPE;
	}
}

/* ---- requests ---- */

static int endpoint_feature(struct hid *hid, const struct usb_setup *setup,
			    bool set)
{
	if (le16toh(setup->wValue) != USB_FEATURE_ENDPOINT_HALT)
		return -EPIPE;
	if ((le16toh(setup->wIndex) & 0xff) == HID_ENDPOINT_ADDRESS)
		hid->halted = set;
	else if (le16toh(setup->wIndex) & 0x0f)
		return -EPIPE;
	return 0;
}

static int endpoint_status(const struct hid *hid, uint16_t index, uint8_t *to)
{
	if ((index & 0xff) == HID_ENDPOINT_ADDRESS)
		return answer_status(to, hid->halted);
	return index & 0x0f ? -EPIPE : answer_status(to, false);
}

static int device_request(struct hid *hid, const struct usb_setup *setup,
			  uint8_t to[HID_CONTROL_MAX])
{
	uint16_t value = le16toh(setup->wValue);

	switch (USB_REQUEST(setup->bmRequestType, setup->bRequest)) {
	case USB_REQUEST(USB_DIR_IN, USB_GET_STATUS):
		return answer_status(to, false);
	case USB_REQUEST(USB_DIR_IN, USB_GET_DESCRIPTOR):
		return device_descriptor(hid, value, to);
	case USB_REQUEST(USB_DIR_IN, USB_GET_CONFIGURATION):
		return answer_byte(to, hid->configuration);
	case USB_REQUEST(0, USB_SET_CONFIGURATION):
		if (value > HID_CONFIGURATION)
			return -EPIPE;
		set_configuration(hid, (uint8_t)value);
		return 0;
	default:
		/* SET_ADDRESS is the controller's; no remote wakeup, no tests
		 */
		return -EPIPE;
	}
}

static int interface_request(struct hid *hid, const struct usb_setup *setup,
			     uint8_t to[HID_CONTROL_MAX])
{
	uint16_t value = le16toh(setup->wValue);

	if (le16toh(setup->wIndex) != 0)
		return -EPIPE;
	switch (USB_REQUEST(setup->bmRequestType, setup->bRequest)) {
	case USB_REQUEST(USB_DIR_IN | USB_TO_INTERFACE, USB_GET_DESCRIPTOR):
		return interface_descriptor(hid, value, to);
	case USB_REQUEST(USB_DIR_IN | USB_TO_INTERFACE, USB_GET_STATUS):
		return answer_status(to, false);
	case USB_REQUEST(USB_DIR_IN | USB_TO_INTERFACE, USB_GET_INTERFACE):
		return hid->configuration ? answer_byte(to, 0) : -EPIPE;
	case USB_REQUEST(USB_TO_INTERFACE, USB_SET_INTERFACE):
		return hid->configuration && value == 0 ? 0 : -EPIPE;
	default:
		return -EPIPE;
	}
}

static int endpoint_request(struct hid *hid, const struct usb_setup *setup,
			    uint8_t to[HID_CONTROL_MAX])
{
	switch (USB_REQUEST(setup->bmRequestType, setup->bRequest)) {
	case USB_REQUEST(USB_DIR_IN | USB_TO_ENDPOINT, USB_GET_STATUS):
		return endpoint_status(hid, le16toh(setup->wIndex), to);
	case USB_REQUEST(USB_TO_ENDPOINT, USB_SET_FEATURE):
		return endpoint_feature(hid, setup, true);
	case USB_REQUEST(USB_TO_ENDPOINT, USB_CLEAR_FEATURE):
		return endpoint_feature(hid, setup, false);
	default:
		return -EPIPE;
	}
}

static int get_report(const struct hid *hid, uint8_t type,
		      uint8_t to[HID_CONTROL_MAX])
{
	uint8_t report[HID_REPORT_MAX];

	if (type == USB_HID_OUTPUT && hid->kind->leds)
		return answer_byte(to, hid->leds);
	if (type != USB_HID_INPUT)
		return -EPIPE;
	hid->kind->now(hid, report);
	return answer(to, report, hid->kind->report_len);
}

static int get_class(const struct hid *hid, const struct usb_setup *setup,
		     uint8_t to[HID_CONTROL_MAX])
{
	switch (setup->bRequest) {
	case USB_HID_GET_REPORT:
		return get_report(hid, (uint8_t)(le16toh(setup->wValue) >> 8),
				  to);
	case USB_HID_GET_IDLE:
		return answer_byte(to, hid->idle);
	case USB_HID_GET_PROTOCOL:
		if (hid->kind->subclass == USB_HID_SUBCLASS_BOOT)
			return answer_byte(to, hid->protocol);
		return -EPIPE;
	default:
		return -EPIPE;
	}
}

static int set_class(struct hid *hid, const struct usb_setup *setup,
		     const uint8_t *out, size_t out_len)
{
	uint16_t value = le16toh(setup->wValue);

	switch (setup->bRequest) {
	case USB_HID_SET_REPORT:
		if (value >> 8 != USB_HID_OUTPUT || !hid->kind->leds ||
		    out_len < 1)
			return -EPIPE;
		hid->leds = out[0] & 0x1f;
		return 0;
	case USB_HID_SET_IDLE:
		hid->idle = (uint8_t)(value >> 8);
		return 0;
	case USB_HID_SET_PROTOCOL:
		if (hid->kind->subclass != USB_HID_SUBCLASS_BOOT || value > 1)
			return -EPIPE;
		hid->protocol = (uint8_t)value;
		return 0;
	default:
		return -EPIPE;
	}
}

int hid_control(struct hid *hid, const struct usb_setup *setup,
		const uint8_t *out, size_t out_len,
		uint8_t ret_answer[HID_CONTROL_MAX])
{
	switch (setup->bmRequestType & ~USB_DIR_IN) {
	case USB_TO_DEVICE:
		return device_request(hid, setup, ret_answer);
	case USB_TO_INTERFACE:
		return interface_request(hid, setup, ret_answer);
	case USB_TO_ENDPOINT:
		return endpoint_request(hid, setup, ret_answer);
	case USB_TYPE_CLASS | USB_TO_INTERFACE:
		if (le16toh(setup->wIndex) != 0)
			return -EPIPE;
		if (setup->bmRequestType & USB_DIR_IN)
			return get_class(hid, setup, ret_answer);
		return set_class(hid, setup, out, out_len);
	default:
		return -EPIPE;
	}
}

int hid_in(struct hid *hid, unsigned endpoint,
	   uint8_t ret_report[HID_REPORT_MAX])
{
	if (!hid->configuration || endpoint != HID_ENDPOINT)
		return -ENODEV;
	if (hid->halted)
		return -EPIPE;
	if (!hid->kind->next(hid, ret_report))
		return -EAGAIN;
	return hid->kind->report_len;
}
