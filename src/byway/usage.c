/* SPDX-License-Identifier: BSD-2-Clause */
/* Help texts of the command line. */
#include "byway/usage.h"

#include "machine/catalog.h"

static const char usage_text[] =
    "usage: byway [options] name\n"
    "\n"
    "  -c [[cpus=]N][,sockets=N][,cores=N][,threads=N]  virtual CPUs (1)\n"
    "  -m N[K|M|G|T]        guest memory (256M); a bare small number is in "
    "MiB\n"
    "  -s slot,device[,..]  PCI device at [bus:]slot[:function]; -s help\n"
    "  -l device[,..]       device on the LPC bridge (serial ports); -l help\n"
    "  -o var=value         set a configuration variable\n"
    "  -k file              read var=value lines\n"
    "  -p vcpu:hostcpu      pin a virtual CPU; repeat for more\n"
    "  -U uuid              the guest's UUID\n"
    "  -u                   real-time clock in UTC (default: local time)\n"
    "  -S                   lock guest memory; implied by passthru, which pins "
    "it\n"
    "  -C                   include guest memory in core dumps\n"
    "  -e                   end on access to a port that no device has\n"
    "  -w                   ignore unknown model-specific registers\n"
    "  -W                   virtio devices without MSI-X\n"
    "  -x, -a               offer x2APIC (default), or only xAPIC\n"
    "  -Y                   no MP table\n"
    "  -K layout            keyboard layout of the screen's clients (us)\n"
    "  -f name=N,string=S   a fw_cfg file for firmware and guest; or file=F\n"
    "  -h                   this help\n"
    "\n"
    "Boot firmware:       -l bootrom,FILE[,VARIABLES]\n"
    "Boot a Linux kernel: -o boot.kernel=FILE [-o boot.initrd=FILE]\n"
    "                     [-o boot.cmdline=TEXT]\n"
    "\n"
    "Accepted so that bhyve's command lines work, with no effect on Linux:\n"
    "  -A  ACPI tables are always made\n"
    "  -D  nothing of a guest stays in the kernel after power-off\n"
    "  -H, -P  the kernel always waits in HLT and PAUSE without burning a CPU\n"
    "  -I  obsolete\n"
    "\n"
    "Exit status: 0 reboot, 1 power-off, 2 halt, 3 triple fault, 4 error.\n"
    "SIGTERM presses the power button.\n";

void usage_print(FILE *out)
{
	fputs(usage_text, out);
}

void usage_devices(FILE *out, int letter)
{
	const struct pci_model *model;
	size_t i;

	if (letter == 'l') {
		fputs(
		    "com1 com2 com3 com4   serial port: comN,stdio |"
		    " comN,/dev/TTY | comN,tcp=IP:PORT | comN,/SOCKET\n"
		    "bootrom               firmware: bootrom,CODE[,VARIABLES]\n"
		    "tpm                   TPM 2.0: tpm,swtpm,/SOCKET |"
		    " tpm,passthru,/dev/tpm0\n",
		    out);
		return;
	}
	for (i = 0; (model = catalog_at(i)); i++)
		fprintf(out, "%-16s %s\n", model->name, model->summary);
}
