use super::*;
use crate::roof::Roof;

fn a15() -> Ceiling {
    Ceiling { component: "a15".into(), roof: Roof::new(64e9, 4e9).unwrap(), origin: "here".into() }
}

fn row(gop_per_s: f64, oi_theoretical: Option<f64>, oi_empirical: Option<f64>) -> RooflineRow {
    RooflineRow {
        bundle: "trace".into(),
        board: "exynos5422".into(),
        component: "a15".into(),
        frequency_mhz: None,
        network: "alexnet".into(),
        layer: None,
        kind: None,
        seconds_per_image: None,
        gop_per_s,
        oi_theoretical,
        oi_empirical,
        peak_gop_per_s: None,
        bandwidth_gb_per_s: None,
        roof_gop_per_s: None,
        bound: None,
        factor_to_roof: None,
        above_roof: false,
        verdict: String::new(),
        provenance: Provenance::Measured,
    }
    .under(Some(&a15()))
}

/// The ridge point is at 16 flop/B.
#[test]
fn the_ridge_point_parts_bandwidth_from_compute() {
    let left = row(2.0, Some(0.5), Some(1.0));
    assert_eq!((left.bound, left.roof_gop_per_s), (Some(Bound::Bandwidth), Some(4.0)));
    assert_eq!(
        (left.factor_to_roof, left.verdict.as_str()),
        (Some(2.0), "bandwidth-bound, 2.0× under the roof")
    );
    let right = row(16.0, Some(0.5), Some(100.0));
    assert_eq!((right.bound, right.roof_gop_per_s), (Some(Bound::Compute), Some(64.0)));
    assert_eq!(right.verdict, "compute-bound, 4.0× under the roof");
    assert_eq!(row(3.99, None, Some(1.0)).verdict, "bandwidth-bound, on the roof");
}

#[test]
fn a_point_above_the_roof_is_called_wrong() {
    let wrong = row(8.0, Some(0.5), Some(1.0));
    assert!(wrong.above_roof && wrong.verdict.starts_with("above the roof by 2.00×"), "{wrong:?}");
    // Without OI_e caches may explain it, up to the peak.
    let cached = row(8.0, Some(1.0), None);
    assert!(!cached.above_roof && cached.verdict.contains("caches"), "{cached:?}");
    assert!(row(80.0, Some(1.0), None).above_roof);
    assert!(row(80.0, None, None).above_roof);
    assert!(!row(8.0, None, None).above_roof);
    let kind = Some("quantised_conv2d".to_owned());
    let quantised = RooflineRow { kind, ..row(128.0, Some(100.0), None) }.under(Some(&a15()));
    assert!(!quantised.above_roof && quantised.verdict.starts_with("2.00× the"), "{quantised:?}");
}

#[test]
fn the_columns_are_the_rows_fields() {
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.serialize(row(1.0, None, None)).unwrap();
    let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
    assert_eq!(text.lines().next().unwrap(), COLUMNS.join(","));
}

#[test]
fn measured_ceilings_come_from_the_largest_bandwidth_and_fp32() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("roofline.csv");
    let table = "row,component,network,name,operator,gflop_per_s,gb_per_s\n\
                 ceiling,cpu,,peak fp16,,200,\n\
                 ceiling,cpu,,peak fp32,,100,\n\
                 ceiling,cpu,,bandwidth read,,,12\n\
                 ceiling,cpu,,bandwidth copy,,,10\n\
                 ceiling,gpu,,peak fp32,,50,\n\
                 point,cpu,alexnet,conv1,conv2d,1e9,1e9\n";
    std::fs::write(&file, table).unwrap();
    let ceilings = Ceilings::default().measured(&file).unwrap();
    let cpu = ceilings.find("any", "cpu").unwrap();
    assert_eq!(cpu.roof, Roof::new(100e9, 12e9).unwrap());
    assert_eq!(ceilings.find("any", "gpu"), None);
    for (peak, bandwidth) in [("inf", "1"), ("NaN", "1"), ("1e300", "1e-300"), ("-1", "1")] {
        let rows =
            format!("ceiling,cpu,peak fp32,{peak},\nceiling,cpu,bandwidth read,,{bandwidth}\n");
        let table = format!("row,component,name,gflop_per_s,gb_per_s\n{rows}");
        std::fs::write(&file, table).unwrap();
        assert!(Ceilings::default().measured(&file).is_err(), "{peak}, {bandwidth}");
    }
    std::fs::write(&file, "network,component\nalexnet,a15\n").unwrap();
    let error = Ceilings::default().measured(&file).unwrap_err().to_string();
    assert!(error.contains("roofline.csv") && error.contains("wattline roofline"), "{error}");
    assert!(Ceilings::default().measured(&place.path().join("missing")).is_err());
}
