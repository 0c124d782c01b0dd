//! Two sides compared, for people.

use comfy_table::Table;
use wattline_trace::Provenance;

use super::{number, plain, section};
use crate::Comparison;

impl Comparison {
    /// What is compared, the table, and what else to know, as plain text.
    pub fn table(&self) -> String {
        let mut text = String::new();
        if let Some(why) = &self.incomparable {
            text.push_str(&format!("NOT COMPARABLE: {why}\n\n"));
        }
        for (letter, bundles, boards) in
            [('A', &self.a, &self.boards_a), ('B', &self.b, &self.boards_b)]
        {
            let names: Vec<String> = bundles.iter().map(|it| it.display().to_string()).collect();
            text.push_str(&format!("{letter}: {} ({})\n", names.join(", "), boards.join(", ")));
        }
        let emulated = self
            .rows
            .iter()
            .any(|row| [row.provenance_a, row.provenance_b].contains(&Provenance::Emulated));
        if emulated {
            text.push_str("emulated numbers: a model's, and of no chip\n");
        }
        match self.rows.is_empty() {
            true => text.push_str("\nnothing is on both sides: there is nothing to compare\n"),
            false => text.push_str(&format!("\n{}\n", self.grid())),
        }
        section(&mut text, "Only in A", self.only_in_a.clone());
        section(&mut text, "Only in B", self.only_in_b.clone());
        section(&mut text, "A and B differ in", self.conditions.clone());
        section(&mut text, "Notes", self.notes.clone());
        text
    }

    fn grid(&self) -> String {
        let layers = self.rows.iter().any(|row| !row.layer.is_empty());
        let together = self.rows.iter().any(|row| row.policy != "alone");
        let several = self.rows.iter().any(|row| row.runs_a > 1 || row.runs_b > 1);
        let mut header = vec!["network", "component"];
        let mut optional = |wanted: bool, name| header.extend(wanted.then_some(name));
        optional(together, "policy");
        optional(layers, "layer");
        header.push("quantity");
        let first = header.len();
        header.extend(["A", "± 95 %", "B", "± 95 %", "B − A %"]);
        if several {
            header.extend(["runs of A", "runs of B"]);
        }
        let numbers = first..header.len();
        header.push("which means");
        let mut table = Table::new();
        table.set_header(header);
        for row in &self.rows {
            let shown = |value: Option<f64>| number(value.map(|it| it * row.quantity.scale()));
            let difference = row.difference_pct.map_or("–".to_owned(), |it| format!("{it:+.2}"));
            let mut cells = vec![row.network.to_string(), row.component.to_string()];
            cells.extend(together.then(|| row.policy.clone()));
            cells.extend(layers.then(|| row.layer.clone()));
            cells.push(row.quantity.in_words().to_owned());
            cells.extend([shown(row.a), shown(row.a_ci95), shown(row.b), shown(row.b_ci95)]);
            cells.push(difference);
            if several {
                cells.extend([row.runs_a.to_string(), row.runs_b.to_string()]);
            }
            cells.push(row.says.clone());
            table.add_row(cells);
        }
        plain(table, numbers)
    }
}
