use super::*;

const GOOD: &str = r#"
name = "small"
[product]
stock = 5
price = 100
[crowd]
buyers = 10
connections = 20
[[journeys]]
steps = ["look", "buy"]
"#;

fn refused(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    Scenario::parse("my.toml", &GOOD.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn presets_are_valid_and_named_after_their_files() {
    for (name, _) in PRESETS {
        let scenario = Scenario::load(name).unwrap();
        assert_eq!(scenario.name, name);
        assert!(!scenario.description.is_empty());
    }
}

#[test]
fn what_is_not_written_has_a_default() {
    let scenario = Scenario::parse("my.toml", GOOD).unwrap();
    assert_eq!(scenario.product.hold_seconds, 600);
    assert_eq!(scenario.product.per_buyer_limit, None);
    assert_eq!(scenario.crowd.connections, 10, "never more connections than buyers");
    assert_eq!(scenario.journeys[0], Journey { weight: 1, steps: vec![Step::Look, Step::Buy] });
    assert!(scenario.verdict.error_rate_max.abs() < f64::EPSILON);
}

#[test]
fn a_mistyped_key_is_named_with_its_line_and_what_is_allowed() {
    let error = refused("stock = 5", "stok = 5");
    assert!(error.starts_with("my.toml:4: ") && error.contains("`stok`") && error.contains("`stock`"), "{error}");
}

#[test]
fn a_missing_key_and_a_wrong_type_are_named() {
    assert!(refused("price = 100\n", "").contains("`price`"));
    let error = refused("stock = 5", "stock = 'five'");
    assert!(error.starts_with("my.toml:4: ") && error.contains("i64"), "{error}");
    assert!(refused("[crowd]", "[crowd").starts_with("my.toml:6: "));
}

#[test]
fn numbers_out_of_range_are_told_all_at_once() {
    let error = refused("stock = 5\nprice = 100", "stock = -1\nprice = -2\nhold_seconds = 0");
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines[0], "my.toml:4: product.stock: -1 is not allowed; allowed: 1 to 1000000000");
    assert!(lines[1].starts_with("my.toml:5: product.price: -2"), "{error}");
    assert!(lines[2].starts_with("my.toml:6: product.hold_seconds: 0"), "{error}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn journeys_need_a_weight_and_known_steps() {
    let error = refused("steps = [\"look\", \"buy\"]", "weight = 0\nsteps = [\"look\", \"steal\"]");
    assert!(error.contains("my.toml:10: journeys.weight: 0 is not allowed"), "{error}");
    assert!(error.contains("my.toml:11: journeys.steps: 'steal' is no step; allowed: look, stock, buy"), "{error}");
    assert!(refused("[\"look\", \"buy\"]", "[]").contains("allowed: 1 to 20 steps"));
    assert!(refused("[[journeys]]\nsteps = [\"look\", \"buy\"]", "").contains("journeys"));
}

#[test]
fn shares_are_from_0_to_1() {
    for bad in ["1.5", "-0.1", "nan"] {
        let error = refused("[[journeys]]", &format!("[payment]\nabandon_rate = {bad}\n[[journeys]]"));
        assert!(error.contains("my.toml:10: payment.abandon_rate: ") && error.contains("0.0 to 1.0"), "{error}");
    }
    assert!(refused("[[journeys]]", "[verdict]\np99_ms_max = 0\n[[journeys]]").contains("above 0"));
}

#[test]
fn flags_override_within_the_same_bounds() {
    let scenario = Scenario::load("flash-sale").unwrap();
    let overrides = Overrides { buyers: Some(30), stock: Some(7), duration: Some(Duration::from_secs(2)) };
    let small = scenario.clone().with(overrides).unwrap();
    assert_eq!((small.crowd.buyers, small.crowd.connections, small.product.stock), (30, 30, 7));
    assert_eq!(small.crowd.duration, Some(Duration::from_secs(2)));
    let overrides = Overrides { buyers: Some(0), ..Overrides::default() };
    let error = scenario.with(overrides).unwrap_err().to_string();
    assert_eq!(error, "--users: 0 is not allowed; allowed: 1 to 1000000");
}

#[test]
fn a_scenario_that_is_not_there_is_named() {
    let error = Scenario::load("flash-sail").unwrap_err();
    assert_eq!(error.code(), "scenario_not_found");
    assert!(error.to_string().contains("'flash-sail'"), "{error}");
}

#[test]
fn durations_are_read_as_people_write_them() {
    for (text, seconds) in [("45s", 45), ("5m", 300), ("1h", 3_600), ("30", 30)] {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for bad in ["", "s", "-1s", "1.5m", "1d", "초", "0", "0s", "25h", "86401"] {
        assert!(parse_duration(bad).is_err(), "{bad}");
    }
}
