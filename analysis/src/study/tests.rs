use super::published::Cell;
use super::*;

fn row(board: &str, component: &str, network: &str, images_per_s: f64) -> SummaryRow {
    SummaryRow {
        network: network.into(),
        component: component.into(),
        images: 10,
        images_per_s: Some(images_per_s),
        joules_per_image: Some(0.5),
        joules_per_image_ci95: Some(0.01),
        interval: None,
        images_per_joule: Some(2.0),
        gop_per_s: None,
        oi_theoretical: None,
        oi_empirical: None,
        dram_bytes_per_image: None,
        provenance: Provenance::Emulated,
        policy: None,
        frames_pct: None,
        latency_p50_ms: None,
        latency_p99_ms: None,
        gain_pct: None,
        efficiency_solo: None,
        efficiency_oracle: None,
        images_per_joule_gain_pct: None,
        board: board.into(),
        frequency_mhz: None,
        below_highest: false,
        truth: None,
        bundle: "trace".into(),
        refusals: vec![],
        remarks: vec![],
    }
}

fn together(component: &str, frames_pct: f64) -> SummaryRow {
    SummaryRow {
        policy: Some("steal".into()),
        frames_pct: Some(frames_pct),
        gain_pct: (component == "all").then_some(40.0),
        ..row("exynos5422", component, "alexnet", 9.27)
    }
}

#[test]
fn the_data_file_is_whole() {
    let cells = &Published::get().0;
    let mut csv = csv::Reader::from_reader(include_str!("published.csv").as_bytes());
    let records: Vec<_> = csv.records().map(Result::unwrap).collect();
    assert_eq!(cells.len(), records.len());
    let count = |source: &str| cells.iter().filter(|cell| cell.source == source).count();
    assert_eq!((count("Table I"), count("Table II"), count("Table III")), (35, 20, 24));
    let held = |cell: &&Cell| cell.figure == Figure::Words("held back".into());
    assert_eq!(cells.iter().filter(held).count(), 24);
    for (one, other) in cells
        .iter()
        .enumerate()
        .flat_map(|(i, it)| cells[i + 1..].iter().map(move |other| (it, other)))
    {
        let key = |it: &Cell| (it.board, it.engaged, it.component, it.network, it.quantity);
        assert_ne!(key(one), key(other));
    }
}

/// Gains of Table II follow from its throughputs and those of Table I, as far as these are rounded.
#[test]
fn the_tables_agree_with_each_other() {
    let published = Published::get();
    let number = |engaged: &str, component: &str, cell: &Cell, quantity| match published.find(
        cell.board,
        engaged,
        component,
        cell.network,
        quantity,
    ) {
        Some(Cell { figure: Figure::Number(number), .. }) => *number,
        other => panic!("{other:?}"),
    };
    for cell in published.0.iter().filter(|it| it.source == "Table II" && it.quantity == "gain_pct")
    {
        let (alone, all) = (
            number("gpu", "gpu", cell, "images_per_s"),
            number(cell.engaged, "all", cell, "images_per_s"),
        );
        let Figure::Number(gain) = cell.figure else { panic!("{cell:?}") };
        let least = 100.0 * ((all - 0.05) / (alone + 0.05) - 1.0);
        let most = 100.0 * ((all + 0.05) / (alone - 0.05) - 1.0);
        assert!((least..=most).contains(&gain), "{cell:?}: {least} to {most}");
    }
}

#[test]
fn differences_are_relative_and_of_percentages_in_points() {
    let study = Study::new(&[
        row("exynos5422", "a15", "alexnet", 3.41),
        together("gpu", 60.0),
        together("a15", 30.0),
        together("a7", 10.0),
        together("all", 100.0),
    ]);
    let find = |component: &str, quantity: &str| {
        study.rows.iter().find(|it| it.component == component && it.quantity == quantity).unwrap()
    };
    let alone = find("a15", "images_per_s");
    assert_eq!((alone.source, alone.published), ("Table I", Some(3.1)));
    assert!((alone.difference_pct.unwrap() - 10.0).abs() < 1e-9);
    let all = find("all", "images_per_s");
    assert_eq!((all.source, all.engaged.as_str()), ("Table II", "a15+a7+gpu"));
    assert!((all.difference_pct.unwrap() + 10.0).abs() < 1e-9);
    let gain = find("all", "gain_pct");
    assert!((gain.difference_points.unwrap() - 7.6).abs() < 1e-9);
    assert_eq!(gain.difference_pct, None);
    let efficiency = find("a15", "images_per_joule");
    assert_eq!((efficiency.source, efficiency.published), ("Figure 2", None));
    assert!((efficiency.value_ci95.unwrap() - 0.04).abs() < 1e-12);
    assert_eq!(find("gpu", "frames_pct").value, Some(60.0));
    let markdown = study.markdown();
    assert!(markdown.contains("3.41 (3.1, +10.0 %)"), "{markdown}");
    assert!(markdown.contains("40.00 (32.4, +7.6 points)"), "{markdown}");
    assert!(markdown.contains("**Emulated**: numbers of"), "{markdown}");
}

#[test]
fn words_are_checked_where_numbers_are_there() {
    let efficient = |component: &str, images_per_joule: f64| SummaryRow {
        images_per_joule: Some(images_per_joule),
        ..row("kirin970", component, "alexnet", 3.0)
    };
    let holds = |rows: &[SummaryRow]| -> Vec<bool> {
        Study::new(rows).statements.iter().map(|it| it.holds).collect()
    };
    assert_eq!(
        holds(&[efficient("npu", 9.0), efficient("gpu", 5.0), efficient("a73", 1.0)]),
        [true]
    );
    assert_eq!(holds(&[efficient("npu", 4.0), efficient("gpu", 5.0)]), [false]);
    assert_eq!(holds(&[efficient("npu", 4.0)]), [] as [bool; 0]);
}

#[test]
fn a_name_cannot_break_the_table() {
    let study = Study::new(&[row("exynos5422", "a15", "a|b\n<script>", 3.0)]);
    let markdown = study.markdown();
    assert!(markdown.contains("a\\|b \\<script\\>"), "{markdown}");
}
