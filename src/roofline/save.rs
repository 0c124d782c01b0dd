//! A board's description with what was measured in place of what it said.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value, value};
use wattline_board::description::{Component, Description, OperatingPoint};

use super::measured::Measurement;
use crate::target::Target;

/// Writes `file`. What was not measured stays as it is, comments and all.
pub(super) fn save(
    file: &Path,
    board: Option<&str>,
    target: &Target,
    measured: &[Measurement],
) -> Result<()> {
    if file.extension().is_none_or(|it| it != "toml") {
        bail!("--save {}: a description is read from a file that ends in .toml", file.display());
    }
    let mut document = source(board, target)?;
    for measurement in measured {
        put(&mut document, measurement).with_context(|| measurement.component.clone())?;
    }
    let text = document.to_string();
    // What was measured may contradict what is said of the memory: nobody is left with a file that
    // cannot be read.
    Description::parse(&text, file).context(
        "what was measured contradicts the rest of the description; correct that first, and name it as --board",
    )?;
    wattline_trace::create_file_for_invoker(file)
        .and_then(|mut it| it.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// The text of the board's description, or one made up for a machine that has none.
fn source(board: Option<&str>, target: &Target) -> Result<DocumentMut> {
    let description = &target.description;
    if description.name == "host" && board.is_none_or(|board| !board.ends_with(".toml")) {
        return Ok(generated(description));
    }
    let text = Description::text(board.unwrap_or(&description.name))?;
    text.parse().context("the board's description")
}

fn generated(description: &Description) -> DocumentMut {
    let mut document = DocumentMut::new();
    document.decor_mut().set_prefix(
        "# Described from procfs and sysfs; sources of other numbers stand beside them. A rail or a\n\
         # counter that wattline should know is added here: `wattline board show exynos5422` has some.\n\n",
    );
    document["name"] = value(&description.name);
    document["model"] = value(&description.model);
    let mut components = ArrayOfTables::new();
    description.components.iter().for_each(|it| components.push(component(it)));
    document["components"] = Item::ArrayOfTables(components);
    document
}

fn component(component: &Component) -> Table {
    let mut table = Table::new();
    table["name"] = value(component.name());
    table["kind"] = value(component.kind.as_str());
    table["cpus"] = value(component.cpus.iter().map(|&cpu| i64::from(cpu)).collect::<Value>());
    if !component.operating_points.is_empty() {
        let point = |point: &OperatingPoint| {
            let mut table = InlineTable::new();
            table.insert("frequency", point.frequency.to_string().into());
            Value::from(table)
        };
        let points = component.operating_points.iter().map(point);
        table["operating_points"] = value(points.collect::<Value>());
    }
    table
}

/// Replaces peak and bandwidth of a component, each with its source behind it.
fn put(document: &mut DocumentMut, measured: &Measurement) -> Result<()> {
    let components = document.get_mut("components").and_then(Item::as_array_of_tables_mut);
    let named = |table: &&mut Table| {
        table.get("name").and_then(Item::as_str) == Some(measured.component.as_str())
    };
    let Some(table) = components.and_then(|all| all.iter_mut().find(named)) else {
        bail!("the description has no such [[components]] table");
    };
    let source = |what: String, spread_pct: f64, value: &mut Value| {
        value.decor_mut().set_suffix(format!(
            "  # [measured by wattline roofline: {what}, best of {} repeats, their median −{:.1} %]",
            measured.repeats,
            spread_pct
        ));
    };
    let peak = measured.fp32_gflop_per_s;
    let rates = table.entry("peak").or_insert(value(InlineTable::new()));
    let Some(rates) = rates.as_value_mut() else {
        bail!("peak is no inline table, such as peak = {{ fp32 = \"64 GFLOP/s\" }}");
    };
    let Some(inline) = rates.as_inline_table_mut() else { bail!("peak is no table") };
    inline.insert("fp32", format!("{:.2} GFLOP/s", peak.best).into());
    if let Some(fp16) = measured.fp16_gflop_per_s {
        inline.insert("fp16", format!("{:.2} GFLOP/s", fp16.best).into());
    }
    let place = measured.measured_on();
    source(format!("{} on {place}", measured.instructions), peak.spread_pct, rates);
    let spread = match measured.bandwidth_of {
        "read" => measured.read_gb_per_s,
        "write" => measured.write_gb_per_s,
        _ => measured.copy_gb_per_s,
    };
    let mut bandwidth = Value::from(format!("{:.3} GB/s", measured.bandwidth_gb_per_s));
    source(format!("{} on {place}", measured.bandwidth_of), spread.spread_pct, &mut bandwidth);
    table["bandwidth"] = Item::Value(bandwidth);
    Ok(())
}
