//! How the numbers came about, with formulas, for those who have to trust them.

use maud::{Markup, html};

/// The section's content.
pub(super) fn markup() -> Markup {
    html! {
        dl {
            dt { "Energy of an image" }
            dd {
                p.formula { "J/image = Σ over the component's rails of (∫ P dt − P" sub { "idle" } " · t) ÷ images" }
                p { "A sensor's reading is its mean over the conversion window that ended at or shortly \
                     before the reading; readings tile time, and are integrated as such. Idle power is the \
                     mean of readings that lie wholly in the gaps between runs. A component's rails are its \
                     own, that of the cluster that drives it, and the memory's; a rail inside another is \
                     never added to it." }
            }
            dt { "Its 95 % interval" }
            dd {
                p.formula { "± = t · √(sampling² + idle² + quantisation² + tolerance² + clock²) + split" }
                p { "Sampling: noise of readings, what happened between them, and the edges of a run. \
                     Idle: the spread of idle power, which is taken off. Quantisation: the sensor's steps. \
                     Tolerance: by how much the sensor's gain may lie off, its shunt included: a share of \
                     the energy that no reading tells of and more images do not shrink, from the board's \
                     description or --sensor-tolerance; each sensor errs by itself, so that it adds in \
                     squares over rails. Clock: the kernel may slew it by 500 ppm. Split: how far a \
                     component's share of a rail may lie off, a bound that is added. Where readings do not \
                     carry a number, none is given, and the note says why." }
            }
            dt { "Components on one rail" }
            dd { p { "What each of several that work at once drew is split by what each drew alone in the same \
                      recording; else by how readings follow who is busy, a regression of power on busy \
                      fractions, in which components that are busy at the same times stay one group; else by \
                      busy time, which says little. All of it is estimated, adds up to what was measured, and \
                      the split's bound says how far each may lie off." } }
            dt { "Other processes" }
            dd {
                p.formula { "share of the run = Σ busy time · frequency of its own ÷ that of all, above idle" }
                p { "On a rail that is one CPU cluster's own, a busy cycle is taken to cost the same whoever \
                     runs; the interval holds what follows if others' cost half as much, or twice. Joules so \
                     split are estimated." }
            }
            dt { "Conservation" }
            dd { p.formula { "attributed + other processes + idle + unattributed = ∫ P dt, for each rail" }
                 p { "or none of the rail's joules is given." } }
            dt { "Throughput" }
            dd { p.formula { "images/s = images ÷ (end of the last − start of the first)" }
                 p { "Of a co-execution: its gain is over the component that is fastest alone; of each \
                      component its share of the images." } }
            dt { "Operational intensity" }
            dd {
                p.formula { "OI" sub { "t" } " = flops ÷ (inputs + weights + outputs, each once)" }
                p.formula { "OI" sub { "e" } " = flops ÷ bytes at the DRAM, above idle traffic" }
                p { "Two flops a multiply-accumulate. Bytes at the DRAM are those of the counter that the \
                     manifest names; where none sees all traffic, no OI" sub { "e" } " is given." }
            }
            dt { "Roof" }
            dd {
                p.formula { "attainable GOP/s = min(peak, OI · bandwidth)" }
                p { "Left of the ridge point, peak ÷ bandwidth, a point is bandwidth-bound, right of it \
                     compute-bound; the factor to the roof is how many times faster it could be there. \
                     At OI" sub { "t" } " a point may lie above the slope, for caches spare it DRAM \
                     traffic. At OI" sub { "e" } ", or above the peak, it cannot: a unit or a ceiling is \
                     then wrong, and the point is ringed and named." }
            }
            dt { "Provenance" }
            dd { p { "measured: a sensor or counter of the thing itself; scaled: measured for part of the \
                      time; estimated: derived by a stated rule; replayed: from an earlier run; emulated: \
                      made by a model, and of no chip. A number has the last of those that went into it." } }
        }
    }
}
