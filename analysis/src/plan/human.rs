//! A plan for people.

use comfy_table::Table;

use super::Plan;
use crate::human::{number, plain};

impl Plan {
    /// As plain text: what it comes to, what it saves, the alternatives, the layers.
    pub fn table(&self) -> String {
        let milliseconds = |seconds: f64| number(Some(1e3 * seconds));
        let mut text = format!(
            "{}: frequencies for the layers of {} on {}\n\n",
            self.board, self.network, self.component
        );
        text += &format!(
            "{} J an image ± {} (95 %), {} ms of {} ms, {} changes of frequency an image\n",
            number(Some(self.joules)),
            number(Some(self.joules_ci95)),
            milliseconds(self.seconds),
            milliseconds(self.deadline_s),
            self.switches
        );
        text += &match self.gap_pct {
            gap if gap > 0.0 => format!("within {} % of the best there is", number(Some(gap))),
            _ => "the best there is, by these numbers".to_owned(),
        };
        text += &format!(
            "; a change takes {} µs and {} µJ, {}\n\n",
            number(Some(1e6 * self.switching.seconds)),
            number(Some(1e6 * self.switching.joules)),
            self.switching_from
        );
        for saving in &self.savings {
            let over = format!("over {:.0} MHz throughout, {}", saving.over_mhz, saving.over);
            let joules = number(Some(saving.joules));
            let half_width = number(Some(saving.joules_ci95));
            text += &match saving.claimed {
                true => format!("saves {joules} J ± {half_width} ({:.1} %) {over}\n", saving.pct),
                false => format!("no saving is shown {over}: {joules} J ± {half_width}\n"),
            };
        }
        let mut throughout = Table::new();
        throughout.set_header([
            "throughout",
            "ms/image",
            "J/image",
            "± 95 % (J)",
            "keeps the deadline",
        ]);
        for it in &self.throughout {
            throughout.add_row([
                format!("{:.0} MHz", it.frequency_mhz),
                milliseconds(it.seconds),
                number(Some(it.joules)),
                number(Some(it.joules_ci95)),
                if it.keeps_deadline { "yes" } else { "no" }.to_owned(),
            ]);
        }
        text += &format!("\n{}\n", plain(throughout, 1..4));
        let mut layers = Table::new();
        layers.set_header([
            "layer",
            "kind",
            "group",
            "MHz",
            "ms",
            "mJ",
            "± 95 % (mJ)",
            "ms at highest",
            "mJ at highest",
            "",
        ]);
        for it in &self.layers {
            layers.add_row([
                it.layer.clone(),
                it.kind.clone(),
                it.group.to_string(),
                format!("{:.0}", it.frequency_mhz),
                milliseconds(it.seconds),
                milliseconds(it.joules),
                milliseconds(it.joules_ci95),
                milliseconds(it.seconds_at_highest),
                milliseconds(it.joules_at_highest),
                if it.switches { "changes" } else { "" }.to_owned(),
            ]);
        }
        text += &format!("\n{}\n", plain(layers, 2..9));
        for note in &self.notes {
            text += &format!("\nnote: {note}");
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        text
    }
}
