//! Checks for people: what does not hold first, one line for all that does.

use comfy_table::Table;

use super::plain;
use crate::Analysis;
use crate::results::{Check, CheckOutcome, CheckRow};

impl Analysis {
    /// Checks that failed: their names, each with its subject.
    pub fn failed_checks(&self) -> Vec<String> {
        let failed = self.checks.iter().filter(|row| row.outcome == CheckOutcome::Fail);
        failed.map(|row| format!("{} ({})", row.check.as_str(), self.subject(row))).collect()
    }

    /// A table of all checks: a line for each warning and failure, and one for each check that
    /// holds otherwise.
    pub(super) fn check_table(&self) -> String {
        let mut order: Vec<Check> = self.checks.iter().map(|row| row.check).collect();
        order.sort_unstable();
        order.dedup();
        let mut table = Table::new();
        table.set_header(["check", "outcome", "of", "found"]);
        for check in order {
            let of_check = || self.checks.iter().filter(|row| row.check == check);
            for row in of_check().filter(|row| row.outcome != CheckOutcome::Pass) {
                let (check, outcome) = (check.as_str(), row.outcome.as_str());
                table.add_row([check, outcome, &self.subject(row), &row.detail]);
            }
            let passed: Vec<_> =
                of_check().filter(|row| row.outcome == CheckOutcome::Pass).collect();
            let subject = match &passed[..] {
                [] => continue,
                [only] => self.subject(only),
                [_, ..] => format!("{} of {}", passed.len(), of_check().count()),
            };
            let detail = if let [only] = &passed[..] { &only.detail } else { "" };
            table.add_row([check.as_str(), CheckOutcome::Pass.as_str(), &subject, detail]);
        }
        plain(table, 0..0)
    }

    fn subject(&self, row: &CheckRow) -> String {
        let bundle =
            if self.several_bundles() { format!("{}: ", row.bundle) } else { String::new() };
        bundle + &row.subject
    }
}
