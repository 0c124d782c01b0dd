// SPDX-License-Identifier: GPL-2.0
/*
 * What a PMU shows in its events/ and format/ folders, and which attr.config
 * it takes: both from the model's table of sources.
 */
#include <linux/bitfield.h>
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include "wattline_cci.h"

static const struct shim_bank *shim_bank_of(const struct shim *shim, unsigned int source)
{
	const struct shim_bank *bank;

	for (bank = shim->banks; bank->last_event; bank++)
		if (source >= bank->first && source <= bank->last)
			return bank;
	return NULL;
}

/*
 * The sources at which an event is counted, as a mask. Whatever the tables do
 * not name is refused: a counter with an undefined event counts nothing, or
 * anything.
 */
int shim_sources(const struct shim *shim, u64 config, unsigned long *sources)
{
	const struct shim_model *model = shim->model;
	u64 events = GENMASK(model->event_bits - 1, 0);
	u64 numbers = GENMASK(model->source_bits - 1, 0) << model->event_bits;
	unsigned int event, number, source;

	if (model->cycles && config == model->cycles) {
		*sources = BIT(0);
		return 0;
	}
	if (config & ~(events | numbers | SHIM_CONFIG_SOURCES))
		return -EINVAL;

	event = config & events;
	number = (config & numbers) >> model->event_bits;
	*sources = FIELD_GET(SHIM_CONFIG_SOURCES, config);
	if (*sources && number)
		return -EINVAL;
	if (!*sources)
		*sources = BIT(number);

	for_each_set_bit(source, sources, SHIM_SOURCES_MAX) {
		const struct shim_bank *bank = shim_bank_of(shim, source);

		if (!bank || event < bank->first_event || event > bank->last_event)
			return -EINVAL;
	}
	return 0;
}

/* Whether reads and writes at these sources, a mask, can be counted as bytes. */
bool shim_counts_bytes(const struct shim *shim, unsigned long sources)
{
	unsigned int source;

	for_each_set_bit(source, &sources, BITS_PER_LONG) {
		const struct shim_bank *bank = shim_bank_of(shim, source);

		if (!bank || !bank->bytes)
			return false;
	}
	return true;
}

static ssize_t shim_text_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", container_of(attr, struct shim_text, attr)->text);
}

/* A new file, to be named and filled; NULL where the table has outgrown its place. */
static struct shim_text *shim_new_text(struct shim *shim, struct attribute **attrs)
{
	struct shim_text *text = &shim->texts[shim->nr_texts];

	if (WARN_ON(shim->nr_texts == SHIM_TEXTS_MAX))
		return NULL;
	shim->nr_texts++;
	sysfs_attr_init(&text->attr.attr);
	text->attr.attr.name = text->name;
	text->attr.attr.mode = 0444;
	text->attr.show = shim_text_show;
	while (*attrs)
		attrs++;
	*attrs = &text->attr.attr;
	return text;
}

static int shim_describe_format(struct shim *shim, const char *name, unsigned int first,
				unsigned int bits)
{
	struct shim_text *text = shim_new_text(shim, shim->format);

	if (!text)
		return -ENOSPC;
	strscpy(text->name, name, sizeof(text->name));
	snprintf(text->text, sizeof(text->text), "config:%u-%u", first, first + bits - 1);
	return 0;
}

/* The events of one source. */
static int shim_describe_source(struct shim *shim, const struct shim_bank *bank,
				unsigned int source)
{
	const struct shim_named_event *event;

	for (event = bank->events; event->name; event++) {
		struct shim_text *text = shim_new_text(shim, shim->events);
		unsigned int index = source - bank->first;

		if (!text)
			return -ENOSPC;
		if (bank->names)
			snprintf(text->name, sizeof(text->name), "%s-%s", bank->names[index],
				 event->name);
		else
			snprintf(text->name, sizeof(text->name), "%s%u-%s", bank->prefix, index,
				 event->name);
		snprintf(text->text, sizeof(text->text), "event=0x%02x,source=0x%x", event->code,
			 source);
	}
	return 0;
}

/* read-bytes or write-bytes, with the unit and the scale by which perf multiplies counts. */
static int shim_describe_bytes(struct shim *shim, const char *name, u8 code)
{
	struct shim_text *event = shim_new_text(shim, shim->events);
	struct shim_text *unit = shim_new_text(shim, shim->events);
	struct shim_text *scale = shim_new_text(shim, shim->events);

	if (!event || !unit || !scale)
		return -ENOSPC;
	strscpy(event->name, name, sizeof(event->name));
	snprintf(event->text, sizeof(event->text), "event=0x%02x,sources=0x%04x", code,
		 shim->byte_sources);
	snprintf(unit->name, sizeof(unit->name), "%s.unit", name);
	strscpy(unit->text, "Bytes", sizeof(unit->text));
	snprintf(scale->name, sizeof(scale->name), "%s.scale", name);
	snprintf(scale->text, sizeof(scale->text), "%u", shim->model->bytes_per_count);
	return 0;
}

static int shim_describe_cycles(struct shim *shim)
{
	struct shim_text *text = shim_new_text(shim, shim->events);

	if (!text)
		return -ENOSPC;
	strscpy(text->name, "cycles", sizeof(text->name));
	snprintf(text->text, sizeof(text->text), "config=0x%02x", shim->model->cycles);
	return 0;
}

int shim_describe(struct shim *shim)
{
	const struct shim_model *model = shim->model;
	const struct shim_bank *bank;
	unsigned int source;
	int err;

	shim->texts = devm_kcalloc(shim->dev, SHIM_TEXTS_MAX, sizeof(*shim->texts), GFP_KERNEL);
	if (!shim->texts)
		return -ENOMEM;

	err = shim_describe_format(shim, "event", 0, model->event_bits);
	err = err ?: shim_describe_format(shim, "source", model->event_bits, model->source_bits);
	err = err ?: shim_describe_format(shim, "sources", 16, SHIM_SOURCES_MAX);
	err = err ?: shim_describe_bytes(shim, "read-bytes", model->read_event);
	err = err ?: shim_describe_bytes(shim, "write-bytes", model->write_event);
	if (model->cycles)
		err = err ?: shim_describe_cycles(shim);
	for (bank = shim->banks; bank->last_event; bank++)
		for (source = bank->first; bank->events && source <= bank->last; source++)
			err = err ?: shim_describe_source(shim, bank, source);

	shim->format_group.name = "format";
	shim->format_group.attrs = shim->format;
	shim->events_group.name = "events";
	shim->events_group.attrs = shim->events;
	return err;
}
