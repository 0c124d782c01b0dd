/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters of memory traffic as perf PMUs, for boards whose kernel does not
 * offer them.
 *
 * A *block* is a range of registers; a *shim* is one perf PMU and the block or
 * blocks behind it. Events are counted at *sources*: a port of an interconnect,
 * or a memory channel. A perf event may name several sources; it then takes a
 * hardware counter for each, and its value is the sum.
 *
 * bind.c    finds blocks: in the device tree and in the module's parameters
 * pmu.c     the perf PMU, the same for every device
 * events.c  what a PMU shows in sysfs, and which configurations it accepts
 * cci.c     CCI-400, CCI-500 and CCI-550
 * ppmu.c    Exynos PPMU v1
 */
#ifndef WATTLINE_CCI_H
#define WATTLINE_CCI_H

#include <linux/bits.h>
#include <linux/device.h>
#include <linux/hrtimer.h>
#include <linux/mutex.h>
#include <linux/perf_event.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>
#include <linux/types.h>

/* The four blocks of a PPMU. */
#define SHIM_BLOCKS_MAX		4
/* Three counters in each of a PPMU's four blocks; a CCI has nine at most. */
#define SHIM_COUNTERS_MAX	12
#define SHIM_SOURCES_MAX	16
/* What a device shows in the events/ and format/ folders together, at most. */
#define SHIM_TEXTS_MAX		64

/* Several sources in perf's attr.config: a mask, in place of the source's number. */
#define SHIM_CONFIG_SOURCES	GENMASK(31, 16)

struct shim;

struct shim_named_event {
	const char *name;
	u8 code;
};

/**
 * struct shim_bank - sources that count the same events
 * @prefix: their names are this and their number within the bank
 * @names: or these; neither for sources whose events get no names
 * @first: the first source's number
 * @last: the last source's number
 * @first_event: event codes go from this one
 * @last_event: to this one
 * @bytes: the model's read_event and write_event stand for bytes here
 * @events: those shown in sysfs, up to one without a name
 */
struct shim_bank {
	const char *prefix;
	const char * const *names;
	u8 first;
	u8 last;
	u8 first_event;
	u8 last_event;
	bool bytes;
	const struct shim_named_event *events;
};

/**
 * struct shim_model - what is known of a kind of device
 * @name: the PMU's name
 * @blocks: how many register blocks it has
 * @block_size: bytes of each
 * @event_bits: width of the event code in attr.config, from bit 0 on
 * @source_bits: width of the source's number, which follows
 * @cycles: the attr.config that counts the block's clock, at no source; 0 for none
 * @banks: its sources, up to a bank without event codes; NULL where revisions differ
 * @byte_sources: sources that read-bytes and write-bytes add up, unless the user names others
 * @read_event: event code behind read-bytes
 * @write_event: event code behind write-bytes
 * @bytes_per_count: what one count of these stands for
 *
 * @locate: corrects an address that a user gave for a block. May be absent.
 * @identify: fails unless this is such a device; sets the shim's implemented counters, remembers
 *	what the registers hold, and sets banks where the model has none. It changes nothing.
 * @counters: which counters can count an event at a source, as a mask
 * @enable: lets the block count; fails, and leaves it as it was, if it does not keep that
 * @disable: puts back what @identify found
 * @select: has a counter count an event at a source; returns the value from which it counts
 * @read: a counter's value
 *
 * From @enable on, the shim's lock is held.
 */
struct shim_model {
	const char *name;
	u8 blocks;
	u32 block_size;
	u8 event_bits;
	u8 source_bits;
	u8 cycles;
	const struct shim_bank *banks;
	u16 byte_sources;
	u8 read_event;
	u8 write_event;
	u8 bytes_per_count;

	int (*locate)(struct device *dev, phys_addr_t *base);
	int (*identify)(struct shim *shim);
	unsigned long (*counters)(struct shim *shim, u64 config, unsigned int source);
	int (*enable)(struct shim *shim);
	void (*disable)(struct shim *shim);
	u32 (*select)(struct shim *shim, unsigned int counter, u64 config, unsigned int source);
	u32 (*read)(struct shim *shim, unsigned int counter);
};

/**
 * struct shim_counter - a hardware counter and what it is used for
 * @event: the perf event it counts for
 * @source: the source at which it counts
 * @last: its value when it was last read
 */
struct shim_counter {
	struct perf_event *event;
	u8 source;
	u32 last;
};

/* What the registers held before any event was opened; they hold it again after the last. */
struct shim_found {
	u32 control[SHIM_BLOCKS_MAX];
	u32 enabled[SHIM_COUNTERS_MAX];
	u32 select[SHIM_COUNTERS_MAX];
	u32 overflow[SHIM_COUNTERS_MAX];
};

/* A file in sysfs that shows a text. */
struct shim_text {
	struct device_attribute attr;
	char name[32];
	char text[48];
};

/**
 * struct shim - one perf PMU
 * @dev: the device behind it
 * @model: what kind of device that is
 * @banks: its sources
 * @implemented: the counters that there are, as a mask
 * @byte_sources: sources that read-bytes and write-bytes add up
 * @block: its registers
 * @found: what they held
 * @lock: guards the registers, @counter, @used and @ticking
 * @counter: the counters
 * @used: those that an event holds
 * @ticking: @timer will look at them again
 * @timer: reads the counters before they can wrap twice
 * @opening: guards @opened
 * @opened: events that are open, whether or not they are counting
 * @cpu: where events are counted; it is the CPU in cpumask
 * @node: links the shim to CPU hotplug
 * @registered: perf knows the PMU
 * @pmu: as perf sees it
 */
struct shim {
	struct device *dev;
	const struct shim_model *model;
	const struct shim_bank *banks;
	unsigned long implemented;
	u16 byte_sources;
	void __iomem *block[SHIM_BLOCKS_MAX];
	struct shim_found found;

	raw_spinlock_t lock;
	struct shim_counter counter[SHIM_COUNTERS_MAX];
	unsigned long used;
	bool ticking;
	struct hrtimer timer;

	struct mutex opening;	/* guards opened */
	unsigned int opened;

	unsigned int cpu;
	struct hlist_node node;
	bool registered;
	struct pmu pmu;

	struct shim_text *texts;
	unsigned int nr_texts;
	struct attribute *format[4];
	struct attribute *events[SHIM_TEXTS_MAX + 1];
	struct attribute_group format_group;
	struct attribute_group events_group;
	const struct attribute_group *groups[4];
};

static inline struct shim *to_shim(struct pmu *pmu)
{
	return container_of(pmu, struct shim, pmu);
}

extern const struct shim_model shim_cci400;
extern const struct shim_model shim_cci500;
extern const struct shim_model shim_cci550;
extern const struct shim_model shim_ppmu;

/* events.c */
int shim_sources(const struct shim *shim, u64 config, unsigned long *sources);
bool shim_counts_bytes(const struct shim *shim, unsigned long sources);
int shim_describe(struct shim *shim);

/* pmu.c */
extern const struct dev_pm_ops shim_pm_ops;
int shim_hotplug_init(void);
void shim_hotplug_exit(void);
int shim_register(struct shim *shim);

#endif
